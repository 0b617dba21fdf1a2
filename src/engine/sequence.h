// One sample of one request, and what its request's samples share. Plain state: the scheduler moves
// it between waiting and running, the engine adds tokens.
#ifndef AHA_ENGINE_SEQUENCE_H_
#define AHA_ENGINE_SEQUENCE_H_

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "engine/prefix_cache.h"

namespace aha {

struct Owner;
struct RequestState;

enum class SequenceState {
  kDormant,   // a later sample of a request whose prompt is not computed yet
  kWaiting,   // holds no pages
  kRunning,   // holds pages for all its tokens
  kFinished,  // holds no pages; its OnFinish has been called
};

struct Sequence {
  RequestState* request = nullptr;
  int32_t sample = 0;
  SequenceState state = SequenceState::kDormant;
  std::vector<int32_t> tokens;  // prompt, then output; empty before the first admission
  std::vector<int32_t> pages;
  int64_t computed = 0;          // tokens whose rows are in `pages`
  int64_t known_pages = 0;       // leading pages that the prefix cache has been told of
  PrefixCache::Chain chain = 0;  // of the last of those
  std::vector<int32_t> forced;
  size_t forced_used = 0;

  int64_t pending() const { return static_cast<int64_t>(tokens.size()) - computed; }
};

struct RequestState {
  RequestId id = 0;
  Request params;
  RequestListener* listener = nullptr;
  Owner* owner = nullptr;
  std::vector<Sequence> samples;  // [n], never resized: others point into it
  int32_t unfinished = 0;
  int64_t next_scored = 1;    // prompt position whose log-probability is reported next
  int64_t cached_prompt = 0;  // prompt tokens found in the cache at the first admission
  bool start_heard = false;   // OnStart was called
  bool prompt_done = false;   // the first sample has computed the whole prompt
  // The prompt's pages, kept from then on for the samples that have not started yet.
  std::vector<int32_t> prompt_pages;
  int32_t not_started = 0;

  int64_t prompt_size() const { return static_cast<int64_t>(params.prompt.size()); }
};

}  // namespace aha

#endif  // AHA_ENGINE_SEQUENCE_H_
