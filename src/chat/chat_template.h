// Chat templates: the Jinja of tokenizer_config.json, rendered byte for byte as transformers does.
//
//   AHA_ASSIGN_OR_RETURN(ChatTemplate t, ChatTemplate::Parse(source, {.bos_token = "<s>"}));
//   AHA_ASSIGN_OR_RETURN(Prompt p, t.Render(messages, {}));
//
// Rendering keeps apart what the template wrote and what came from messages, so that a user's text
// can never become a control token: Prompt is a list of pieces, and only template pieces may hold
// special tokens. Steps, recursion and output are limited; a template cannot hang or exhaust the
// program.
#ifndef AHA_CHAT_CHAT_TEMPLATE_H_
#define AHA_CHAT_CHAT_TEMPLATE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "chat/thought_parser.h"
#include "tokenizer/tokenizer.h"

namespace aha {

struct SpecialTokenTexts {
  std::string bos_token, eos_token, pad_token, unk_token;
};

// One stretch of a rendered prompt. `trusted` text was written by the template; the rest came out
// of the messages, tools or other arguments, and is tokenised with special tokens off.
struct PromptPiece {
  std::string text;
  bool trusted = false;
};

struct Prompt {
  std::vector<PromptPiece> pieces;
  std::string text() const;  // the pieces joined: what transformers renders
};

struct RenderOptions {
  bool add_generation_prompt = true;
  Json tools = nullptr;         // array of OpenAI tool definitions, or null
  Json extra = Json::object();  // further template variables, e.g. {"enable_thinking": false}
  // The text ends inside the last message, for the model to go on with; no generation prompt then.
  bool continue_final_message = false;
  std::string date;  // what strftime_now sees, "YYYY-MM-DD"; empty = today
};

// Whether the prompt ends inside a thought. Only the template can open one, not a user who writes
// the tag.
bool OpenedByTemplate(const Prompt& prompt, const ThoughtTags& tags);

class ChatTemplate {
 public:
  static Result<ChatTemplate> Parse(std::string_view source, const SpecialTokenTexts& tokens);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `messages` is the OpenAI array of {role, content, ...}. As transformers 5 does, keys whose
  // value is null are dropped first (kept for a template that fails without them), and
  // reasoning_content, thinking and reasoning stand for each other. Errors: raise_exception's own
  // words, a limit, an undefined name used.
  Result<Prompt> Render(const Json& messages, const RenderOptions& options) const;
  const std::string& source() const;

 private:
  ChatTemplate();
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

// Ids of a prompt: each trusted piece with special tokens on, the rest with them off. Neighbouring
// text is split only where a special token stands between or where the trust changes the reading;
// for messages without control-token text the ids equal transformers' apply_chat_template.
Result<std::vector<int32_t>> EncodePrompt(const Tokenizer& tokenizer, const Prompt& prompt);

}  // namespace aha

#endif  // AHA_CHAT_CHAT_TEMPLATE_H_
