// The routes of "Growth" (docs/app_api.md): RunsApi behind a router, with answers made by ModelHost
// and a live stream of a run's metrics.
#ifndef AHA_SERVER_RUNS_ROUTES_H_
#define AHA_SERVER_RUNS_ROUTES_H_

#include "server/api_context.h"
#include "server/runs_api.h"

namespace aha {

// `context` and `api` outlive the router.
void AddRunsRoutes(Router& router, ApiContext& context, RunsApi& api);

}  // namespace aha

#endif  // AHA_SERVER_RUNS_ROUTES_H_
