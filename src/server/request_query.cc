#include "server/request_query.h"

#include <charconv>

namespace aha {

std::optional<ApiError> ReadQuery(const HttpRequest& request, const char* key, double low,
                                  double high, double* out) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return std::nullopt;
  const std::string& text = found->second;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(number >= low && number <= high)) {
    return BadField(key, "{} is '{}': a number from {} to {} is possible", key, text.substr(0, 60),
                    low, high);
  }
  *out = number;
  return std::nullopt;
}

std::optional<ApiError> ReadQuery(const HttpRequest& request, const char* key, bool* out) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return std::nullopt;
  if (found->second != "true" && found->second != "false") {
    return BadField(key, "{} is '{}': true or false are possible", key,
                    found->second.substr(0, 60));
  }
  *out = found->second == "true";
  return std::nullopt;
}

}  // namespace aha
