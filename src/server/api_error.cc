#include "server/api_error.h"

#include "server/limits.h"

namespace aha {

Json ApiError::ToJson() const {
  const auto text = [](const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); };
  return {{"error",
           {{"message", message}, {"type", type}, {"param", text(param)}, {"code", text(code)}}}};
}

HttpResponse ApiError::ToResponse() const {
  HttpResponse response = JsonResponse(ToJson(), status);
  if (retry_after_s > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
    response.headers.emplace_back("x-should-retry", "true");
  } else if (status >= 500) {
    response.headers.emplace_back("x-should-retry", "false");
  }
  return response;
}

ApiError NotFoundError(std::string message, std::string code) {
  return {.status = 404, .message = std::move(message), .code = std::move(code)};
}

ApiError Overloaded(const Status& status) {
  return {.status = 429,
          .message = status.message(),
          .type = "rate_limit_error",
          .code = "rate_limit_exceeded",
          .retry_after_s = limits::kRetryAfterSeconds};
}

ApiError FromStatus(const Status& status, std::string param) {
  ApiError error{.message = status.message(), .param = std::move(param)};
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
      error.code = "invalid_value";
      break;
    case StatusCode::kNotFound:
      error.status = 404;
      error.code = "not_found";
      break;
    case StatusCode::kResourceExhausted:
      error.status = 503;
      error.type = "unavailable_error";
      error.code = "overloaded";
      error.retry_after_s = limits::kRetryAfterSeconds;
      break;
    default:
      error.status = 500;
      error.type = "internal_error";
      error.code = "internal_error";
  }
  return error;
}

}  // namespace aha
