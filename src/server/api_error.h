// What an API answers when it cannot do what was asked: a status of HTTP and OpenAI's error body.
#ifndef AHA_SERVER_API_ERROR_H_
#define AHA_SERVER_API_ERROR_H_

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "base/status.h"
#include "server/http_types.h"

namespace aha {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param = {};  // the field of the request that is wrong
  std::string code = {};
  int retry_after_s = 0;  // > 0: the same request may work then

  Json ToJson() const;
  HttpResponse ToResponse() const;
};

// 400 for a field by name.
template <typename... Args>
ApiError BadField(std::string param, fmt::format_string<Args...> format, Args&&... args) {
  return {.status = 400,
          .message = fmt::format(format, std::forward<Args>(args)...),
          .param = std::move(param),
          .code = "invalid_value"};
}
ApiError NotFoundError(std::string message, std::string code);
// InvalidArgument is 400, NotFound 404, ResourceExhausted 503 (try again), the rest 500.
// Of ModelHost::Start: 429 with a time to come again.
ApiError Overloaded(const Status& status);
ApiError FromStatus(const Status& status, std::string param = {});

// A value, or the error to answer with.
template <typename T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  ApiResult(ApiError error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return value_.has_value(); }
  const ApiError& error() const { return error_; }
  T& operator*() {
    CHECK(ok(), error_.message);
    return *value_;
  }
  T* operator->() { return &**this; }

 private:
  std::optional<T> value_;
  ApiError error_;
};

}  // namespace aha

#endif  // AHA_SERVER_API_ERROR_H_
