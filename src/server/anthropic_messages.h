// POST /v1/messages and /v1/messages/count_tokens as Anthropic's clients speak them.
#ifndef AHA_SERVER_ANTHROPIC_MESSAGES_H_
#define AHA_SERVER_ANTHROPIC_MESSAGES_H_

#include <string_view>

#include "server/api_context.h"

namespace aha {

// Adds /messages and /messages/count_tokens, also below /anthropic/v1. `context` outlives the
// router.
void AddAnthropicMessages(Router& router, ApiContext& context);

// A path of this API, where refusals have Anthropic's shape too.
bool IsAnthropicPath(std::string_view path);

}  // namespace aha

#endif  // AHA_SERVER_ANTHROPIC_MESSAGES_H_
