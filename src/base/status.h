// Errors as values.
//
//   Result<Config> config = ReadConfig(path);
//   if (!config.ok()) return config.status();
//   AHA_ASSIGN_OR_RETURN(Config c, ReadConfig(path));
//
// A Status is ok or a code with one sentence that names the thing and the offending value. Bad
// input becomes a Status; only a bug may CHECK (check.h). A Result<T> holds a T exactly when it is
// ok.
#ifndef AHA_BASE_STATUS_H_
#define AHA_BASE_STATUS_H_

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "base/check.h"

namespace aha {

enum class StatusCode {
  kOk,
  kInvalidArgument,    // the input is wrong; the same input fails again
  kNotFound,           // a file, a name, a tensor is not there
  kIo,                 // the system refused: disk, network, permissions
  kResourceExhausted,  // memory, pages, a limit
  kCancelled,
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error seen from further out: "prefix: message".
  Status Within(const std::string& prefix) const {
    return ok() ? *this : Status(code_, prefix + ": " + message_);
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status OkStatus() { return Status(); }

template <typename... Args>
Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return {StatusCode::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...)};
}
template <typename... Args>
Status NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return {StatusCode::kNotFound, fmt::format(format, std::forward<Args>(args)...)};
}
template <typename... Args>
Status IoError(fmt::format_string<Args...> format, Args&&... args) {
  return {StatusCode::kIo, fmt::format(format, std::forward<Args>(args)...)};
}
template <typename... Args>
Status ResourceExhausted(fmt::format_string<Args...> format, Args&&... args) {
  return {StatusCode::kResourceExhausted, fmt::format(format, std::forward<Args>(args)...)};
}
template <typename... Args>
Status Cancelled(fmt::format_string<Args...> format, Args&&... args) {
  return {StatusCode::kCancelled, fmt::format(format, std::forward<Args>(args)...)};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    CHECK(!status_.ok(), "a Result without a value needs an error");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & {
    CHECK(ok(), status_.message());
    return *value_;
  }
  const T& value() const& {
    CHECK(ok(), status_.message());
    return *value_;
  }
  T&& value() && {
    CHECK(ok(), status_.message());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace aha

#define AHA_RETURN_IF_ERROR(expr)              \
  do {                                         \
    ::aha::Status aha_status_ = (expr);        \
    if (!aha_status_.ok()) return aha_status_; \
  } while (false)

#define AHA_CONCAT_INNER_(a, b) a##b
#define AHA_CONCAT_(a, b) AHA_CONCAT_INNER_(a, b)
// AHA_ASSIGN_OR_RETURN(declaration, expression of type Result<T>)
#define AHA_ASSIGN_OR_RETURN(declaration, expr) \
  AHA_ASSIGN_OR_RETURN_IMPL_(AHA_CONCAT_(aha_result_, __LINE__), declaration, expr)
#define AHA_ASSIGN_OR_RETURN_IMPL_(result, declaration, expr) \
  auto result = (expr);                                       \
  if (!result.ok()) return result.status();                   \
  declaration = std::move(result).value()

#endif  // AHA_BASE_STATUS_H_
