// Reads the fields of a request's JSON object, each with its type and range; the first that does
// not fit is the error, with its name as `param`. Absent and null are the same; fields nobody asks
// for are let be, as clients send many.
//
//   RequestFields f(body);
//   f.Read("temperature", &temperature, 0, 2);
//   if (f.failed()) return f.error();
#ifndef AHA_SERVER_REQUEST_FIELDS_H_
#define AHA_SERVER_REQUEST_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/api_error.h"

namespace aha {

class RequestFields {
 public:
  // `where` goes before names in errors: "messages[2].".
  explicit RequestFields(const Json& object, std::string where = {})
      : object_(object), where_(std::move(where)) {}

  // Null when absent.
  const Json* Find(const char* key) const { return FindKey(object_, key); }
  void Read(const char* key, std::optional<float>* out, double low, double high);
  void Read(const char* key, std::optional<double>* out, double low, double high);
  void Read(const char* key, int64_t* out, int64_t low, int64_t high);
  void Read(const char* key, int32_t* out, int32_t low, int32_t high);
  void Read(const char* key, std::optional<int32_t>* out, int32_t low, int32_t high);
  void Read(const char* key, bool* out);
  void Read(const char* key, std::optional<bool>* out);
  void Read(const char* key, std::string* out, size_t max_bytes = 1 << 20);
  // A seed: any integer, or a float that is one; negative ones wrap.
  void ReadSeed(const char* key, std::optional<uint64_t>* out);
  // A string or a list of them.
  void ReadStrings(const char* key, std::vector<std::string>* out, size_t most, size_t max_bytes);
  // {"ID": bias}, ids in decimals.
  void ReadLogitBias(const char* key, std::vector<std::pair<int32_t, float>>* out);

  void Fail(const char* key, const std::string& message);
  bool failed() const { return error_.has_value(); }
  const ApiError& error() const { return *error_; }

 private:
  std::optional<double> Number(const char* key, double low, double high, bool integer);

  const Json& object_;
  std::string where_;
  std::optional<ApiError> error_;
};

}  // namespace aha

#endif  // AHA_SERVER_REQUEST_FIELDS_H_
