#include "server/translated_body.h"

#include <string_view>

namespace aha {
namespace {

// `param` is `field`, or lies within it.
bool Within(std::string_view param, std::string_view field) {
  if (!param.starts_with(field)) return false;
  return param.size() == field.size() || param[field.size()] == '.' || param[field.size()] == '[';
}

}  // namespace

void TranslatedBody::AddMessage(Json message, std::string from) {
  Json& messages = json["messages"];
  names.emplace_back(fmt::format("messages[{}]", messages.size()), std::move(from));
  messages.push_back(std::move(message));
}

ApiError TranslatedBody::InClientsWords(ApiError error) const {
  const std::pair<std::string, std::string>* best = nullptr;
  for (const auto& name : names) {
    if (!Within(error.param, name.first)) continue;
    if (best == nullptr || name.first.size() > best->first.size()) best = &name;
  }
  if (best == nullptr) return error;
  const auto& [ours, theirs] = *best;
  error.param.replace(0, ours.size(), theirs);
  // Sentences name the field once, where they begin or further on.
  const size_t at = error.message.find(ours);
  if (at != std::string::npos) error.message.replace(at, ours.size(), theirs);
  return error;
}

std::string StringAt(const Json& object, const char* key) {
  const Json* value = FindKey(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

ApiResult<std::string> RequiredString(const Json& object, const char* key,
                                      const std::string& where) {
  const Json* value = FindKey(object, key);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  const std::string field = fmt::format("{}.{}", where, key);
  return value == nullptr ? BadField(field, "{} is missing", field)
                          : BadField(field, "{} must be a string", field);
}

}  // namespace aha
