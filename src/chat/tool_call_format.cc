#include "chat/tool_call_format.h"

#include <algorithm>
#include <optional>

namespace aha {
namespace {

using namespace tool_marks;  // NOLINT(google-build-using-namespace): our own constants

constexpr size_t kMaxName = 64;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

ToolCallStyle StyleOf(std::string_view source, const Tokenizer& tokenizer) {
  if (Contains(source, kCallBegin)) {
    return Contains(source, "```json") ? ToolCallStyle::kDeepSeek : ToolCallStyle::kDeepSeekPlain;
  }
  if (Contains(source, kHermesOpen)) return ToolCallStyle::kHermes;
  if (Contains(source, kPythonTag) || Contains(source, "\"parameters\": ")) {
    return ToolCallStyle::kLlama;
  }
  if (tokenizer.IdOf(kCallBegin)) return ToolCallStyle::kDeepSeek;
  if (tokenizer.IdOf(kHermesOpen)) return ToolCallStyle::kHermes;
  if (tokenizer.IdOf(kPythonTag)) return ToolCallStyle::kLlama;
  return ToolCallStyle::kHermes;
}

std::vector<std::string_view> MarksOf(ToolCallStyle style) {
  switch (style) {
    case ToolCallStyle::kHermes:
      return {kHermesOpen, kHermesClose};
    case ToolCallStyle::kDeepSeek:
    case ToolCallStyle::kDeepSeekPlain:
      return {kCallsBegin, kCallsEnd, kCallBegin, kCallEnd, kSep};
    case ToolCallStyle::kLlama:
      return {kPythonTag};
  }
  return {};
}

// What stands before and after the arguments of a call to `name`.
struct Frame {
  std::string prefix, suffix;
};
Frame FrameOf(ToolCallStyle style, std::string_view name) {
  const std::string n(name);
  switch (style) {
    case ToolCallStyle::kHermes:
      return {std::string(kHermesOpen) + "\n{\"name\": \"" + n + "\", \"arguments\": ",
              "}\n" + std::string(kHermesClose)};
    case ToolCallStyle::kDeepSeek:
      return {std::string(kCallBegin) + "function" + std::string(kSep) + n + "\n```json\n",
              "\n```" + std::string(kCallEnd)};
    case ToolCallStyle::kDeepSeekPlain:
      return {std::string(kCallBegin) + n + std::string(kSep), std::string(kCallEnd)};
    case ToolCallStyle::kLlama:
      return {"{\"name\": \"" + n + "\", \"parameters\": ", "}"};
  }
  return {};
}

bool GoodName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

}  // namespace

ToolCallFormat ToolCallFormat::Detect(std::string_view template_source,
                                      const Tokenizer& tokenizer) {
  ToolCallFormat format{StyleOf(template_source, tokenizer), {}};
  for (const std::string_view mark : MarksOf(format.style)) {
    const std::optional<int32_t> id = tokenizer.IdOf(mark);
    if (id && tokenizer.IsSpecial(*id)) format.visible.emplace_back(mark);
  }
  return format;
}

std::string ToolCallFormat::CallText(std::string_view name, std::string_view arguments) const {
  const Frame frame = FrameOf(style, name);
  return frame.prefix + std::string(arguments) + frame.suffix;
}

Result<std::vector<std::string>> ToolNames(const Json& tools) {
  if (!tools.is_array()) {
    return InvalidArgument("tools must be an array, not {}", tools.type_name());
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < tools.size(); ++i) {
    const Json* function = tools[i].is_object() ? FindKey(tools[i], "function") : nullptr;
    if (function == nullptr || !function->is_object()) {
      return InvalidArgument("tools[{}] has no function", i);
    }
    const Json* name = FindKey(*function, "name");
    if (name == nullptr || !name->is_string()) {
      return InvalidArgument("tools[{}].function has no name", i);
    }
    const std::string& text = name->get_ref<const std::string&>();
    if (!GoodName(text)) {
      return InvalidArgument(
          "tools[{}].function.name '{}' must be 1 to {} letters, digits, '_' or '-'", i,
          text.substr(0, 2 * kMaxName), kMaxName);
    }
    if (std::ranges::find(names, text) != names.end()) {
      return InvalidArgument("tools[{}].function.name '{}' is there twice", i, text);
    }
    names.push_back(text);
  }
  return names;
}

Result<ToolGrammar> ToolGrammar::For(const ToolCallFormat& format, const Json& tools,
                                     std::string_view name) {
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> names, ToolNames(tools));
  ToolGrammar grammar;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!name.empty() && names[i] != name) continue;
    const Json* parameters = FindKey(tools[i]["function"], "parameters");
    const bool takes_any =
        parameters != nullptr && !(parameters->is_object() && parameters->empty());
    const Json nothing = {
        {"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
    Frame frame = FrameOf(format.style, names[i]);
    grammar.calls.push_back({names[i], std::move(frame.prefix), takes_any ? *parameters : nothing,
                             std::move(frame.suffix)});
  }
  if (grammar.calls.empty()) {
    return name.empty() ? InvalidArgument("tools is empty; a call needs at least one")
                        : InvalidArgument("tools has no function named '{}'", name);
  }
  switch (format.style) {
    case ToolCallStyle::kHermes:
      grammar.separator = "\n";
      break;
    case ToolCallStyle::kDeepSeek:
      grammar.separator = "\n";
      [[fallthrough]];
    case ToolCallStyle::kDeepSeekPlain:
      grammar.begin = kCallsBegin;
      grammar.end = kCallsEnd;
      break;
    case ToolCallStyle::kLlama:
      grammar.several = false;
      break;
  }
  return grammar;
}

}  // namespace aha
