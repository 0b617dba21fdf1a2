#include "chat/thinking.h"

#include "chat/thought_parser.h"

namespace aha {
namespace {

// The prompt for a short question, "" where the template fails.
std::string Rendered(const ChatTemplate& chat, const Json& extra) {
  const Json messages = Json::array({{{"role", "user"}, {"content", "?"}}});
  const Result<Prompt> prompt = chat.Render(messages, {.extra = extra});
  return prompt.ok() ? prompt->text() : std::string();
}

// The first of the texts that the vocabulary can write; the tags alone when none is whole.
std::string Writable(const Tokenizer& tokenizer, const std::string& open) {
  const std::string close = ThoughtTags().close;
  for (const std::string& text :
       {open + "\n" + close + "\n\n", open + close + "\n", open + close}) {
    const Result<std::vector<int32_t>> ids = tokenizer.Encode(text, {.allow_special = true});
    if (ids.ok() && tokenizer.Decode(*ids) == text) return text;
  }
  return open + close;
}

}  // namespace

std::string_view ThinkingControl::name() const {
  switch (kind) {
    case ThinkingKind::kOptional:
      return "optional";
    case ThinkingKind::kAlways:
      return "always";
    default:
      return "none";
  }
}

ThinkingControl DetectThinking(const ChatTemplate& chat, const Tokenizer& tokenizer) {
  ThinkingControl control;
  for (const char* variable : {"enable_thinking", "thinking"}) {
    const Json on = {{variable, true}}, off = {{variable, false}};
    const std::string with = Rendered(chat, on), without = Rendered(chat, off);
    if (with.empty() || without.empty() || with == without) continue;
    control.kind = ThinkingKind::kOptional;
    control.on = on;
    control.off = off;
    return control;
  }
  const ThoughtTags tags;
  const bool opened = ThoughtParser::OpenedByPrompt(Rendered(chat, Json::object()), tags);
  // One token for the tag: the model was made to write it.
  if (!opened && !tokenizer.IdOf(tags.open)) return control;
  control.kind = ThinkingKind::kAlways;
  control.closed = Writable(tokenizer, opened ? "" : tags.open + "\n");
  return control;
}

}  // namespace aha
