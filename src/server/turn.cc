#include "server/turn.h"

#include <algorithm>
#include <chrono>

namespace aha {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What a reader is told of a thought that did not end by itself; "" if it did.
std::string NoticeOf(const SampleResult& sample) {
  switch (sample.thought_end) {
    case ThoughtEnd::kLoop:
      return "The thought went round in circles and was ended.";
    case ThoughtEnd::kBudget:
      return "The thought reached its budget and was ended.";
    default:
      break;
  }
  if (sample.reason == FinishReason::kLength && sample.answer.empty()) {
    return "The answer reached its longest length while it was still thinking.";
  }
  if (sample.reason == FinishReason::kLength) return "The answer reached its longest length.";
  return {};
}

}  // namespace

Turn::Turn(TurnSpec spec, const PreparedChat& prepared, std::unique_ptr<TurnRecorder> recorder,
           std::function<void(Turn&)> ended)
    : ChatSink(prepared),
      spec_(std::move(spec)),
      recorder_(std::move(recorder)),
      when_ended_(std::move(ended)),
      counts_(static_cast<size_t>(prepared.generation.n)),
      began_s_(Now()) {
  if (spec_.thought.empty() && spec_.answer.empty()) return;
  if (recorder_) recorder_->Append(spec_.thought, spec_.answer);
  for (size_t i = 0; i < counts_.size(); ++i) {
    Emit({{"type", "delta"},
          {"sample", i},
          {"thought", spec_.thought},
          {"answer", spec_.answer},
          {"thought_tokens", 0},
          {"tokens", 0}});
  }
}

void Turn::Emit(Json event) {
  events_.push_back(fmt::format("id: {}\ndata: {}\n\n", events_.size(), DumpJson(event)));
  if (!recorder_) return Tell(events_.size());
  recorder_->WhenKept([this, alive = std::weak_ptr(alive_), count = events_.size()] {
    if (!alive.expired()) Tell(count);
  });
}

void Turn::Tell(size_t count) {
  std::string text;
  for (; told_ < count; ++told_) text += events_[told_];
  for (const auto& reader : readers_) reader->Write(text);
  if (!ended_ || told_ < events_.size()) return;
  for (const auto& reader : std::exchange(readers_, {})) reader->End();
}

void Turn::Subscribe(int64_t from, std::shared_ptr<Exchange> exchange) {
  exchange->Begin(
      {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-store"}}});
  std::string text;
  for (size_t i = static_cast<size_t>(std::max<int64_t>(from, 0)); i < told_; ++i) {
    text += events_[i];
  }
  exchange->Write(std::move(text));
  if (ended_ && told_ == events_.size()) return exchange->End();
  exchange->OnGone([this, raw = exchange.get()] {
    std::erase_if(readers_, [raw](const auto& reader) { return reader.get() == raw; });
  });
  readers_.push_back(std::move(exchange));
}

void Turn::OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>&) {
  if (!started_) {
    started_ = true;
    first_token_s_ = Now();
    const Usage u = usage();
    Emit({{"type", "start"},
          {"prompt_tokens", u.prompt_tokens},
          {"cached_tokens", u.cached_tokens}});
  }
  auto& [thought_tokens, tokens] = counts_[static_cast<size_t>(event.sample)];
  for (const GeneratedToken& token : event.tokens) thought_tokens += token.thought ? 1 : 0;
  tokens += static_cast<int64_t>(event.tokens.size());
  if (event.sample == 0 && thought_end_s_ == 0 && !event.in_thought) thought_end_s_ = Now();
  if (recorder_ && event.sample == 0 && !(event.thought.empty() && event.answer.empty())) {
    recorder_->Append(event.thought, event.answer);
  }
  Json out = {{"type", "delta"}, {"sample", event.sample}};
  if (!event.thought.empty()) out["thought"] = event.thought;
  if (!event.answer.empty()) out["answer"] = event.answer;
  out["thought_tokens"] = thought_tokens;
  out["tokens"] = tokens;
  Emit(std::move(out));
}

VoteResult Turn::Vote() const {
  std::vector<VoteSample> samples;
  for (const SampleResult& r : results()) {
    samples.push_back({.thought = spec_.thought + r.thought,
                       .content = spec_.answer + r.answer,
                       .finish_reason = FinishName(r.reason, false),
                       .tokens = static_cast<int64_t>(r.tokens.size())});
  }
  return TallyVotes(samples, spec_.verify_math);
}

Json Turn::FinishedMessage() {
  size_t chosen = 0;
  Json vote = nullptr;
  if (spec_.vote) {
    const VoteResult result = Vote();
    chosen = result.chosen();
    vote = result.ToJson();
  }
  const SampleResult& result = results()[chosen];
  const Usage u = usage();
  const double total = ended_s_ - began_s_;
  const double decoding = ended_s_ - first_token_s_;
  Json message = spec_.message;
  answer_ = spec_.answer + result.answer;
  message["content"] = answer_;
  const std::string thought = spec_.thought + result.thought;
  message["reasoning_content"] = thought.empty() ? Json(nullptr) : Json(thought);
  message["status"] = result.reason == FinishReason::kError       ? "failed"
                      : result.reason == FinishReason::kCancelled ? "stopped"
                                                                  : "done";
  message["finish_reason"] =
      result.reason == FinishReason::kCancelled ? "stopped" : FinishName(result.reason, false);
  const std::string notice = NoticeOf(result);
  message["notice"] = notice.empty() ? Json(nullptr) : Json(notice);
  message["usage"] = {{"prompt_tokens", u.prompt_tokens},
                      {"cached_tokens", u.cached_tokens},
                      {"completion_tokens", u.completion_tokens},
                      {"reasoning_tokens", u.reasoning_tokens}};
  message["timings"] = {
      {"first_token_s", first_token_s_ > 0 ? first_token_s_ - began_s_ : total},
      {"thought_s", thought_end_s_ > 0 ? thought_end_s_ - began_s_ : total},
      {"total_s", total},
      {"tokens_per_second",
       decoding > 0 ? Json(static_cast<double>(u.completion_tokens) / decoding) : Json(nullptr)}};
  message["turn"] = nullptr;
  message["vote"] = std::move(vote);
  return message;
}

void Turn::Refused() {
  Json message = spec_.message;
  message["status"] = "failed";
  message["notice"] = "Too many answers were being made; ask again.";
  if (recorder_) recorder_->Finish(message);
}

void Turn::OnEnd() {
  ended_s_ = Now();
  const Json message = FinishedMessage();
  if (recorder_) recorder_->Finish(message);
  if (spec_.vote) {
    Json vote = message["vote"];
    vote["type"] = "vote";
    Emit(std::move(vote));
  }
  if (message["status"] == "failed") {
    Emit({{"type", "error"},
          {"error",
           {{"message", "the model's logits are not finite: its weights hold NaN or infinity"},
            {"type", "internal_error"},
            {"code", "model_error"}}}});
  } else {
    Emit({{"type", "done"}, {"message", message}});
  }
  ended_ = true;
  Tell(told_);  // where all is told already, that was all
  when_ended_(*this);
}

}  // namespace aha
