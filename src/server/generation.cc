#include "server/generation.h"

#include <algorithm>

namespace aha {

Generation::Generation(uint64_t id, GenerationSpec spec, std::shared_ptr<GenerationSink> sink)
    : id_(id), spec_(std::move(spec)), sink_(std::move(sink)), unfinished_(spec_.n) {
  for (int32_t i = 0; i < spec_.n; ++i) {
    samples_.emplace_back(
        CompletionText(spec_.model->text->tokenizer, {.stop = spec_.stop,
                                                      .opened = spec_.opened,
                                                      .midway = spec_.midway,
                                                      .split_thought = spec_.split_thought,
                                                      .skip_special = spec_.skip_special,
                                                      .visible = spec_.visible}));
  }
  if (spec_.grammar) {
    constraint_ = std::make_unique<AnswerConstraint>(
        spec_.grammar, spec_.n, spec_.model->text->model->info().vocab,
        spec_.split_thought && spec_.opened, spec_.opens_thought);
  }
}

Request Generation::MakeRequest() const {
  Request r;
  r.prompt = spec_.prompt;
  r.sampling = spec_.sampling;
  r.n = spec_.n;
  r.max_tokens = spec_.max_tokens;
  r.stop_ids = spec_.stop_ids;
  r.top_logprobs = spec_.top_logprobs;
  r.prompt_logprobs = spec_.prompt_logprobs;
  r.constraint = constraint_.get();
  r.owner = spec_.owner;
  r.cache_salt = spec_.cache_salt;
  return r;
}

// The one event of this step that holds the sample's new text.
GenerationEvent& Generation::TextEvent(int32_t sample) {
  for (GenerationEvent& event : events_) {
    if (event.kind == GenerationEvent::Kind::kText && event.sample == sample) return event;
  }
  events_.push_back({.kind = GenerationEvent::Kind::kText, .sample = sample});
  return events_.back();
}

void Generation::OnStart(RequestId, int64_t cached_tokens) {
  events_.push_back({.kind = GenerationEvent::Kind::kStart, .cached_tokens = cached_tokens});
}

bool Generation::OnToken(const TokenEvent& token) {
  Sample& sample = samples_[static_cast<size_t>(token.sample)];
  const bool before = sample.text.in_thought();
  CompletionDelta delta = sample.text.Push(token.id);
  const bool after = sample.text.in_thought();
  if (constraint_) constraint_->Pushed(token.sample, token.id, before, after, delta.answer);
  ++output_tokens_;
  GenerationEvent& event = TextEvent(token.sample);
  event.thought += delta.thought;
  event.answer += delta.answer;
  event.in_thought = after;
  event.tokens.push_back({token.id,
                          token.logprob,
                          before || after,
                          token.forced,
                          {token.top.begin(), token.top.end()}});
  if (after) {
    ++sample.thought_tokens;
    if (spec_.think_budget >= 0 && sample.thought_tokens >= spec_.think_budget) {
      CloseThought(token.sample, ThoughtEnd::kBudget);
    }
    if (AskedToEndAt(token.sample, token.index + 1)) CloseThought(token.sample, ThoughtEnd::kAsked);
    if (spec_.watch_loops && sample.loop.Push(token.id)) {
      CloseThought(token.sample, ThoughtEnd::kLoop);
    }
  }
  return !delta.stopped;
}

void Generation::OnPromptLogprob(RequestId, int64_t position, float logprob,
                                 std::span<const TokenLogprob> top) {
  events_.push_back({.kind = GenerationEvent::Kind::kPromptLogprob,
                     .position = position,
                     .tokens = {{.logprob = logprob, .top = {top.begin(), top.end()}}}});
}

void Generation::OnFinish(RequestId, int32_t index, FinishReason reason) {
  Sample& sample = samples_[static_cast<size_t>(index)];
  CompletionDelta delta = sample.text.Finish();
  if (!delta.thought.empty() || !delta.answer.empty()) {
    GenerationEvent& event = TextEvent(index);
    event.thought += delta.thought;
    event.answer += delta.answer;
  }
  events_.push_back({.kind = GenerationEvent::Kind::kFinish,
                     .sample = index,
                     .reason = reason,
                     .thought_end = sample.thought_end,
                     .stop_string = sample.text.matched_stop()});
  --unfinished_;
  finish_reason_ = reason;
}

void Generation::Submitted(RequestId id) {
  request_ = id;
  for (int32_t i = 0; i < spec_.n; ++i) {
    if (AskedToEndAt(i, 0)) CloseThought(i, ThoughtEnd::kAsked);
  }
}

bool Generation::AskedToEndAt(int32_t sample, int64_t tokens) const {
  const auto i = static_cast<size_t>(sample);
  return i < spec_.end_thought_at.size() && spec_.end_thought_at[i] == tokens;
}

void Generation::Fail() {
  for (int32_t i = 0; i < spec_.n; ++i) OnFinish(0, i, FinishReason::kError);
}

void Generation::CloseThought(int32_t index, ThoughtEnd why) {
  Sample& sample = samples_[static_cast<size_t>(index)];
  if (sample.closing) return;
  sample.closing = true;
  sample.thought_end = why;
  spec_.model->engine->Force(request_, index, spec_.model->close_thought);
}

void Generation::EndThought(ThoughtEnd why) {
  for (int32_t i = 0; i < spec_.n; ++i) {
    if (samples_[static_cast<size_t>(i)].text.in_thought()) CloseThought(i, why);
  }
}

}  // namespace aha
