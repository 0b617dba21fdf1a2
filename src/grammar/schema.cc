#include "grammar/schema.h"

#include <algorithm>
#include <set>

#include "grammar/schema_compiler.h"

namespace aha::grammar {
namespace {

constexpr int kMostNesting = 60;
constexpr int64_t kMostSchemas = 20'000;

struct Keyword {
  const char* name;
  int types;  // that it says something about
};
constexpr Keyword kKeywords[] = {
    {"properties", kObject},    {"required", kObject},         {"additionalProperties", kObject},
    {"minProperties", kObject}, {"maxProperties", kObject},    {"items", kArray},
    {"prefixItems", kArray},    {"additionalItems", kArray},   {"minItems", kArray},
    {"maxItems", kArray},       {"minLength", kString},        {"maxLength", kString},
    {"pattern", kString},       {"format", kString},           {"minimum", kNumber},
    {"maximum", kNumber},       {"exclusiveMinimum", kNumber}, {"exclusiveMaximum", kNumber},
    {"multipleOf", kNumber},
};
// They change what is valid and cannot be written as a grammar, or are not yet.
constexpr const char* kRefused[] = {"not",
                                    "if",
                                    "then",
                                    "else",
                                    "dependentRequired",
                                    "dependentSchemas",
                                    "dependencies",
                                    "patternProperties",
                                    "propertyNames",
                                    "contains",
                                    "minContains",
                                    "maxContains",
                                    "unevaluatedItems",
                                    "unevaluatedProperties",
                                    "$dynamicRef",
                                    "$recursiveRef"};

int64_t CountValues(const Json& json, int depth) {
  if (depth > 200) return int64_t{1} << 40;
  int64_t count = 1;
  if (json.is_structured()) {
    for (const Json& part : json) count += CountValues(part, depth + 1);
  }
  return count;
}

}  // namespace

Result<int64_t> ReadCount(const Json& schema, const char* key, int64_t absent) {
  const auto it = schema.find(key);
  if (it == schema.end()) return absent;
  const bool whole =
      it->is_number_integer() || (it->is_number_float() && it->get<double>() >= 0 &&
                                  it->get<double>() <= 1e9 && TypeOfValue(*it) == kInteger);
  if (!whole || (it->is_number_integer() && !it->is_number_unsigned() && it->get<int64_t>() < 0)) {
    return InvalidArgument("{} is {}: a whole number of 0 or more is possible", key, DumpJson(*it));
  }
  if (it->is_number_unsigned() && it->get<uint64_t>() > static_cast<uint64_t>(Syntax::kMostCount)) {
    return Syntax::kMostCount;
  }
  return std::min(it->get<int64_t>(), Syntax::kMostCount);
}

SchemaCompiler::SchemaCompiler(const Json* document)
    : document_(document), json_(&syntax_), merger_(document) {}

Result<SchemaGrammar> SchemaCompiler::Run() {
  constexpr int64_t kMostValues = 200'000;
  if (CountValues(*document_, 0) > kMostValues) {
    return ResourceExhausted("the schema is too large: at most {} values, 200 deep, are possible",
                             kMostValues);
  }
  const int32_t root = syntax_.AddRule("#");
  references_["#"] = root;
  to_compile_.push_back({document_, "#", root});
  // In turn, so that no chain of references is deep here.
  for (size_t i = 0; i < to_compile_.size(); ++i) {
    const Referred r = to_compile_[i];
    AHA_ASSIGN_OR_RETURN(const ExprId expr, Compile(*r.schema, r.at));
    syntax_.SetRule(r.rule, expr);
    AHA_RETURN_IF_ERROR(syntax_.status());
  }
  return SchemaGrammar{std::move(syntax_), root};
}

Result<ExprId> SchemaCompiler::Compile(const Json& schema, const std::string& at) {
  if (schema.is_boolean()) {
    return schema.get<bool>() ? json_.Value() : syntax_.Class({});
  }
  if (!schema.is_object()) {
    return InvalidArgument("{}: {} is not a schema", at, DumpJson(schema).substr(0, 100));
  }
  if (++compiled_ > kMostSchemas) {
    return ResourceExhausted("{}: more than {} schemas, references and alternatives followed", at,
                             kMostSchemas);
  }
  AHA_RETURN_IF_ERROR(syntax_.status());
  if (++depth_ > kMostNesting) {
    return ResourceExhausted("{}: more than {} schemas in each other", at, kMostNesting);
  }
  Result<ExprId> expr = CompileKeywords(schema, at);
  --depth_;
  return expr;
}

Result<ExprId> SchemaCompiler::CompileKeywords(const Json& schema, const std::string& at) {
  AHA_RETURN_IF_ERROR(CheckKeywords(schema, at));
  if (schema.contains("$ref")) return CompileReference(schema, at);
  if (schema.contains("allOf")) {
    Result<Json> merged = merger_.Merge(schema, Json(true));
    if (!merged.ok()) return merged.status().Within(at + "/allOf");
    return Compile(*merged, at);
  }
  if (schema.contains("anyOf") || schema.contains("oneOf")) return CompileAlternatives(schema, at);
  if (schema.contains("enum") || schema.contains("const")) return CompileEnum(schema, at);
  return CompileTypes(schema, at);
}

Status SchemaCompiler::CheckKeywords(const Json& schema, const std::string& at) const {
  for (const char* name : kRefused) {
    const auto it = schema.find(name);
    if (it == schema.end()) continue;
    // Says nothing, or what is true anyway.
    if (*it == Json::object() && std::string_view(name) != "not") continue;
    if (std::string_view(name) == "unevaluatedProperties" && it->is_boolean()) continue;
    if (std::string_view(name) == "unevaluatedItems" && it->is_boolean()) continue;
    return InvalidArgument("{}: {} is not supported", at, name);
  }
  const auto unique = schema.find("uniqueItems");
  if (unique != schema.end() && *unique != false) {
    return InvalidArgument("{}: uniqueItems is not supported", at);
  }
  return OkStatus();
}

Result<ExprId> SchemaCompiler::CompileReference(const Json& schema, const std::string& at) {
  AHA_ASSIGN_OR_RETURN(const Json own, merger_.Without(schema, {"$ref"}));
  if (!own.empty()) {  // more is asked for than what is referred to
    Result<Json> merged = merger_.Merge(schema, Json(true));
    if (!merged.ok()) return merged.status().Within(at);
    return Compile(*merged, at);
  }
  Result<const Json*> target = merger_.Resolve(schema["$ref"]);
  if (!target.ok()) return target.status().Within(at);
  const std::string name = schema["$ref"].get<std::string>();
  const auto [it, is_new] = references_.try_emplace(name, 0);
  if (is_new) {
    it->second = syntax_.AddRule(name);
    to_compile_.push_back({*target, name, it->second});
  }
  return syntax_.RuleCall(it->second);
}

Result<ExprId> SchemaCompiler::CompileAlternatives(const Json& schema, const std::string& at) {
  const std::string key = schema.contains("anyOf") ? "anyOf" : "oneOf";
  const Json& list = schema[key];
  if (!list.is_array() || list.empty()) {
    return InvalidArgument("{}: {} is not a list of schemas", at, key);
  }
  AHA_ASSIGN_OR_RETURN(const Json own, merger_.Without(schema, {key}));
  std::vector<ExprId> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}/{}/{}", at, key, i);
    if (own.empty()) {
      AHA_ASSIGN_OR_RETURN(const ExprId part, Compile(list[i], place));
      parts.push_back(part);
      continue;
    }
    Result<Json> merged = merger_.Merge(own, list[i]);
    if (!merged.ok()) return merged.status().Within(place);
    AHA_ASSIGN_OR_RETURN(const ExprId part, Compile(*merged, place));
    parts.push_back(part);
  }
  return syntax_.Choice(std::move(parts));
}

Result<ExprId> SchemaCompiler::CompileEnum(const Json& schema, const std::string& at) {
  const bool one = schema.contains("const");
  const Json list = one ? Json::array({schema["const"]}) : schema["enum"];
  if (!list.is_array()) return InvalidArgument("{}: enum is not a list", at);
  for (const Keyword& k : kKeywords) {
    if (schema.contains(k.name) && std::string_view(k.name) != "format") {
      return InvalidArgument("{}: {} beside {} is not supported", at, k.name,
                             one ? "const" : "enum");
    }
  }
  Result<int> types = TypesOf(schema);
  if (!types.ok()) return types.status().Within(at);
  std::vector<ExprId> parts;
  for (const Json& value : list) {
    const bool listed = !one || !schema.contains("enum") ||
                        std::ranges::find(schema["enum"], value) != schema["enum"].end();
    if (listed && (TypeOfValue(value) & *types) != 0) parts.push_back(json_.Exactly(value));
  }
  return parts.empty() ? syntax_.Class({}) : syntax_.Choice(std::move(parts));
}

Result<ExprId> SchemaCompiler::CompileTypes(const Json& schema, const std::string& at) {
  Result<int> known = TypesOf(schema);
  if (!known.ok()) return known.status().Within(at);
  int types = *known;
  if (!schema.contains("type")) {
    // Keywords of one type, and no type: that type is meant.
    int meant = 0;
    for (const Keyword& k : kKeywords) {
      if (schema.contains(k.name)) meant |= k.types;
    }
    if (meant != 0) types = meant;
    if (meant == 0) return json_.Value();
  }
  std::vector<ExprId> parts;
  const auto add = [&](int type, const auto& compile) -> Status {
    if ((types & type) == 0) return OkStatus();
    Result<ExprId> part = compile();
    if (!part.ok()) return part.status().Within(at);
    parts.push_back(*part);
    return OkStatus();
  };
  AHA_RETURN_IF_ERROR(add(kString, [&] { return CompileString(schema); }));
  AHA_RETURN_IF_ERROR(
      add(kNumber, [&] { return CompileNumber(schema, (types & kFraction) == 0); }));
  if ((types & kObject) != 0) {
    AHA_ASSIGN_OR_RETURN(const ExprId part, CompileObject(schema, at));
    parts.push_back(part);
  }
  if ((types & kArray) != 0) {
    AHA_ASSIGN_OR_RETURN(const ExprId part, CompileArray(schema, at));
    parts.push_back(part);
  }
  if ((types & kBoolean) != 0) parts.push_back(syntax_.Words({"true", "false"}));
  if ((types & kNull) != 0) parts.push_back(syntax_.Text("null"));
  return syntax_.Choice(std::move(parts));
}

Result<SchemaGrammar> ParseSchema(const Json& schema) { return SchemaCompiler(&schema).Run(); }

}  // namespace aha::grammar
