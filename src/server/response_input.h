// The input of a stored response, as GET /v1/responses/ID/input_items lists it.
#ifndef AHA_SERVER_RESPONSE_INPUT_H_
#define AHA_SERVER_RESPONSE_INPUT_H_

#include "base/json.h"
#include "server/api_error.h"
#include "server/http_types.h"

namespace aha {

// The request's `input`, which ChatBodyOfResponses has read without an error, as items that all
// have a type and an id; a text is one message, and texts of messages are parts.
Json InputItems(const Json& input);

// One page of `items`: `order` desc (the newest first, as OpenAI's) or asc, `limit` of them (20),
// those behind the id `after`. Errors name the field of the query.
ApiResult<Json> PageOfItems(const Json& items, const HttpRequest& request);

}  // namespace aha

#endif  // AHA_SERVER_RESPONSE_INPUT_H_
