// POST /v1/completions as OpenAI had it and lm-evaluation-harness uses it: raw prompts, as text or
// as token ids, one or many; `echo` with the exact log-probability of every token of the prompt.
#ifndef AHA_SERVER_OPENAI_COMPLETIONS_H_
#define AHA_SERVER_OPENAI_COMPLETIONS_H_

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/api_context.h"
#include "server/openai_chat.h"

namespace aha {

struct CompletionSpec {
  using Prompt = std::variant<std::string, std::vector<int32_t>>;
  std::string model;
  std::vector<Prompt> prompts;
  SamplingChoice sampling;
  int32_t n = 1;
  int64_t max_tokens = 16;  // 0 with echo: the prompt is only scored
  std::vector<std::string> stop;
  int32_t logprobs = -1;  // most likely ones of each token; -1: none are given
  bool echo = false;
  bool receipt = false;
  bool add_special_tokens = true;  // to prompts of text: what the tokenizer's file wants (BOS)
  std::string user_id;
  OpenAiStyle style;
};

// The request's fields; unknown ones are let be. Errors name the field.
ApiResult<CompletionSpec> ParseCompletion(const Json& body);

// What is made of its first prompt. On a thread that may wait. Errors name the field.
ApiResult<GenerationSpec> PrepareCompletion(const CompletionSpec& spec, ModelHost& host);

// The legacy arrays, token by token. A prompt's first token has no log-probability.
class LegacyLogprobs {
 public:
  explicit LegacyLogprobs(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  // `shown`: the token is part of the choice's text, and text_offset moves on by it.
  void AddFirst(int32_t id, bool shown);
  // `top`: most likely first. The token itself is always in the dictionary under its text, with the
  // very number that token_logprobs has; another one of the same text is "token_id:ID".
  void Add(int32_t id, float logprob, std::span<const TokenLogprob> top, bool shown);
  // Where the next token begins in the choice's text, in characters.
  void MoveTo(int64_t offset) { offset_ = offset; }
  // What was added since the last call; offsets go on.
  Json Take();

 private:
  void AddText(int32_t id, bool shown);

  const Tokenizer* tokenizer_;
  Json tokens_ = Json::array(), logprobs_ = Json::array(), tops_ = Json::array(),
       offsets_ = Json::array();
  int64_t offset_ = 0;
};

// A token as these arrays write it: its text, or "bytes:\xe2\x80" when that is no whole UTF-8.
std::string LegacyTokenText(std::string_view bytes);

// Adds /completions. `context` outlives the router.
void AddOpenAiCompletions(Router& router, ApiContext& context);

}  // namespace aha

#endif  // AHA_SERVER_OPENAI_COMPLETIONS_H_
