#include "train/toml.h"

#include <sstream>

#include <toml++/toml.h>

namespace aha {
namespace {

Result<Json> FromNode(const toml::node& node);

Result<Json> FromTable(const toml::table& table) {
  Json out = Json::object();
  for (const auto& [key, value] : table) {
    AHA_ASSIGN_OR_RETURN(out[std::string(key.str())], FromNode(value));
  }
  return out;
}

Result<Json> FromNode(const toml::node& node) {
  if (const auto* table = node.as_table()) return FromTable(*table);
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const toml::node& one : *array) {
      AHA_ASSIGN_OR_RETURN(Json value, FromNode(one));
      out.push_back(std::move(value));
    }
    return out;
  }
  if (const auto* text = node.as_string()) return Json(text->get());
  if (const auto* integer = node.as_integer()) return Json(integer->get());
  if (const auto* number = node.as_floating_point()) return Json(number->get());
  if (const auto* truth = node.as_boolean()) return Json(truth->get());
  return InvalidArgument("line {}: dates and times are not used here", node.source().begin.line);
}

}  // namespace

Result<Json> ParseToml(std::string_view text, const std::string& where) {
  toml::table table;
  try {
    table = toml::parse(text, where);
  } catch (const toml::parse_error& e) {
    return InvalidArgument("{}:{}:{}: {}", where, e.source().begin.line, e.source().begin.column,
                           e.description());
  }
  Result<Json> json = FromTable(table);
  if (!json.ok()) return json.status().Within(where);
  return json;
}

Status SetFromText(std::string_view assignment, Json* tree) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return InvalidArgument("--set {}: want KEY=VALUE", assignment);
  }
  const std::string_view path = assignment.substr(0, equals);
  const std::string text(assignment.substr(equals + 1));
  const Result<Json> parsed = ParseToml("value = " + text + "\n", "--set");
  Json value = parsed.ok() ? (*parsed)["value"] : Json(text);
  Json* at = tree;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t dot = std::min(path.find('.', begin), path.size());
    const std::string key(path.substr(begin, dot - begin));
    if (key.empty()) return InvalidArgument("--set {}: an empty key", assignment);
    if (!at->is_object()) {
      return InvalidArgument("--set {}: '{}' stands inside a value that is no table", assignment,
                             key);
    }
    at = &(*at)[key];
    if (dot == path.size()) break;
    if (at->is_null()) *at = Json::object();
    begin = dot + 1;
  }
  *at = std::move(value);
  return OkStatus();
}

}  // namespace aha
