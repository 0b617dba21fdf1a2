// What clients of /v1/responses send, in the words of the chat API.
#ifndef AHA_SERVER_RESPONSES_REQUEST_H_
#define AHA_SERVER_RESPONSES_REQUEST_H_

#include "server/translated_body.h"

namespace aha {

// `before` are the messages that it goes on from, in the chat API's form. What this server has not
// (conversations, prompts kept elsewhere, tools of other services) is refused. Errors name the
// field or item.
ApiResult<TranslatedBody> ChatBodyOfResponses(const Json& body, const Json& before);

}  // namespace aha

#endif  // AHA_SERVER_RESPONSES_REQUEST_H_
