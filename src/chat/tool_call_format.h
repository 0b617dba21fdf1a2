// How a model writes its tool calls, read off its chat template, and what a call that must be made
// looks like.
//
//   const ToolCallFormat format = ToolCallFormat::Detect(chat_template.source(), tokenizer);
//   CompletionText text(tokenizer, {.visible = format.visible});  // else the marks give no text
//   AHA_ASSIGN_OR_RETURN(ToolGrammar must, ToolGrammar::For(format, tools, "get_weather"));
#ifndef AHA_CHAT_TOOL_CALL_FORMAT_H_
#define AHA_CHAT_TOOL_CALL_FORMAT_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/tokenizer.h"

namespace aha {

// The marks, byte for byte.
namespace tool_marks {
inline constexpr std::string_view kHermesOpen = "<tool_call>";
inline constexpr std::string_view kHermesClose = "</tool_call>";
inline constexpr std::string_view kPythonTag = "<|python_tag|>";
inline constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
inline constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
inline constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
inline constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
inline constexpr std::string_view kSep = "<｜tool▁sep｜>";
}  // namespace tool_marks

enum class ToolCallStyle {
  // <tool_call>\n{"name": NAME, "arguments": {...}}\n</tool_call>: Hermes, Qwen2.5, Qwen3, and
  // whatever says nothing of its own.
  kHermes,
  // Begin mark, TYPE, separator, NAME, then the arguments in a ```json fence: DeepSeek-V3 and R1.
  kDeepSeek,
  // The same without type and fence: DeepSeek-V3.1.
  kDeepSeekPlain,
  // {"name": NAME, "parameters": {...}} as the whole answer or after <|python_tag|>: Llama 3.
  kLlama,
};

struct ToolCallFormat {
  ToolCallStyle style = ToolCallStyle::kHermes;
  // Special tokens that are marks of the format: a decoder that skips special tokens must let
  // these through.
  std::vector<std::string> visible;

  // The template's word first, then the tokenizer's; kHermes when neither says anything.
  static ToolCallFormat Detect(std::string_view template_source, const Tokenizer& tokenizer);
  // One call as the model would write it, without what stands around a list of calls.
  // `arguments` is JSON text.
  std::string CallText(std::string_view name, std::string_view arguments) const;
};

// The answer of a model that must call: begin, one of `calls` (several, parted by `separator`, if
// `several`), end. Each call is its prefix, a value of the schema, its suffix.
struct ToolGrammar {
  struct Call {
    std::string name;
    std::string prefix;
    Json schema;  // the function's parameters; of one without any: an empty object
    std::string suffix;
  };
  std::string begin;
  std::vector<Call> calls;
  std::string separator;
  std::string end;
  bool several = true;  // the format has a place for more than one call

  // `tools` is OpenAI's array; `name` picks one of them (tool_choice), "" takes all. Errors: a tool
  // that is no function with a name of 1 to 64 letters, digits, '_', '-'; a name twice; a name
  // that is not among them.
  static Result<ToolGrammar> For(const ToolCallFormat& format, const Json& tools,
                                 std::string_view name = "");
};

// The functions' names; the errors of ToolGrammar::For.
Result<std::vector<std::string>> ToolNames(const Json& tools);

}  // namespace aha

#endif  // AHA_CHAT_TOOL_CALL_FORMAT_H_
