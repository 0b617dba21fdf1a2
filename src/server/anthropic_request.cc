#include "server/anthropic_request.h"

#include "server/limits.h"
#include "server/request_fields.h"

namespace aha {
namespace {

using Failure = std::optional<ApiError>;

ApiError NoContent(const std::string& where) {
  return BadField(where, "{} must be a string or a list of blocks", where);
}

// A string, or text blocks joined.
ApiResult<std::string> TextOf(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return NoContent(where);
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const std::string type = StringAt(content[i], "type");
    if (type != "text") {
      return BadField(at, "{} is of type '{}': only text is understood here", at,
                      type.substr(0, 40));
    }
    ApiResult<std::string> part = RequiredString(content[i], "text", at);
    if (!part.ok()) return part.error();
    text += *part;
  }
  return text;
}

// A tool's results are messages of their own, in their places among the text.
Failure AddUser(const Json& content, const std::string& from, TranslatedBody* out) {
  const std::string where = from + ".content";
  if (content.is_string()) {
    out->AddMessage({{"role", "user"}, {"content", content}}, from);
    return std::nullopt;
  }
  if (!content.is_array()) return NoContent(where);
  std::string text;
  bool any_text = false;
  const auto end_text = [&] {
    if (any_text) out->AddMessage({{"role", "user"}, {"content", std::move(text)}}, from);
    text.clear();
    any_text = false;
  };
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& block = content[i];
    const std::string at = fmt::format("{}[{}]", where, i);
    const std::string type = StringAt(block, "type");
    if (type == "text") {
      ApiResult<std::string> part = RequiredString(block, "text", at);
      if (!part.ok()) return part.error();
      text += *part;
      any_text = true;
    } else if (type == "tool_result") {
      ApiResult<std::string> id = RequiredString(block, "tool_use_id", at);
      if (!id.ok()) return id.error();
      const Json* result = FindKey(block, "content");
      ApiResult<std::string> words =
          result == nullptr ? ApiResult<std::string>("") : TextOf(*result, at + ".content");
      if (!words.ok()) return words.error();
      end_text();
      out->AddMessage({{"role", "tool"}, {"tool_call_id", *id}, {"content", *words}}, at);
    } else {
      return BadField(at, "{} is of type '{}': text and tool_result are understood here", at,
                      type.substr(0, 40));
    }
  }
  end_text();
  return std::nullopt;
}

ApiResult<Json> CallOf(const Json& block, const std::string& at) {
  ApiResult<std::string> id = RequiredString(block, "id", at);
  if (!id.ok()) return id.error();
  ApiResult<std::string> name = RequiredString(block, "name", at);
  if (!name.ok()) return name.error();
  const Json* input = FindKey(block, "input");
  return Json{
      {"id", *id},
      {"type", "function"},
      {"function", {{"name", *name}, {"arguments", input == nullptr ? "{}" : DumpJson(*input)}}}};
}

Failure AddAssistant(const Json& content, const std::string& from, TranslatedBody* out) {
  const std::string where = from + ".content";
  if (content.is_string()) {
    out->AddMessage({{"role", "assistant"}, {"content", content}}, from);
    return std::nullopt;
  }
  if (!content.is_array()) return NoContent(where);
  std::string text, thought;
  Json calls = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& block = content[i];
    const std::string at = fmt::format("{}[{}]", where, i), type = StringAt(block, "type");
    if (type == "text" || type == "thinking") {
      ApiResult<std::string> part = RequiredString(block, type.c_str(), at);
      if (!part.ok()) return part.error();
      (type == "text" ? text : thought) += *part;
    } else if (type == "tool_use") {
      ApiResult<Json> call = CallOf(block, at);
      if (!call.ok()) return call.error();
      calls.push_back(*call);
    } else if (type != "redacted_thinking") {
      return BadField(at, "{} is of type '{}': text, thinking and tool_use are understood here", at,
                      type.substr(0, 40));
    }
  }
  Json message = {{"role", "assistant"}, {"content", text}};
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  if (!thought.empty()) message["reasoning_content"] = thought;
  out->AddMessage(std::move(message), from);
  return std::nullopt;
}

Failure AddMessages(const Json& body, TranslatedBody* out) {
  if (const Json* system = FindKey(body, "system")) {
    ApiResult<std::string> text = TextOf(*system, "system");
    if (!text.ok()) return text.error();
    if (!text->empty()) out->AddMessage({{"role", "system"}, {"content", *text}}, "system");
  }
  const Json* given = FindKey(body, "messages");
  if (given == nullptr || !given->is_array() || given->empty()) {
    return BadField("messages", "messages must be a list with at least one message");
  }
  for (size_t i = 0; i < given->size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    const Json& message = (*given)[i];
    if (!message.is_object()) return BadField(where, "{} must be an object", where);
    const std::string role = StringAt(message, "role");
    const Json* content = FindKey(message, "content");
    if (content == nullptr) return BadField(where + ".content", "{}.content is missing", where);
    Failure error;
    if (role == "user") {
      error = AddUser(*content, where, out);
    } else if (role == "assistant") {
      error = AddAssistant(*content, where, out);
    } else if (role == "system") {
      ApiResult<std::string> text = TextOf(*content, where + ".content");
      if (!text.ok()) return text.error();
      out->AddMessage({{"role", "system"}, {"content", *text}}, where);
    } else {
      error = BadField(where + ".role", "{}.role is '{}': user, assistant and system are possible",
                       where, role.substr(0, 40));
    }
    if (error) return error;
  }
  Json& last = out->json["messages"].back();
  if (last["role"] != "assistant") return std::nullopt;
  if (last.contains("tool_calls")) {
    const std::string where = fmt::format("messages[{}]", given->size() - 1);
    return BadField(where, "{} ends with a tool_use: its tool_result must follow", where);
  }
  last["prefix"] = true;
  return std::nullopt;
}

Failure AddTools(const Json& body, TranslatedBody* out) {
  if (const Json* tools = FindKey(body, "tools")) {
    if (!tools->is_array()) return BadField("tools", "tools must be a list");
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json& tool = (*tools)[i];
      const std::string where = fmt::format("tools[{}]", i), type = StringAt(tool, "type");
      if (!tool.is_object() || (!type.empty() && type != "custom")) {
        return BadField(where, "{} is of type '{}': tools of the client are possible", where,
                        type.substr(0, 40));
      }
      ApiResult<std::string> name = RequiredString(tool, "name", where);
      if (!name.ok()) return name.error();
      Json function = {{"name", *name}};
      if (const Json* about = FindKey(tool, "description")) function["description"] = *about;
      if (const Json* schema = FindKey(tool, "input_schema")) function["parameters"] = *schema;
      out->json["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
      out->names.emplace_back(where + ".function.parameters", where + ".input_schema");
      out->names.emplace_back(where + ".function", where);
    }
  }
  const Json* choice = FindKey(body, "tool_choice");
  if (choice == nullptr) return std::nullopt;
  Json& chosen = out->json["tool_choice"];
  const std::string type = StringAt(*choice, "type");
  if (type == "auto" || type == "none") {
    chosen = type;
  } else if (type == "any") {
    chosen = "required";
  } else if (type == "tool") {
    ApiResult<std::string> name = RequiredString(*choice, "name", "tool_choice");
    if (!name.ok()) return name.error();
    chosen = {{"type", "function"}, {"function", {{"name", *name}}}};
  } else {
    return BadField("tool_choice.type",
                    "tool_choice.type is '{}': auto, any, none and tool are possible",
                    type.substr(0, 40));
  }
  bool serial = false;
  RequestFields f(*choice, "tool_choice.");
  f.Read("disable_parallel_tool_use", &serial);
  if (f.failed()) return f.error();
  if (serial) out->json["parallel_tool_calls"] = false;
  return std::nullopt;
}

// output_config.format: {"type": "json_schema", "schema": …}.
Failure AddFormat(const Json& body, TranslatedBody* out) {
  const Json* config = FindKey(body, "output_config");
  if (config == nullptr) return std::nullopt;
  if (!config->is_object()) return BadField("output_config", "output_config must be an object");
  const Json* format = FindKey(*config, "format");
  if (format == nullptr) return std::nullopt;
  out->json["response_format"] = *format;
  out->names.emplace_back("response_format", "output_config.format");
  out->names.emplace_back("response_format.json_schema", "output_config.format");
  return std::nullopt;
}

}  // namespace

ApiResult<TranslatedBody> ChatBodyOfAnthropic(const Json& body, bool counting) {
  TranslatedBody out;
  RequestFields f(body);
  int64_t max_tokens = 0;
  f.Read("max_tokens", &max_tokens, 1, limits::kMaxTokens);
  if (f.failed()) return f.error();
  if (max_tokens == 0 && !counting) return BadField("max_tokens", "max_tokens is missing");
  if (max_tokens > 0) out.json["max_tokens"] = max_tokens;
  if (auto error = AddMessages(body, &out)) return *error;
  if (auto error = AddTools(body, &out)) return *error;
  if (auto error = AddFormat(body, &out)) return *error;
  for (const char* key :
       {"model", "temperature", "top_p", "top_k", "thinking", "seed", "receipt"}) {
    if (const Json* value = f.Find(key)) out.json[key] = *value;
  }
  if (const Json* stop = f.Find("stop_sequences")) out.json["stop"] = *stop;
  out.names.emplace_back("stop", "stop_sequences");
  if (const Json* metadata = f.Find("metadata")) {
    if (!metadata->is_object()) return BadField("metadata", "metadata must be an object");
    if (const Json* user = FindKey(*metadata, "user_id")) out.json["user_id"] = *user;
    out.names.emplace_back("user_id", "metadata.user_id");
  }
  return out;
}

}  // namespace aha
