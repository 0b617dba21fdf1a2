#include "server/responses_request.h"

#include <algorithm>

#include "server/limits.h"
#include "server/request_fields.h"

namespace aha {
namespace {

using Failure = std::optional<ApiError>;

constexpr std::string_view kIncludeLogprobs = "message.output_text.logprobs";

// The words of a reasoning item: its content, or else its summary.
std::string ThoughtOf(const Json& item) {
  std::string text;
  for (const char* key : {"content", "summary"}) {
    const Json* parts = FindKey(item, key);
    if (parts == nullptr || !parts->is_array() || !text.empty()) continue;
    for (const Json& part : *parts) text += StringAt(part, "text");
  }
  return text;
}

// Makes messages of items. Thought, text and calls of one answer are items of their own here, and
// one message there.
class ItemReader {
 public:
  explicit ItemReader(TranslatedBody* out) : out_(out) {}

  Failure Add(const Json& item, const std::string& where) {
    if (!item.is_object()) return BadField(where, "{} must be an object", where);
    const std::string type = StringAt(item, "type");
    if (type == "message" || type.empty()) return AddMessage(item, where);
    if (type == "function_call") return AddCall(item, where);
    if (type == "function_call_output") return AddOutput(item, where);
    if (type != "reasoning") {
      return BadField(where + ".type",
                      "{}.type is '{}': message, reasoning, function_call, "
                      "function_call_output and item_reference are understood here",
                      where, type.substr(0, 40));
    }
    if (!thought_.empty()) thought_ += "\n";
    thought_ += ThoughtOf(item);
    return std::nullopt;
  }

 private:
  Failure AddMessage(const Json& item, const std::string& where) {
    const Json* content = FindKey(item, "content");
    if (content == nullptr) return BadField(where + ".content", "{}.content is missing", where);
    const std::string role = StringAt(item, "role");
    if (role == "assistant") {
      Begin(where)["content"] = *content;
      return std::nullopt;
    }
    if (role != "user" && role != "system" && role != "developer") {
      return BadField(where + ".role",
                      "{}.role is '{}': user, assistant, system and developer are possible", where,
                      role.substr(0, 40));
    }
    Other({{"role", role}, {"content", *content}}, where);
    return std::nullopt;
  }

  Failure AddCall(const Json& item, const std::string& where) {
    Json function = Json::object();
    for (const char* key : {"name", "arguments"}) {
      ApiResult<std::string> text = RequiredString(item, key, where);
      if (!text.ok()) return text.error();
      function[key] = *text;
    }
    ApiResult<std::string> id = RequiredString(item, "call_id", where);
    if (!id.ok()) return id.error();
    Json& message = answer_ && thought_.empty() ? Last() : Begin(where);
    message["tool_calls"].push_back(
        {{"id", *id}, {"type", "function"}, {"function", std::move(function)}});
    return std::nullopt;
  }

  Failure AddOutput(const Json& item, const std::string& where) {
    ApiResult<std::string> id = RequiredString(item, "call_id", where);
    if (!id.ok()) return id.error();
    const Json* output = FindKey(item, "output");
    if (output == nullptr) return BadField(where + ".output", "{}.output is missing", where);
    Other({{"role", "tool"}, {"tool_call_id", *id}, {"content", *output}}, where);
    out_->names.emplace_back(fmt::format("messages[{}].content", out_->json["messages"].size() - 1),
                             where + ".output");
    return std::nullopt;
  }

  Json& Last() { return out_->json["messages"].back(); }
  // A message of the assistant, with the thought that came before it.
  Json& Begin(const std::string& where) {
    Json message = {{"role", "assistant"}, {"content", ""}};
    if (!thought_.empty()) message["reasoning_content"] = std::exchange(thought_, {});
    out_->AddMessage(std::move(message), where);
    answer_ = true;
    return Last();
  }
  void Other(Json message, const std::string& where) {
    thought_.clear();  // of an answer that is not there
    answer_ = false;
    out_->AddMessage(std::move(message), where);
  }

  TranslatedBody* out_;
  std::string thought_;
  bool answer_ = false;  // the last message is of the assistant, and of these items
};

Failure AddInput(const Json& input, TranslatedBody* out) {
  if (input.is_string()) {
    out->AddMessage({{"role", "user"}, {"content", input}}, "input");
    return std::nullopt;
  }
  if (!input.is_array() || input.empty()) {
    return BadField("input", "input must be a text, or a list with at least one item");
  }
  ItemReader reader(out);
  for (size_t i = 0; i < input.size(); ++i) {
    if (auto error = reader.Add(input[i], fmt::format("input[{}]", i))) return error;
  }
  if (out->json["messages"].empty()) return BadField("input", "input holds nothing but reasoning");
  return std::nullopt;
}

Failure AddTools(const Json& body, TranslatedBody* out) {
  if (const Json* tools = FindKey(body, "tools")) {
    if (!tools->is_array()) return BadField("tools", "tools must be a list");
    for (size_t i = 0; i < tools->size(); ++i) {
      const std::string where = fmt::format("tools[{}]", i);
      Json function = (*tools)[i];
      if (StringAt(function, "type") != "function") {
        return BadField(where + ".type",
                        "{}.type must be function: others need a service elsewhere", where);
      }
      ApiResult<std::string> name = RequiredString(function, "name", where);
      if (!name.ok()) return name.error();
      function.erase("type");
      out->json["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
      out->names.emplace_back(where + ".function", where);
    }
  }
  const Json* choice = FindKey(body, "tool_choice");
  if (choice == nullptr) return std::nullopt;
  if (choice->is_object()) {
    if (StringAt(*choice, "type") != "function") {
      return BadField("tool_choice.type",
                      "tool_choice.type is '{}': auto, none, required or a function are possible",
                      StringAt(*choice, "type").substr(0, 40));
    }
    ApiResult<std::string> name = RequiredString(*choice, "name", "tool_choice");
    if (!name.ok()) return name.error();
    out->json["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
  } else {
    out->json["tool_choice"] = *choice;
  }
  return std::nullopt;
}

// Objects with fields that the chat API has elsewhere.
Failure AddNested(const Json& body, TranslatedBody* out) {
  for (const auto& [object, key, field] : {std::tuple{"text", "format", "response_format"},
                                           {"reasoning", "effort", "reasoning_effort"}}) {
    const Json* outer = FindKey(body, object);
    if (outer == nullptr) continue;
    if (!outer->is_object()) return BadField(object, "{} must be an object", object);
    // A format is {type, name, schema}: the schema stands in it.
    if (const Json* value = FindKey(*outer, key)) out->json[field] = *value;
    out->names.emplace_back(field, fmt::format("{}.{}", object, key));
  }
  out->names.emplace_back("response_format.json_schema", "text.format");
  return std::nullopt;
}

}  // namespace

bool IsReference(const Json& item) {
  const std::string type = StringAt(item, "type");
  if (!type.empty()) return type == "item_reference";
  // The type may be left out; messages may have no type either, but they have a role.
  return item.is_object() && item.contains("id") && !item.contains("role");
}

ApiResult<TranslatedBody> ChatBodyOfResponses(const Json& body, const Json& before) {
  TranslatedBody out;
  RequestFields f(body);
  std::string instructions;
  int32_t top_logprobs = 0;
  std::vector<std::string> include;
  f.Read("instructions", &instructions, limits::kBodyBytes);
  f.Read("top_logprobs", &top_logprobs, 0, limits::kTopLogprobs);
  f.ReadStrings("include", &include, limits::kIncludes, limits::kIncludeBytes);
  for (const char* key : {"conversation", "prompt"}) {
    if (f.Find(key) != nullptr) f.Fail(key, "is not possible here: send the input itself");
  }
  if (f.failed()) return f.error();
  if (!instructions.empty()) {
    out.AddMessage({{"role", "system"}, {"content", instructions}}, "instructions");
  }
  for (const Json& message : before) out.AddMessage(message, "previous_response_id");
  const Json* input = f.Find("input");
  if (input == nullptr) return BadField("input", "input is missing");
  if (auto error = AddInput(*input, &out)) return *error;
  if (auto error = AddTools(body, &out)) return *error;
  if (auto error = AddNested(body, &out)) return *error;
  for (const char* key : {"model", "temperature", "top_p", "parallel_tool_calls", "user", "seed",
                          "receipt", "chat_template_kwargs"}) {
    if (const Json* value = f.Find(key)) out.json[key] = *value;
  }
  if (const Json* most = f.Find("max_output_tokens")) out.json["max_tokens"] = *most;
  // What else can be included is of tools and pictures that are not here.
  if (top_logprobs > 0 || std::ranges::find(include, kIncludeLogprobs) != include.end()) {
    out.json["logprobs"] = true;
    out.json["top_logprobs"] = top_logprobs;
  }
  out.names.emplace_back("max_tokens", "max_output_tokens");
  out.names.emplace_back("messages", "input");
  return out;
}

}  // namespace aha
