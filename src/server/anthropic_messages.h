// POST /v1/messages and /v1/messages/count_tokens as Anthropic's clients speak them.
#ifndef AHA_SERVER_ANTHROPIC_MESSAGES_H_
#define AHA_SERVER_ANTHROPIC_MESSAGES_H_

#include "server/api_context.h"

namespace aha {

// The request as OpenAI's chat API would have it, which one parser reads for all. Errors name
// Anthropic's field. `counting`: max_tokens may be missing.
ApiResult<Json> ChatBodyOfAnthropic(const Json& body, bool counting);

// {"type": "error", "error": {"type", "message"}}, with the same status.
HttpResponse AnthropicError(const ApiError& error);

// Adds /messages and /messages/count_tokens, also below /anthropic/v1. `context` outlives the
// router.
void AddAnthropicMessages(Router& router, ApiContext& context);

}  // namespace aha

#endif  // AHA_SERVER_ANTHROPIC_MESSAGES_H_
