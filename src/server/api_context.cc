#include "server/api_context.h"

#include "server/limits.h"

namespace aha {

ApiResult<Json> ParseBody(const HttpRequest& request) {
  Result<Json> json = ParseJson(request.body, limits::kJsonDepth);
  if (!json.ok()) {
    return ApiError{.status = 400,
                    .message = "the body is not JSON: " + json.status().message(),
                    .code = "invalid_json"};
  }
  if (!json->is_object()) return BadField("", "the body is no JSON object");
  return std::move(*json);
}

void AddV1(Router& router, const std::string& method, const std::string& pattern,
           RouteHandler handler) {
  router.Add(method, "/v1" + pattern, handler);
  router.Add(method, pattern, std::move(handler));
}

}  // namespace aha
