// POST /v1/chat/completions as OpenAI's and DeepSeek's clients speak it, and its /control.
#ifndef AHA_SERVER_OPENAI_CHAT_H_
#define AHA_SERVER_OPENAI_CHAT_H_

#include "server/api_context.h"

namespace aha {

// The request's fields; unknown ones are let be. Errors name the field.
ApiResult<ChatSpec> ParseOpenAiChat(const Json& body);

// How the answer is sent.
struct OpenAiStyle {
  bool stream = false;
  bool include_usage = false;
};
std::optional<ApiError> ReadStyle(const Json& body, OpenAiStyle* out);

// Adds /chat/completions and /chat/completions/control. `context` outlives the router.
void AddOpenAiChat(Router& router, ApiContext& context);

}  // namespace aha

#endif  // AHA_SERVER_OPENAI_CHAT_H_
