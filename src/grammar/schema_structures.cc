// Objects and arrays of JSON schemas.
#include <algorithm>
#include <set>

#include "grammar/schema_compiler.h"

namespace aha::grammar {
namespace {

constexpr size_t kMostNameLength = 300;
constexpr size_t kMostProperties = 2000;

Status WrongKind(const std::string& at, const char* key, const char* want) {
  return InvalidArgument("{}: {} is not {}", at, key, want);
}

}  // namespace

Result<std::vector<SchemaCompiler::Property>> SchemaCompiler::ReadProperties(
    const Json& schema, const std::string& at) {
  std::vector<Property> out;
  std::set<std::string> required;
  if (const auto it = schema.find("required"); it != schema.end()) {
    if (!it->is_array()) return WrongKind(at, "required", "a list of names");
    for (const Json& name : *it) {
      if (!name.is_string()) return WrongKind(at, "required", "a list of names");
      required.insert(name.get<std::string>());
    }
  }
  const auto add = [&](const std::string& name, const Json& value,
                       const std::string& place) -> Status {
    const bool needed = required.erase(name) > 0;
    if (value == false && !needed) return OkStatus();  // never there
    AHA_ASSIGN_OR_RETURN(const ExprId expr, Compile(value, place));
    out.push_back({name, json_.Member(syntax_.Text(DumpJson(Json(name))), expr), needed});
    return OkStatus();
  };
  if (const auto it = schema.find("properties"); it != schema.end()) {
    if (!it->is_object()) return WrongKind(at, "properties", "an object");
    for (const auto& [name, value] : it->items()) {
      AHA_RETURN_IF_ERROR(add(name, value, at + "/properties/" + name));
    }
  }
  // Required and not described: what additionalProperties says, or anything.
  const auto more = schema.find("additionalProperties");
  for (const std::string& name : std::set<std::string>(required)) {
    const Json any = true;
    AHA_RETURN_IF_ERROR(add(name, more == schema.end() ? any : *more, at + "/required"));
  }
  return out;
}

// A member with a name that is not among the properties'; null when there may be none: where
// properties are described, only an explicit additionalProperties opens the object.
Result<std::optional<ExprId>> SchemaCompiler::AdditionalMember(
    const Json& schema, const std::vector<Property>& properties, const std::string& at) {
  const auto it = schema.find("additionalProperties");
  const bool described = schema.contains("properties") || schema.contains("required");
  if (it == schema.end() ? described : *it == false) return std::optional<ExprId>();
  ExprId value = json_.Value();
  if (it != schema.end()) {
    AHA_ASSIGN_OR_RETURN(value, Compile(*it, at + "/additionalProperties"));
  }
  std::vector<std::string> names;
  for (const Property& p : properties) names.push_back(p.name);
  if (const auto described_names = schema.find("properties"); described_names != schema.end()) {
    for (const auto& [name, unused] : described_names->items()) names.push_back(name);
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    if (name.size() > kMostNameLength) {
      return InvalidArgument("{}: a property's name has {} bytes: at most {} are possible", at,
                             name.size(), kMostNameLength);
    }
  }
  const ExprId key = names.empty() ? json_.String() : json_.StringExcept(names);
  return std::optional<ExprId>(
      json_.Member(syntax_.RuleCall(syntax_.AddRule("a name in " + at, key)), value));
}

Status SchemaCompiler::CheckPropertyCounts(const Json& schema,
                                           const std::vector<Property>& properties,
                                           bool more) const {
  const auto needed = std::ranges::count_if(properties, &Property::required);
  const auto all = static_cast<int64_t>(properties.size());
  AHA_ASSIGN_OR_RETURN(const int64_t least, ReadCount(schema, "minProperties", 0));
  AHA_ASSIGN_OR_RETURN(const int64_t most, ReadCount(schema, "maxProperties", Syntax::kUnbounded));
  if (least > needed) return InvalidArgument("minProperties beside properties is not supported");
  if (most != Syntax::kUnbounded && (more || most < all)) {
    return InvalidArgument("maxProperties beside properties is not supported");
  }
  return OkStatus();
}

Result<ExprId> SchemaCompiler::CompileObject(const Json& schema, const std::string& at) {
  AHA_ASSIGN_OR_RETURN(const std::vector<Property> properties, ReadProperties(schema, at));
  AHA_ASSIGN_OR_RETURN(const std::optional<ExprId> more, AdditionalMember(schema, properties, at));
  ExprId members = 0;
  bool may_be_empty = std::ranges::none_of(properties, &Property::required);
  if (properties.empty() && more) {
    AHA_ASSIGN_OR_RETURN(const int64_t least, ReadCount(schema, "minProperties", 0));
    AHA_ASSIGN_OR_RETURN(const int64_t most,
                         ReadCount(schema, "maxProperties", Syntax::kUnbounded));
    if (most != Syntax::kUnbounded && most < least) return syntax_.Class({});
    members = json_.List(*more, std::max<int64_t>(1, least), most);
    may_be_empty = least == 0;
  } else {
    const Status counts = CheckPropertyCounts(schema, properties, more.has_value());
    if (!counts.ok()) return counts.Within(at);
    AHA_ASSIGN_OR_RETURN(members, Members(properties, more, at));
  }
  const ExprId space = json_.Space();
  std::vector<ExprId> parts = {syntax_.Text("{"), space};
  if (members != syntax_.Empty()) {
    const ExprId some = syntax_.Sequence({members, space});
    parts.push_back(may_be_empty ? syntax_.Optional(some) : some);
  }
  parts.push_back(syntax_.Text("}"));
  return syntax_.RuleCall(syntax_.AddRule(at, syntax_.Sequence(std::move(parts))));
}

// One or more members, in the schema's order. Rule i: a member is due, and the properties from i on
// may be it.
Result<ExprId> SchemaCompiler::Members(const std::vector<Property>& properties,
                                       std::optional<ExprId> more, const std::string& at) {
  Syntax& s = syntax_;
  if (properties.size() > kMostProperties) {
    return ResourceExhausted("{}: an object of {} properties: at most {} are possible", at,
                             properties.size(), kMostProperties);
  }
  if (properties.empty() && !more) return s.Empty();
  const ExprId others =
      more ? s.Repeat(s.Sequence({json_.Comma(), *more}), 0, Syntax::kUnbounded) : s.Empty();
  ExprId due = more ? s.Sequence({*more, others}) : s.Class({});
  bool may_end = true;  // after a member, those from i on are all optional
  for (size_t i = properties.size(); i-- > 0;) {
    const Property& p = properties[i];
    const bool last = i + 1 == properties.size();
    ExprId after = last && !more ? s.Empty() : s.Sequence({json_.Comma(), due});
    if (may_end) after = s.Optional(after);
    std::vector<ExprId> begins = {s.Sequence({p.member, after})};
    if (!p.required) begins.push_back(due);
    may_end = may_end && !p.required;
    AHA_RETURN_IF_ERROR(s.status());
    due = s.RuleCall(s.AddRule(at, s.Choice(std::move(begins))));
  }
  return due;
}

Result<ExprId> SchemaCompiler::CompileArray(const Json& schema, const std::string& at) {
  std::vector<ExprId> prefix;
  const auto items = schema.find("items");
  const bool old = items != schema.end() && items->is_array();  // before draft 2020-12
  const char* prefix_key = old ? "items" : "prefixItems";
  if (const auto it = schema.find(prefix_key); it != schema.end()) {
    if (!it->is_array()) return WrongKind(at, prefix_key, "a list of schemas");
    for (size_t i = 0; i < it->size(); ++i) {
      AHA_ASSIGN_OR_RETURN(const ExprId item,
                           Compile((*it)[i], fmt::format("{}/{}/{}", at, prefix_key, i)));
      prefix.push_back(item);
    }
  }
  Result<int64_t> least = ReadCount(schema, "minItems", 0);
  if (!least.ok()) return least.status().Within(at);
  Result<int64_t> most = ReadCount(schema, "maxItems", Syntax::kUnbounded);
  if (!most.ok()) return most.status().Within(at);
  const auto rest = old ? schema.find("additionalItems") : items;
  std::optional<ExprId> item;
  // As with objects: where a beginning is described, nothing else follows unless it is said or
  // needed.
  const bool needed = *least > static_cast<int64_t>(prefix.size());
  if (rest != schema.end() ? *rest != false : prefix.empty() || needed) {
    AHA_ASSIGN_OR_RETURN(item, Compile(rest == schema.end() ? Json(true) : *rest,
                                       at + (old ? "/additionalItems" : "/items")));
  }
  if (*most != Syntax::kUnbounded && *most < *least) return syntax_.Class({});
  const ExprId list = Items(prefix, item, *least, *most, at);
  const ExprId space = json_.Space();
  std::vector<ExprId> parts = {syntax_.Text("["), space};
  if (list != syntax_.Empty()) {
    const ExprId some = syntax_.Sequence({list, space});
    parts.push_back(*least == 0 ? syntax_.Optional(some) : some);
  }
  parts.push_back(syntax_.Text("]"));
  return syntax_.RuleCall(syntax_.AddRule(at, syntax_.Sequence(std::move(parts))));
}

// At least one item: `least` to `most` of them, those of `prefix` first.
ExprId SchemaCompiler::Items(const std::vector<ExprId>& prefix, std::optional<ExprId> rest,
                             int64_t least, int64_t most, const std::string& at) {
  Syntax& s = syntax_;
  const auto count = static_cast<int64_t>(prefix.size());
  if (most == 0) return s.Empty();
  if (count == 0) return rest ? json_.List(*rest, std::max<int64_t>(1, least), most) : s.Empty();
  ExprId after = s.Empty();
  if (rest && (most == Syntax::kUnbounded || most > count)) {
    const int64_t more = most == Syntax::kUnbounded ? most : most - count;
    after = s.Repeat(s.Sequence({json_.Comma(), *rest}), std::max<int64_t>(0, least - count), more);
  } else if (least > count) {
    return s.Class({});
  }
  const int64_t used = most == Syntax::kUnbounded ? count : std::min(count, most);
  for (int64_t i = used; i-- > 0;) {
    const ExprId item = prefix[static_cast<size_t>(i)];
    const ExprId one = s.Sequence({i == 0 ? s.Empty() : json_.Comma(), item, after});
    // The rule keeps the expression from being as deep as the list is long.
    after = s.RuleCall(s.AddRule(at, i > 0 && i >= least ? s.Optional(one) : one));
  }
  return after;
}

}  // namespace aha::grammar
