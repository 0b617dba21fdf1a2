#include "server/request_fields.h"

#include <charconv>
#include <cmath>

#include "server/limits.h"

namespace aha {
namespace {

// A value in an error: short, whatever was sent.
std::string Shown(const Json& value) {
  std::string text = DumpJson(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

void RequestFields::Fail(const char* key, const std::string& message) {
  if (failed()) return;
  const std::string param = where_ + key;
  error_ = BadField(param, "{} {}", param, message);
}

std::optional<double> RequestFields::Number(const char* key, double low, double high,
                                            bool integer) {
  const Json* value = Find(key);
  if (value == nullptr || failed()) return std::nullopt;
  if (!value->is_number()) {
    Fail(key,
         fmt::format("is {}: it must be {}", Shown(*value), integer ? "an integer" : "a number"));
    return std::nullopt;
  }
  const auto number = value->get<double>();
  if (!(number >= low && number <= high) || (integer && number != std::floor(number))) {
    Fail(key, fmt::format("is {}: {} from {} to {} is possible", Shown(*value),
                          integer ? "an integer" : "a number", low, high));
    return std::nullopt;
  }
  return number;
}

void RequestFields::Read(const char* key, std::optional<float>* out, double low, double high) {
  if (const auto n = Number(key, low, high, false)) *out = static_cast<float>(*n);
}
void RequestFields::Read(const char* key, std::optional<double>* out, double low, double high) {
  if (const auto n = Number(key, low, high, false)) *out = *n;
}
void RequestFields::Read(const char* key, int64_t* out, int64_t low, int64_t high) {
  if (const auto n = Number(key, static_cast<double>(low), static_cast<double>(high), true)) {
    *out = static_cast<int64_t>(*n);
  }
}
void RequestFields::Read(const char* key, int32_t* out, int32_t low, int32_t high) {
  if (const auto n = Number(key, low, high, true)) *out = static_cast<int32_t>(*n);
}
void RequestFields::Read(const char* key, std::optional<int32_t>* out, int32_t low, int32_t high) {
  if (const auto n = Number(key, low, high, true)) *out = static_cast<int32_t>(*n);
}

void RequestFields::Read(const char* key, bool* out) {
  std::optional<bool> value;
  Read(key, &value);
  if (value) *out = *value;
}

void RequestFields::Read(const char* key, std::optional<bool>* out) {
  const Json* value = Find(key);
  if (value == nullptr || failed()) return;
  if (!value->is_boolean())
    return Fail(key, fmt::format("is {}: it must be true or false", Shown(*value)));
  *out = value->get<bool>();
}

void RequestFields::Read(const char* key, std::string* out, size_t max_bytes) {
  const Json* value = Find(key);
  if (value == nullptr || failed()) return;
  if (!value->is_string())
    return Fail(key, fmt::format("is {}: it must be a string", Shown(*value)));
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > max_bytes) {
    return Fail(key, fmt::format("has {} bytes: at most {} are possible", text.size(), max_bytes));
  }
  *out = text;
}

void RequestFields::ReadSeed(const char* key, std::optional<uint64_t>* out) {
  const Json* value = Find(key);
  if (value == nullptr || failed()) return;
  if (value->is_number_unsigned()) {
    *out = value->get<uint64_t>();
  } else if (value->is_number_integer()) {
    *out = static_cast<uint64_t>(value->get<int64_t>());
  } else if (value->is_number_float() && std::abs(value->get<double>()) <= 9e15 &&
             value->get<double>() == std::floor(value->get<double>())) {
    *out = static_cast<uint64_t>(static_cast<int64_t>(value->get<double>()));
  } else {
    Fail(key, fmt::format("is {}: it must be an integer", Shown(*value)));
  }
}

void RequestFields::ReadStrings(const char* key, std::vector<std::string>* out, size_t most,
                                size_t max_bytes) {
  const Json* value = Find(key);
  if (value == nullptr || failed()) return;
  const auto add = [&](const Json& one) {
    if (!one.is_string())
      return Fail(key, fmt::format("holds {}: strings are possible", Shown(one)));
    const auto& text = one.get_ref<const std::string&>();
    if (text.size() > max_bytes) {
      return Fail(key, fmt::format("holds a string of {} bytes: at most {} are possible",
                                   text.size(), max_bytes));
    }
    out->push_back(text);
  };
  if (value->is_string()) return add(*value);
  if (!value->is_array()) return Fail(key, "must be a string or a list of strings");
  if (value->size() > most) {
    return Fail(key, fmt::format("has {} entries: at most {} are possible", value->size(), most));
  }
  for (const Json& one : *value) add(one);
}

void RequestFields::ReadLogitBias(const char* key, std::vector<std::pair<int32_t, float>>* out) {
  const Json* value = Find(key);
  if (value == nullptr || failed()) return;
  if (!value->is_object()) return Fail(key, "must be an object of token ids and biases");
  if (value->size() > limits::kLogitBias) {
    return Fail(key, fmt::format("has {} entries: at most {} are possible", value->size(),
                                 limits::kLogitBias));
  }
  for (const auto& [id_text, bias] : value->items()) {
    int32_t id = 0;
    const auto [end, error] = std::from_chars(id_text.data(), id_text.data() + id_text.size(), id);
    if (error != std::errc() || end != id_text.data() + id_text.size() || id < 0) {
      return Fail(key,
                  fmt::format("has the key '{}': it must be a token's id", id_text.substr(0, 60)));
    }
    if (!bias.is_number() || !(std::abs(bias.get<double>()) <= 100)) {
      return Fail(
          key, fmt::format("of {} is {}: a number from -100 to 100 is possible", id, Shown(bias)));
    }
    out->emplace_back(id, bias.get<float>());
  }
}

}  // namespace aha
