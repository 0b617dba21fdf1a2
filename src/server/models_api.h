// What can be asked about models and the program: /v1/models, /tokenize, /detokenize,
// /tokenizer_info, /health, /version, /metrics, /user/balance.
#ifndef AHA_SERVER_MODELS_API_H_
#define AHA_SERVER_MODELS_API_H_

#include "server/api_context.h"

namespace aha {

void AddModelsApi(Router& router, ApiContext& context);

}  // namespace aha

#endif  // AHA_SERVER_MODELS_API_H_
