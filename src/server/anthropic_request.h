// What Anthropic's clients send, in the words of the chat API.
#ifndef AHA_SERVER_ANTHROPIC_REQUEST_H_
#define AHA_SERVER_ANTHROPIC_REQUEST_H_

#include "server/translated_body.h"

namespace aha {

// Old thoughts are taken back (redacted ones are left out); pictures and tools of other services
// are refused. A last message of the assistant is the beginning of the answer. Errors name
// Anthropic's field. `counting`: max_tokens may be missing.
ApiResult<TranslatedBody> ChatBodyOfAnthropic(const Json& body, bool counting);

}  // namespace aha

#endif  // AHA_SERVER_ANTHROPIC_REQUEST_H_
