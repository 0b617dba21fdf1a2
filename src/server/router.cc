#include "server/router.h"

#include <utility>

namespace aha {
namespace {

// True when `path` fits; parts are those under '*'.
bool Fits(std::string_view pattern, std::string_view path, std::vector<std::string>* parts) {
  parts->clear();
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const size_t a = pattern.find('/', 1), b = path.find('/', 1);
    const std::string_view want = pattern.substr(0, a), have = path.substr(0, b);
    if (want == "/*") {
      if (have.size() < 2) return false;
      parts->emplace_back(have.substr(1));
    } else if (want != have) {
      return false;
    }
    if (a == std::string_view::npos || b == std::string_view::npos) return a == b;
    pattern.remove_prefix(a);
    path.remove_prefix(b);
  }
}

}  // namespace

void Router::Add(std::string method, std::string pattern, RouteHandler handler) {
  routes_.push_back({std::move(method), std::move(pattern), std::move(handler), false});
}

void Router::AddOpen(std::string method, std::string pattern, RouteHandler handler) {
  routes_.push_back({std::move(method), std::move(pattern), std::move(handler), true});
}

Router::Match Router::Find(std::string_view method, std::string_view path) const {
  if (method == "HEAD") method = "GET";
  Match match;
  std::vector<std::string> parts;
  for (const Route& route : routes_) {
    if (!Fits(route.pattern, path, &parts)) continue;
    match.path_known = true;
    if (route.method != method) continue;
    match.route = &route;
    match.parts = std::move(parts);
    return match;
  }
  return match;
}

}  // namespace aha
