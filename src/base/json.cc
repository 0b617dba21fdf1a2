#include "base/json.h"

#include <cmath>
#include <unordered_set>
#include <vector>

namespace aha {
namespace {

// nlohmann's DOM callback sees keys in order; one set of seen keys per open object finds
// duplicates.
class StrictSax : public nlohmann::detail::json_sax_dom_parser<Json> {
 public:
  using Base = nlohmann::detail::json_sax_dom_parser<Json>;
  StrictSax(Json& out, int max_depth)
      : Base(out, /*allow_exceptions=*/false), max_depth_(max_depth) {}

  bool start_object(std::size_t count) {
    if (!Enter()) return false;
    keys_.emplace_back();
    return Base::start_object(count);
  }
  bool end_object() {
    --depth_;
    keys_.pop_back();
    return Base::end_object();
  }
  bool start_array(std::size_t count) { return Enter() && Base::start_array(count); }
  bool end_array() {
    --depth_;
    return Base::end_array();
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) {
      error_ = fmt::format("key '{}' appears twice in one object", name);
      return false;
    }
    return Base::key(name);
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& e) {
    error_ = fmt::format("not JSON at byte {}", position);
    return Base::parse_error(position, token, e);
  }
  const std::string& error() const { return error_; }

 private:
  bool Enter() {
    if (++depth_ > max_depth_) {
      error_ = fmt::format("more than {} levels of nesting", max_depth_);
      return false;
    }
    return true;
  }

  int max_depth_;
  int depth_ = 0;
  std::vector<std::unordered_set<std::string>> keys_;
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
