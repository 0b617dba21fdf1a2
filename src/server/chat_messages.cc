#include "server/chat_messages.h"

#include <algorithm>
#include <array>

#include "server/limits.h"
#include "server/request_fields.h"

namespace aha {
namespace {

// The text of a message's content: a string, or text parts joined.
ApiResult<Json> ContentText(const Json& content, const std::string& where) {
  if (content.is_string() || content.is_null()) return content;
  if (!content.is_array()) {
    return BadField(where, "{} must be a string or a list of parts", where);
  }
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string at = fmt::format("{}[{}]", where, i);
    if (part.is_string()) {
      text += part.get<std::string>();
      continue;
    }
    if (!part.is_object()) return BadField(at, "{} must be an object", at);
    const std::string type = part.value("type", Json("")).is_string()
                                 ? part.value("type", std::string())
                                 : std::string();
    const Json* value = FindKey(part, type == "refusal" ? "refusal" : "text");
    if (type != "text" && type != "refusal" && type != "input_text" && type != "output_text") {
      return BadField(at + ".type", "{}.type is '{}': only text is understood here", at,
                      type.substr(0, 40));
    }
    if (value == nullptr || !value->is_string()) {
      return BadField(at + ".text", "{}.text must be a string", at);
    }
    text += value->get<std::string>();
  }
  return Json(text);
}

std::optional<ApiError> ReadToolCalls(const Json& message, const std::string& where, Json* out) {
  const Json* calls = FindKey(message, "tool_calls");
  if (calls == nullptr) return std::nullopt;
  if (!calls->is_array())
    return BadField(where + ".tool_calls", "{}.tool_calls must be a list", where);
  for (const Json& call : *calls) {
    const Json* function = call.is_object() ? FindKey(call, "function") : nullptr;
    const Json* name = function == nullptr ? nullptr : FindKey(*function, "name");
    if (name == nullptr || !name->is_string()) {
      return BadField(where + ".tool_calls", "{}.tool_calls needs function.name in each call",
                      where);
    }
  }
  if (!calls->empty()) (*out)["tool_calls"] = *calls;
  return std::nullopt;
}

std::optional<ApiError> ReadMessage(const Json& message, size_t index, ChatSpec* spec) {
  const std::string where = fmt::format("messages[{}]", index);
  if (!message.is_object()) return BadField(where, "{} must be an object", where);
  RequestFields f(message, where + ".");
  std::string role, name, id, reasoning;
  f.Read("role", &role, 64);
  f.Read("name", &name, 256);
  f.Read("tool_call_id", &id, 512);
  f.Read("reasoning_content", &reasoning, limits::kBodyBytes);
  if (f.failed()) return f.error();
  static constexpr std::array kRoles = {"developer", "system", "user",
                                        "assistant", "tool",   "function"};
  if (std::ranges::find(kRoles, role) == kRoles.end()) {
    return BadField(where + ".role",
                    "{}.role is '{}': developer, system, user, assistant and tool are possible",
                    where, role);
  }
  const Json* content = FindKey(message, "content");
  ApiResult<Json> text =
      ContentText(content == nullptr ? Json(nullptr) : *content, where + ".content");
  if (!text.ok()) return text.error();
  if (text->is_null() && role != "assistant") {
    return BadField(where + ".content", "{}.content is missing", where);
  }
  Json out = {{"role", role == "developer"  ? "system"
                       : role == "function" ? "tool"
                                            : role},
              {"content", text->is_null() ? Json("") : *text}};
  if (!reasoning.empty()) out["reasoning_content"] = reasoning;
  if (!name.empty()) out["name"] = name;
  if (!id.empty()) out["tool_call_id"] = id;
  if (role == "assistant") {
    if (auto error = ReadToolCalls(message, where, &out)) return error;
    if (text->is_null() && !out.contains("tool_calls") && reasoning.empty()) {
      return BadField(where + ".content", "{} has neither content nor tool_calls", where);
    }
  }
  spec->messages.push_back(std::move(out));
  return std::nullopt;
}

}  // namespace

std::optional<ApiError> ReadMessages(const Json& body, ChatSpec* spec) {
  const Json* messages = FindKey(body, "messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    return BadField("messages", "messages must be a list with at least one message");
  }
  if (messages->size() > limits::kMessages) {
    return BadField("messages", "messages has {} entries: at most {} are possible",
                    messages->size(), limits::kMessages);
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    if (auto error = ReadMessage((*messages)[i], i, spec)) return error;
  }
  const Json& last = messages->back();
  RequestFields f(last, fmt::format("messages[{}].", messages->size() - 1));
  f.Read("prefix", &spec->prefix);
  f.Read("thought_closed", &spec->thought_closed);
  if (f.failed()) return f.error();
  if (spec->prefix && spec->messages.back()["role"] != "assistant") {
    return BadField("messages", "prefix is possible in a last message of the assistant only");
  }
  return std::nullopt;
}

std::optional<ApiError> ReadTools(const Json& body, ChatSpec* spec) {
  RequestFields f(body);
  f.Read("parallel_tool_calls", &spec->parallel_tool_calls);
  if (f.failed()) return f.error();
  const Json* tools = f.Find("tools");
  if (tools != nullptr) {
    if (!tools->is_array()) return BadField("tools", "tools must be a list");
    if (tools->size() > limits::kTools) {
      return BadField("tools", "tools has {} entries: at most {} are possible", tools->size(),
                      limits::kTools);
    }
    for (size_t i = 0; i < tools->size(); ++i) {
      const std::string where = fmt::format("tools[{}]", i);
      const Json* function = (*tools)[i].is_object() ? FindKey((*tools)[i], "function") : nullptr;
      const Json* name =
          function == nullptr || !function->is_object() ? nullptr : FindKey(*function, "name");
      if (name == nullptr || !name->is_string()) {
        return BadField(
            where, "{} must be {{\"type\": \"function\", \"function\": {{\"name\", ...}}}}", where);
      }
      const auto& text = name->get_ref<const std::string&>();
      const bool plain =
          !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '_' || c == '-';
          });
      if (!plain) {
        return BadField(where + ".function.name",
                        "{}.function.name must be 1 to 64 of a-z, A-Z, 0-9, _ and -", where);
      }
    }
    if (!tools->empty()) spec->tools = *tools;
  }
  const Json* choice = f.Find("tool_choice");
  if (choice == nullptr) return std::nullopt;
  if (choice->is_string()) {
    spec->tool_choice = choice->get<std::string>();
    if (spec->tool_choice != "auto" && spec->tool_choice != "none" &&
        spec->tool_choice != "required") {
      return BadField("tool_choice",
                      "tool_choice is '{}': auto, none, required or a function are possible",
                      spec->tool_choice.substr(0, 64));
    }
  } else {
    const Json* function = choice->is_object() ? FindKey(*choice, "function") : nullptr;
    const Json* name = function == nullptr ? nullptr : FindKey(*function, "name");
    if (name == nullptr || !name->is_string()) {
      return BadField("tool_choice", "tool_choice needs function.name");
    }
    spec->tool_choice = name->get<std::string>();
    spec->named_tool = true;
    bool known = false;
    for (const Json& tool : spec->tools)
      known = known || tool["function"]["name"] == spec->tool_choice;
    if (!known) {
      return BadField("tool_choice", "tool_choice names '{}', which is not in tools",
                      spec->tool_choice.substr(0, 64));
    }
  }
  if (spec->tool_choice == "required" && spec->tools.is_null()) {
    return BadField("tool_choice", "tool_choice is 'required', and there are no tools");
  }
  return std::nullopt;
}

std::optional<ApiError> ReadFormat(const Json& body, ChatSpec* spec) {
  if (const Json* grammar = FindKey(body, "grammar")) {
    if (!grammar->is_string() ||
        grammar->get_ref<const std::string&>().size() > limits::kGrammarBytes) {
      return BadField("grammar", "grammar must be a string of at most {} bytes",
                      limits::kGrammarBytes);
    }
    spec->grammar = grammar->get<std::string>();
    spec->format = ChatSpec::Format::kGrammar;
  }
  const Json* format = FindKey(body, "response_format");
  if (format == nullptr) return std::nullopt;
  const Json* type = format->is_object() ? FindKey(*format, "type") : nullptr;
  if (type == nullptr || !type->is_string()) {
    return BadField("response_format.type", "response_format.type is missing");
  }
  if (*type == "text") return std::nullopt;
  if (spec->format == ChatSpec::Format::kGrammar) {
    return BadField("grammar", "grammar and response_format exclude each other");
  }
  if (*type == "json_object") {
    spec->format = ChatSpec::Format::kJsonObject;
    return std::nullopt;
  }
  if (*type != "json_schema") {
    return BadField("response_format.type",
                    "response_format.type is '{}': text, json_object and json_schema are possible",
                    type->get<std::string>().substr(0, 40));
  }
  const Json* wrapper = FindKey(*format, "json_schema");
  const Json* schema =
      wrapper != nullptr && wrapper->is_object() ? FindKey(*wrapper, "schema") : nullptr;
  if (schema == nullptr) schema = FindKey(*format, "schema");
  if (schema == nullptr || !(schema->is_object() || schema->is_boolean())) {
    return BadField("response_format.json_schema.schema",
                    "response_format.json_schema.schema must be a JSON schema");
  }
  spec->format = ChatSpec::Format::kJsonSchema;
  spec->schema = *schema;
  return std::nullopt;
}

}  // namespace aha
