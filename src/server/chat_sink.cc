#include "server/chat_sink.h"

#include <algorithm>

#include "server/random_id.h"
#include "server/receipt.h"

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

ApiError NotFiniteError() {
  return {.status = 500,
          .message =
              "the model's logits are not finite: its weights hold NaN or infinity, or logit_bias "
              "drove them there",
          .type = "internal_error",
          .code = "model_error"};
}

Json ToolCall::ToJson() const {
  return {
      {"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
}

ChatSink::ChatSink(const PreparedChat& prepared)
    : model_(prepared.generation.model),
      results_(static_cast<size_t>(prepared.generation.n)),
      prompt_tokens_(static_cast<int64_t>(prepared.generation.prompt.size())),
      receipt_(prepared.receipt),
      unfinished_(prepared.generation.n) {
  if (!prepared.tools) return;
  parallel_calls_ = prepared.tools->parallel;
  for (size_t i = 0; i < results_.size(); ++i) {
    parsers_.emplace_back(
        prepared.tools->format,
        ToolCallOptions{.names = prepared.tools->names,
                        .id_prefix = RandomId("call_") + "_",
                        .stream_arguments = prepared.generation.grammar != nullptr});
  }
}

// Takes the calls out of the event's answer and tells what is left, and them.
void ChatSink::AddText(GenerationEvent& event, ToolDelta delta) {
  SampleResult& sample = results_[static_cast<size_t>(event.sample)];
  event.answer = std::move(delta.content);
  if (!parallel_calls_) {
    std::erase_if(delta.calls, [](const ToolCallDelta& call) { return call.index > 0; });
    // What a model says between its calls and behind them is of no use then.
    if (!sample.calls.empty()) event.answer.clear();
  }
  for (const ToolCallDelta& call : delta.calls) {
    sample.calls.resize(std::max(sample.calls.size(), static_cast<size_t>(call.index) + 1));
    ToolCall& whole = sample.calls[static_cast<size_t>(call.index)];
    whole.id += call.id;
    whole.name += call.name;
    whole.arguments += call.arguments;
  }
  sample.answer += event.answer;
  OnText(event, delta.calls);
}

void ChatSink::OnEvents(std::vector<GenerationEvent> events) {
  for (GenerationEvent& event : events) {
    const auto index = static_cast<size_t>(event.sample);
    SampleResult& sample = results_[index];
    switch (event.kind) {
      case GenerationEvent::Kind::kStart:
        cached_tokens_ = event.cached_tokens;
        break;
      case GenerationEvent::Kind::kPromptLogprob:
        break;
      case GenerationEvent::Kind::kText:
        sample.thought += event.thought;
        for (const GeneratedToken& token : event.tokens) {
          sample.thought_tokens += token.thought ? 1 : 0;
          sample.tokens.push_back(token);
        }
        AddText(event, parsers_.empty() ? ToolDelta{event.answer, {}}
                                        : parsers_[index].Push(event.answer));
        break;
      case GenerationEvent::Kind::kFinish:
        if (!parsers_.empty()) {
          GenerationEvent rest{.sample = event.sample};
          AddText(rest, parsers_[index].Finish());
        }
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

Json ChatSink::Receipt() const {
  return receipt_.is_null() ? Json(nullptr) : WithSamples(receipt_, results_);
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
