// Which handler a request goes to: a table that tests can walk.
//
//   Router router;
//   router.Add("POST", "/v1/chat/completions", handler);
//   router.Add("GET", "/api/runs/*", handler);           // '*' is one part, kept in order
//   const Router::Match match = router.Find("GET", "/api/runs/parity");
#ifndef AHA_SERVER_ROUTER_H_
#define AHA_SERVER_ROUTER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_server.h"

namespace aha {

// A request with what '*' stood for.
using RouteHandler = std::function<void(const HttpRequest& request, std::vector<std::string> parts,
                                        std::shared_ptr<Exchange> exchange)>;

class Router {
 public:
  struct Route {
    std::string method, pattern;
    RouteHandler handler;
    bool open = false;  // answered without a key: /health and the page's files
  };
  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> parts = {};
    bool path_known = false;  // with another method
  };

  void Add(std::string method, std::string pattern, RouteHandler handler);
  void AddOpen(std::string method, std::string pattern, RouteHandler handler);
  // HEAD is answered as GET. A trailing '/' counts for nothing.
  Match Find(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace aha

#endif  // AHA_SERVER_ROUTER_H_
