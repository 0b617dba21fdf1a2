// What clients of /v1/responses send, in the words of the chat API.
#ifndef AHA_SERVER_RESPONSES_REQUEST_H_
#define AHA_SERVER_RESPONSES_REQUEST_H_

#include "server/translated_body.h"

namespace aha {

// `before` are the messages that it goes on from, in the chat API's form. What this server has not
// (conversations, prompts kept elsewhere, tools of other services) is refused. Errors name the
// field or item.
// References to items (IsReference) must have been put in their place before.
ApiResult<TranslatedBody> ChatBodyOfResponses(const Json& body, const Json& before);

// An item of the input that stands for an item of an earlier response, by its id.
bool IsReference(const Json& item);

}  // namespace aha

#endif  // AHA_SERVER_RESPONSES_REQUEST_H_
