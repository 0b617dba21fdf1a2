#include "grammar/schema_merge.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace aha::grammar {
namespace {

constexpr int64_t kMostCopied = 300'000;
constexpr int kMostReferences = 40;  // that lead to each other
constexpr size_t kMostAlternatives = 500;

int64_t CountValues(const Json& json) {
  int64_t count = 1;
  if (json.is_structured()) {
    for (const Json& part : json) count += CountValues(part);
  }
  return count;
}

struct TypeName {
  const char* name;
  int bits;
};
constexpr TypeName kTypeNames[] = {
    {"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger}, {"number", kNumber},
    {"string", kString}, {"array", kArray},     {"object", kObject}};

Json TypeList(int bits) {
  Json list = Json::array();
  for (const TypeName& t : kTypeNames) {
    if (t.bits == kInteger && (bits & kFraction) != 0) continue;
    if ((bits & t.bits) == t.bits) list.push_back(t.name);
  }
  return list;
}

bool IsLowerBound(std::string_view key) {
  return key == "minimum" || key == "exclusiveMinimum" || key == "minLength" || key == "minItems" ||
         key == "minProperties";
}
bool IsUpperBound(std::string_view key) {
  return key == "maximum" || key == "exclusiveMaximum" || key == "maxLength" || key == "maxItems" ||
         key == "maxProperties";
}

// A reference's "~1" and "%20".
Result<std::string> PointerText(const std::string& raw) {
  std::string out;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      out += raw[i];
      continue;
    }
    int value = 0;
    for (size_t j = 1; j <= 2; ++j) {
      const char c = i + j < raw.size() ? raw[i + j] : '?';
      const int digit = c >= '0' && c <= '9'                     ? c - '0'
                        : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                 : -1;
      if (digit < 0) return InvalidArgument("$ref {} has a broken %", raw);
      value = value * 16 + digit;
    }
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::string PointerKey(std::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1')) {
      out += part[++i] == '0' ? '~' : '/';
    } else {
      out += part[i];
    }
  }
  return out;
}

const Json* Child(const Json& at, const std::string& key) {
  if (at.is_object()) {
    const auto it = at.find(key);
    return it == at.end() ? nullptr : &*it;
  }
  if (!at.is_array() || key.empty() || key.size() > 6 ||
      key.find_first_not_of("0123456789") != key.npos) {
    return nullptr;
  }
  const size_t index = std::stoul(key);
  return index < at.size() ? &at[index] : nullptr;
}

Json AllOf(const Json& a, const Json& b) { return Json{{"allOf", Json::array({a, b})}}; }

}  // namespace

bool IsAnnotation(std::string_view keyword) {
  static const std::set<std::string_view> known = {"title",
                                                   "description",
                                                   "default",
                                                   "examples",
                                                   "example",
                                                   "$comment",
                                                   "$schema",
                                                   "$id",
                                                   "$anchor",
                                                   "$defs",
                                                   "definitions",
                                                   "deprecated",
                                                   "readOnly",
                                                   "writeOnly",
                                                   "contentEncoding",
                                                   "contentMediaType",
                                                   "contentSchema",
                                                   "$vocabulary",
                                                   "id",
                                                   "$dynamicAnchor"};
  return known.contains(keyword);
}

Result<int> TypesOf(const Json& schema) {
  const auto it = schema.find("type");
  if (it == schema.end()) return kAllTypes;
  int bits = 0;
  const Json list = it->is_array() ? *it : Json::array({*it});
  for (const Json& name : list) {
    const auto* known = std::ranges::find_if(
        kTypeNames, [&](const TypeName& t) { return name.is_string() && name == t.name; });
    if (known == std::end(kTypeNames)) {
      return InvalidArgument(
          "type {}: null, boolean, integer, number, string, array and object are known",
          DumpJson(name));
    }
    bits |= known->bits;
  }
  return bits;
}

int TypeOfValue(const Json& value) {
  if (value.is_null()) return kNull;
  if (value.is_boolean()) return kBoolean;
  if (value.is_string()) return kString;
  if (value.is_array()) return kArray;
  if (value.is_object()) return kObject;
  if (value.is_number_float()) {
    const double x = value.get<double>();
    return x == std::trunc(x) ? kInteger : kFraction;
  }
  return kInteger;
}

Status SchemaMerger::Spend(const Json& copied) {
  spent_ += CountValues(copied);
  if (spent_ <= kMostCopied) return OkStatus();
  return ResourceExhausted("the schema is too large once its allOf, anyOf and $ref are combined");
}

Result<const Json*> SchemaMerger::Resolve(const Json& reference) const {
  if (!reference.is_string())
    return InvalidArgument("$ref {} is not a string", DumpJson(reference));
  const std::string& raw = reference.get_ref<const std::string&>();
  AHA_ASSIGN_OR_RETURN(const std::string pointer, PointerText(raw));
  if (pointer != "#" && !pointer.starts_with("#/")) {
    return InvalidArgument("$ref {}: only references within the schema (#/...) are followed", raw);
  }
  const Json* at = document_;
  for (size_t begin = 2; begin <= pointer.size();) {
    const size_t end = std::min(pointer.find('/', begin), pointer.size());
    at = Child(*at, PointerKey(std::string_view(pointer).substr(begin, end - begin)));
    if (at == nullptr) return InvalidArgument("$ref {} leads nowhere", raw);
    begin = end + 1;
  }
  return at;
}

Result<Json> SchemaMerger::Without(const Json& schema,
                                   std::initializer_list<std::string_view> skip) {
  Json out = Json::object();
  for (const auto& [key, value] : schema.items()) {
    if (IsAnnotation(key) || std::ranges::find(skip, key) != skip.end()) continue;
    AHA_RETURN_IF_ERROR(Spend(value));
    out[key] = value;
  }
  return out;
}

// The schema with its own reference followed, `const` as `enum`, `oneOf` as `anyOf`.
Result<Json> SchemaMerger::Direct(const Json& schema, int depth) {
  if (depth > kMostReferences) {
    return InvalidArgument(
        "$ref and allOf lead to each other more than {} times: the schema contains itself",
        kMostReferences);
  }
  if (schema.is_boolean()) return schema;
  if (!schema.is_object())
    return InvalidArgument("{} is not a schema", DumpJson(schema).substr(0, 100));
  AHA_ASSIGN_OR_RETURN(Json own, Without(schema, {"$ref", "const", "oneOf", "allOf"}));
  std::vector<Json> others;
  if (const auto it = schema.find("const"); it != schema.end()) {
    others.push_back({{"enum", Json::array({*it})}});
  }
  if (const auto it = schema.find("oneOf"); it != schema.end()) others.push_back({{"anyOf", *it}});
  if (const auto it = schema.find("$ref"); it != schema.end()) {
    AHA_ASSIGN_OR_RETURN(const Json* target, Resolve(*it));
    AHA_RETURN_IF_ERROR(Spend(*target));
    others.push_back(*target);
  }
  if (const auto it = schema.find("allOf"); it != schema.end()) {
    if (!it->is_array()) return InvalidArgument("allOf is not a list");
    AHA_RETURN_IF_ERROR(Spend(*it));
    for (const Json& part : *it) others.push_back(part);
  }
  for (const Json& other : others) {
    AHA_ASSIGN_OR_RETURN(own, Merge(own, other, depth + 1));
  }
  return own;
}

Result<Json> SchemaMerger::Merge(const Json& a, const Json& b, int depth) {
  AHA_ASSIGN_OR_RETURN(Json left, Direct(a, depth));
  AHA_ASSIGN_OR_RETURN(const Json right, Direct(b, depth));
  if (left == false || right == false) return Json(false);
  if (left.is_boolean()) return right;
  if (right.is_boolean()) return left;
  if (right.contains("properties") || left.contains("properties")) {
    AHA_RETURN_IF_ERROR(MergeProperties(right, &left));
  }
  for (const auto& [key, value] : right.items()) {
    if (key == "properties" || key == "additionalProperties") continue;
    if (!left.contains(key)) {
      left[key] = value;
    } else if (left[key] != value) {
      AHA_RETURN_IF_ERROR(MergeKeyword(key, value, &left[key]));
    }
  }
  if (!right.contains("properties") && !left.contains("properties") &&
      right.contains("additionalProperties")) {
    const Json& mine = left["additionalProperties"];
    const Json& theirs = right["additionalProperties"];
    left["additionalProperties"] = mine.is_null() || mine == theirs ? theirs : AllOf(mine, theirs);
  }
  AHA_ASSIGN_OR_RETURN(const int types, TypesOf(left));
  if (types == 0 || (left.contains("enum") && left["enum"].empty())) return Json(false);
  return left;
}

// A property that only one side names must hold under the other's additionalProperties.
Status SchemaMerger::MergeProperties(const Json& b, Json* a) {
  const Json none = Json::object();
  const auto part = [&](const Json& of, const char* key) -> const Json& {
    const auto it = of.find(key);
    return it == of.end() ? none : *it;
  };
  const Json mine = part(*a, "properties");
  const Json& theirs = part(b, "properties");
  if (!mine.is_object() || !theirs.is_object())
    return InvalidArgument("properties is not an object");
  const auto more_a = a->find("additionalProperties");
  const auto more_b = b.find("additionalProperties");
  Json all = Json::object();
  for (const auto& [name, schema] : mine.items()) {
    const auto other = theirs.find(name);
    if (other != theirs.end()) {
      all[name] = *other == schema ? schema : AllOf(schema, *other);
    } else {
      all[name] = more_b == b.end() || *more_b == true ? schema
                  : *more_b == false                   ? Json(false)
                                                       : AllOf(schema, *more_b);
    }
  }
  for (const auto& [name, schema] : theirs.items()) {
    if (mine.contains(name)) continue;
    all[name] = more_a == a->end() || *more_a == true ? schema
                : *more_a == false                    ? Json(false)
                                                      : AllOf(schema, *more_a);
  }
  if (more_b != b.end()) {
    const Json both = more_a == a->end() || *more_a == *more_b ? *more_b : AllOf(*more_a, *more_b);
    (*a)["additionalProperties"] = both;
  }
  AHA_RETURN_IF_ERROR(Spend(all));
  (*a)["properties"] = std::move(all);
  return OkStatus();
}

Status SchemaMerger::MergeKeyword(const std::string& key, const Json& b, Json* a) {
  if (key == "type") {
    AHA_ASSIGN_OR_RETURN(const int left, TypesOf(Json{{"type", *a}}));
    AHA_ASSIGN_OR_RETURN(const int right, TypesOf(Json{{"type", b}}));
    *a = TypeList(left & right);
    return OkStatus();
  }
  if ((IsLowerBound(key) || IsUpperBound(key)) && a->is_number() && b.is_number()) {
    if (IsLowerBound(key) ? *a < b : b < *a) *a = b;
    return OkStatus();
  }
  if ((key == "required" || key == "enum") && a->is_array() && b.is_array()) {
    AHA_RETURN_IF_ERROR(Spend(b));
    Json out = Json::array();
    std::set<std::string> theirs;
    for (const Json& value : b) theirs.insert(DumpJson(value));
    for (const Json& value : *a) {
      const bool shared = theirs.erase(DumpJson(value)) > 0;
      if (shared || key == "required") out.push_back(value);
    }
    if (key == "required") {
      for (const std::string& rest : theirs) out.push_back(Json::parse(rest));
    }
    *a = std::move(out);
    return OkStatus();
  }
  if (key == "items") {
    *a = AllOf(*a, b);
    return Spend(*a);
  }
  if (key == "anyOf") {
    AHA_ASSIGN_OR_RETURN(*a, Product(*a, b));
    return OkStatus();
  }
  if (key == "uniqueItems") {
    *a = true;
    return OkStatus();
  }
  return InvalidArgument("{} and {} of {} cannot both be asked for", DumpJson(*a).substr(0, 100),
                         DumpJson(b).substr(0, 100), key);
}

Result<Json> SchemaMerger::Product(const Json& a, const Json& b) {
  if (!a.is_array() || !b.is_array()) return InvalidArgument("anyOf is not a list");
  if (a.size() * b.size() > kMostAlternatives) {
    return ResourceExhausted("anyOf of {} and of {} alternatives are too many to combine", a.size(),
                             b.size());
  }
  Json out = Json::array();
  for (const Json& x : a) {
    for (const Json& y : b) {
      out.push_back(AllOf(x, y));
      AHA_RETURN_IF_ERROR(Spend(out.back()));
    }
  }
  return out;
}

}  // namespace aha::grammar
