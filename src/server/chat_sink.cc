#include "server/chat_sink.h"

#include <algorithm>

namespace aha {

Json Usage::ToJson() const {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_cache_hit_tokens", cached_tokens},
          {"prompt_cache_miss_tokens", prompt_tokens - cached_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", reasoning_tokens}}}};
}

const char* FinishName(FinishReason reason, bool calls) {
  switch (reason) {
    case FinishReason::kStop:
      return calls ? "tool_calls" : "stop";
    case FinishReason::kLength:
      return "length";
    default:
      return "insufficient_system_resource";  // DeepSeek's word for a generation cut off
  }
}

ChatSink::ChatSink(const GenerationSpec& spec)
    : model_(spec.model),
      results_(static_cast<size_t>(spec.n)),
      prompt_tokens_(static_cast<int64_t>(spec.prompt.size())),
      unfinished_(spec.n) {}

void ChatSink::OnEvents(std::vector<GenerationEvent> events) {
  for (GenerationEvent& event : events) {
    SampleResult& sample = results_[static_cast<size_t>(event.sample)];
    switch (event.kind) {
      case GenerationEvent::Kind::kStart:
        cached_tokens_ = event.cached_tokens;
        break;
      case GenerationEvent::Kind::kPromptLogprob:
        break;
      case GenerationEvent::Kind::kText:
        sample.thought += event.thought;
        sample.answer += event.answer;
        for (const GeneratedToken& token : event.tokens) {
          sample.thought_tokens += token.thought ? 1 : 0;
          sample.tokens.push_back(token);
        }
        OnText(event);
        break;
      case GenerationEvent::Kind::kFinish:
        sample.reason = event.reason;
        sample.thought_end = event.thought_end;
        sample.stop_string = event.stop_string;
        OnSampleEnd(event.sample);
        if (--unfinished_ == 0) OnEnd();
        break;
    }
  }
}

Usage ChatSink::usage() const {
  Usage usage{.prompt_tokens = prompt_tokens_, .cached_tokens = cached_tokens_};
  for (const SampleResult& sample : results_) {
    usage.completion_tokens += static_cast<int64_t>(sample.tokens.size());
    usage.reasoning_tokens += sample.thought_tokens;
  }
  return usage;
}

Json ChatSink::LogprobsJson(const std::vector<GeneratedToken>& tokens, bool thought) const {
  const auto entry = [&](int32_t id, float logprob) {
    const std::string_view bytes = model_->text->tokenizer.TokenBytes(id);
    Json numbers = Json::array();
    for (const char c : bytes) numbers.push_back(static_cast<unsigned char>(c));
    return Json{{"token", std::string(bytes)}, {"bytes", std::move(numbers)}, {"logprob", logprob}};
  };
  Json out = Json::array();
  for (const GeneratedToken& token : tokens) {
    if (token.thought != thought) continue;
    Json one = entry(token.id, token.logprob);
    one["top_logprobs"] = Json::array();
    for (const TokenLogprob& top : token.top) {
      one["top_logprobs"].push_back(entry(top.id, top.logprob));
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace aha
