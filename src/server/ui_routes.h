// The web app's files as routes that ask for no key: they hold nothing of anyone's.
//
//   AddUiRoutes(router);   // GET /, /app.js, ...
#ifndef AHA_SERVER_UI_ROUTES_H_
#define AHA_SERVER_UI_ROUTES_H_

#include "server/router.h"

namespace aha {

void AddUiRoutes(Router& router);

}  // namespace aha

#endif  // AHA_SERVER_UI_ROUTES_H_
