#include "server/next_turn.h"

#include "server/chat_sink.h"

namespace aha {
namespace {

// The text that every prompt after this conversation begins with: what two of them, asked two
// different things, have in common. Templates differ in what they write behind an answer.
Result<std::vector<int32_t>> CommonPrompt(const NextTurn& next) {
  const TextModel& text = *next.model->text;
  std::vector<int32_t> common;
  for (const char* question : {"a", "1"}) {
    Json messages = next.messages;
    messages.push_back({{"role", "user"}, {"content", question}});
    AHA_ASSIGN_OR_RETURN(
        const Prompt prompt,
        text.chat->Render(messages, {.tools = next.tools, .extra = next.template_extra}));
    AHA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, EncodePrompt(text.tokenizer, prompt));
    if (common.empty()) {
      common = std::move(ids);
      continue;
    }
    const auto [end, other] = std::mismatch(common.begin(), common.end(), ids.begin(), ids.end());
    common.erase(end, common.end());
  }
  return common;
}

}  // namespace

void WarmNextTurn(ApiContext& context, NextTurn next) {
  context.prepare([host = context.host, next = std::move(next)] {
    Result<std::vector<int32_t>> prompt = CommonPrompt(next);
    if (!prompt.ok() || prompt->empty()) return;
    if (static_cast<int64_t>(prompt->size()) >= next.model->max_context()) return;
    host->Warm(next.model, std::move(*prompt), next.cache_salt);
  });
}

void WarmAfter(ApiContext& context, const ChatSpec& spec, const SampleResult& answer,
               std::shared_ptr<ServedModel> model, uint64_t cache_salt) {
  if (answer.thought_tokens == 0 || answer.reason != FinishReason::kStop || spec.prefix ||
      !answer.calls.empty()) {
    return;
  }
  NextTurn next{.model = std::move(model),
                .messages = spec.messages,
                .tools = spec.tools,
                .template_extra = spec.template_extra,
                .cache_salt = cache_salt};
  next.messages.push_back(
      {{"role", "assistant"}, {"content", answer.answer}, {"reasoning_content", answer.thought}});
  WarmNextTurn(context, std::move(next));
}

}  // namespace aha
