// POST /v1/responses: OpenAI's stateful API, with the thought as a reasoning item.
#ifndef AHA_SERVER_OPENAI_RESPONSES_H_
#define AHA_SERVER_OPENAI_RESPONSES_H_

#include "server/api_context.h"
#include "server/response_store.h"

namespace aha {

// Adds /responses, /responses/ID (GET, DELETE) and /responses/ID/cancel. `context` and `store`
// outlive the router.
void AddOpenAiResponses(Router& router, ApiContext& context, ResponseStore& store);

}  // namespace aha

#endif  // AHA_SERVER_OPENAI_RESPONSES_H_
