// The app's own routes of the program and of turns (docs/app_api.md).
#ifndef AHA_SERVER_APP_ROUTES_H_
#define AHA_SERVER_APP_ROUTES_H_

#include <map>
#include <memory>
#include <string>

#include "server/api_context.h"
#include "server/model_cards.h"
#include "server/turn.h"

namespace aha {

// /api/status and /api/models.
struct AppFacts {
  bool key_required = false;
  std::string code_path;  // "avx512 (vnni, bf16)"
  int64_t cores = 1;
  double read_bytes_per_s = 0;  // measured; 0: not yet
  Json sandbox = {{"network", "not restricted"}, {"files", "not restricted"}};  // sentences
  bool can_train = false;
};
void AddAppRoutes(Router& router, ApiContext& context, ModelCards& cards, AppFacts& facts);

}  // namespace aha

#endif  // AHA_SERVER_APP_ROUTES_H_
