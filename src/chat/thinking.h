// Whether a model thinks before it answers, and how it is told to or not to, read off its template.
#ifndef AHA_CHAT_THINKING_H_
#define AHA_CHAT_THINKING_H_

#include <string>
#include <string_view>

#include "base/json.h"
#include "chat/chat_template.h"

namespace aha {

enum class ThinkingKind {
  kNone,      // nothing in template or vocabulary speaks of thoughts
  kOptional,  // a variable of the template decides (Qwen3's enable_thinking)
  kAlways,    // the prompt opens a thought (R1), or the model may open one itself
};

struct ThinkingControl {
  ThinkingKind kind = ThinkingKind::kNone;
  Json on = Json::object(), off = Json::object();  // kOptional: variables for the template
  std::string closed;  // kAlways: written behind the prompt, it leaves the thought out

  std::string_view name() const;  // "none", "optional", "always"
};

ThinkingControl DetectThinking(const ChatTemplate& chat, const Tokenizer& tokenizer);

}  // namespace aha

#endif  // AHA_CHAT_THINKING_H_
