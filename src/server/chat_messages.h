// Messages and tools as OpenAI and DeepSeek clients send them, made into what templates take.
#ifndef AHA_SERVER_CHAT_MESSAGES_H_
#define AHA_SERVER_CHAT_MESSAGES_H_

#include "base/json.h"
#include "server/api_error.h"
#include "server/chat_spec.h"

namespace aha {

// Roles developer (read as system), system, user, assistant, tool; content a string, null, or parts
// of type text (others are refused: nothing is fetched, nothing is seen). The last one may be a
// beginning to go on from ("prefix": true). Old reasoning_content is never an error. Fills
// spec->messages and the prefix fields.
std::optional<ApiError> ReadMessages(const Json& body, ChatSpec* spec);

// tools, tool_choice, parallel_tool_calls.
std::optional<ApiError> ReadTools(const Json& body, ChatSpec* spec);

// response_format, and the local `grammar`.
std::optional<ApiError> ReadFormat(const Json& body, ChatSpec* spec);

}  // namespace aha

#endif  // AHA_SERVER_CHAT_MESSAGES_H_
