#include "base/json.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace aha {
namespace {

// A key that stands twice in the object; null: none. Its own table of places, as a vocabulary has
// 150,000 keys.
const std::string* RepeatedKey(const Json::object_t::Container& pairs) {
  constexpr size_t kFew = 8;
  if (pairs.size() <= kFew) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (pairs[i].first == pairs[j].first) return &pairs[i].first;
      }
    }
    return nullptr;
  }
  size_t slots = 4 * kFew;
  while (slots < 2 * pairs.size()) slots *= 2;
  std::vector<size_t> places(slots, SIZE_MAX);
  for (size_t i = 0; i < pairs.size(); ++i) {
    size_t at = std::hash<std::string>()(pairs[i].first) & (slots - 1);
    for (; places[at] != SIZE_MAX; at = (at + 1) & (slots - 1)) {
      if (pairs[places[at]].first == pairs[i].first) return &pairs[i].first;
    }
    places[at] = i;
  }
  return nullptr;
}

// Builds the document itself: nlohmann's own builder looks every key up in a list, which is
// quadratic in a vocabulary.
class StrictSax {
 public:
  StrictSax(Json& out, int max_depth) : root_(out), max_depth_(max_depth) {}

  bool null() { return Place(nullptr); }
  bool boolean(bool value) { return Place(value); }
  bool number_integer(Json::number_integer_t value) { return Place(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return Place(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return Place(value); }
  bool string(std::string& value) { return Place(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }

  bool start_object(std::size_t) { return Open(Json::object()); }
  bool start_array(std::size_t) { return Open(Json::array()); }
  bool end_object() {
    const std::string* repeated = RepeatedKey(PairsOf(open_.back()));
    if (repeated != nullptr)
      error_ = fmt::format("key '{}' appears twice in one object", *repeated);
    open_.pop_back();
    return repeated == nullptr;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }

  bool key(std::string& name) {
    // An ordered object is a vector of pairs; end_object looks for a key that is there twice.
    PairsOf(open_.back()).emplace_back(std::move(name), nullptr);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    error_ = fmt::format("not JSON at byte {}", position);
    return false;
  }
  const std::string& error() const { return error_; }

 private:
  static Json::object_t::Container& PairsOf(Json* object) {
    return static_cast<Json::object_t::Container&>(object->get_ref<Json::object_t&>());
  }
  // Where the next value goes; a level's pointer holds because its parent does not grow meanwhile.
  Json* Next() {
    if (open_.empty()) return &root_;
    Json* parent = open_.back();
    if (parent->is_object()) return &parent->get_ref<Json::object_t&>().back().second;
    parent->push_back(nullptr);
    return &parent->back();
  }
  template <typename T>
  bool Place(T&& value) {
    *Next() = std::forward<T>(value);
    return true;
  }
  bool Open(Json empty) {
    if (static_cast<int>(open_.size()) >= max_depth_) {
      error_ = fmt::format("more than {} levels of nesting", max_depth_);
      return false;
    }
    Json* value = Next();
    *value = std::move(empty);
    open_.push_back(value);
    return true;
  }

  Json& root_;
  int max_depth_;
  std::vector<Json*> open_;
  std::string error_;
};

Result<const Json*> Require(const Json& object, const char* key) {
  const Json* value = FindKey(object, key);
  if (value == nullptr) return NotFound("key '{}' is missing", key);
  return value;
}

std::string Short(const Json& value) {
  std::string text = DumpJson(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

Result<Json> ParseJson(std::string_view text, int max_depth) {
  Json out;
  StrictSax sax(out, max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &sax)) {
    return InvalidArgument("{}", sax.error().empty() ? "not JSON" : sax.error());
  }
  return out;
}

std::string DumpJson(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

const Json* FindKey(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Result<int64_t> GetInt(const Json& object, const char* key) {
  AHA_ASSIGN_OR_RETURN(const Json* value, Require(object, key));
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return InvalidArgument("'{}' is {}, too large", key, Short(*value));
  }
  if (value->is_number_integer()) return value->get<int64_t>();
  if (value->is_number_float()) {
    const double d = value->get<double>();
    if (std::trunc(d) == d && std::abs(d) < 9e15) return static_cast<int64_t>(d);
  }
  return InvalidArgument("'{}' is {}, not an integer", key, Short(*value));
}

Result<double> GetDouble(const Json& object, const char* key) {
  AHA_ASSIGN_OR_RETURN(const Json* value, Require(object, key));
  if (!value->is_number()) return InvalidArgument("'{}' is {}, not a number", key, Short(*value));
  return value->get<double>();
}

Result<bool> GetBool(const Json& object, const char* key) {
  AHA_ASSIGN_OR_RETURN(const Json* value, Require(object, key));
  if (!value->is_boolean()) return InvalidArgument("'{}' is {}, not a boolean", key, Short(*value));
  return value->get<bool>();
}

Result<std::string> GetString(const Json& object, const char* key) {
  AHA_ASSIGN_OR_RETURN(const Json* value, Require(object, key));
  if (!value->is_string()) return InvalidArgument("'{}' is {}, not a string", key, Short(*value));
  return value->get<std::string>();
}

}  // namespace aha
