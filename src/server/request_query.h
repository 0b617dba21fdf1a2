// The query of a request: "/a?limit=20".
#ifndef AHA_SERVER_REQUEST_QUERY_H_
#define AHA_SERVER_REQUEST_QUERY_H_

#include <optional>

#include "server/api_error.h"
#include "server/http_types.h"

namespace aha {

// A number of the query; absent leaves `out` alone. Error: no number, or outside the range.
std::optional<ApiError> ReadQuery(const HttpRequest& request, const char* key, double low,
                                  double high, double* out);

// "true" or "false".
std::optional<ApiError> ReadQuery(const HttpRequest& request, const char* key, bool* out);

}  // namespace aha

#endif  // AHA_SERVER_REQUEST_QUERY_H_
