// Gets a conversation's pages ready for its next turn.
//
// Templates leave old thoughts out of later prompts, so what follows a thought has other pages in
// the next turn than when it was written. They are computed when the engines have nothing else to
// do: the next turn then finds all but its own question in the cache.
#ifndef AHA_SERVER_NEXT_TURN_H_
#define AHA_SERVER_NEXT_TURN_H_

#include <string>

#include "server/api_context.h"

namespace aha {

// What the next turn's prompt begins with.
struct NextTurn {
  std::shared_ptr<ServedModel> model;
  Json messages;  // with the answer as the last one
  Json tools = nullptr;
  Json template_extra = Json::object();
  uint64_t cache_salt = 0;
};

struct SampleResult;

// After an answer to `spec`: what was answered without its thought is what the next turn's prompt
// holds. Nothing, where nothing was left out or the next prompt cannot be known.
void WarmAfter(ApiContext& context, const ChatSpec& spec, const SampleResult& answer,
               std::shared_ptr<ServedModel> model, uint64_t cache_salt);

// From the loop; returns at once. A conversation that cannot be rendered so is left alone.
void WarmNextTurn(ApiContext& context, NextTurn next);

}  // namespace aha

#endif  // AHA_SERVER_NEXT_TURN_H_
