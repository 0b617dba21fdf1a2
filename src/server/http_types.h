// A request and an answer of HTTP, as the handlers see them. No sockets here.
#ifndef AHA_SERVER_HTTP_TYPES_H_
#define AHA_SERVER_HTTP_TYPES_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace aha {

struct HttpRequest {
  std::string method;
  std::string path;                                          // decoded, without the query
  std::map<std::string, std::string> query;                  // decoded; the last of equal names
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in order
  std::string body;
  bool loopback = false;  // the peer is this machine
  std::string id;         // x-request-id of the answer
  std::string owner;      // who asks, as the gate knows them; "" without a key

  // The first of that name (lower case), or "".
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
  int count(std::string_view name) const {
    int n = 0;
    for (const auto& [key, value] : headers) n += key == name ? 1 : 0;
    return n;
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

inline HttpResponse JsonResponse(const Json& json, int status = 200) {
  return {.status = status, .body = DumpJson(json)};
}

}  // namespace aha

#endif  // AHA_SERVER_HTTP_TYPES_H_
