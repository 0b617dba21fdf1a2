#include "cli/generation.h"

#include <chrono>

#include "cli/terminal.h"

namespace aha::cli {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One sample in the making.
struct Sample {
  Answer answer;
  CompletionText text;
  int64_t thought_tokens = 0;
  bool closing = false;  // the end of the thought has been forced
};

class Collector : public RequestListener {
 public:
  Collector(Session& session, const SamplingFlags& flags, const GenerationRequest& request)
      : session_(session), flags_(flags), request_(request) {
    const Tokenizer& tokenizer = session.text->tokenizer;
    for (int32_t i = 0; i < request.n; ++i) {
      samples_.push_back({{},
                          CompletionText(tokenizer, {.stop = flags.stop,
                                                     .opened = request.opened,
                                                     .split_thought = request.split_thought}),
                          0,
                          false});
    }
    if (flags.think_budget >= 0) {
      Result<std::vector<int32_t>> close =
          tokenizer.Encode(ThoughtTags().close + "\n\n", {.allow_special = true});
      if (close.ok()) close_ids_ = std::move(*close);
    }
  }

  bool OnToken(const TokenEvent& event) override {
    if (first_token_ == 0) first_token_ = Seconds();
    Sample& sample = samples_[static_cast<size_t>(event.sample)];
    sample.answer.ids.push_back(event.id);
    sample.answer.logprobs.push_back(event.logprob);
    const CompletionDelta delta = sample.text.Push(event.id);
    Append(&sample, delta);
    if (sample.text.in_thought()) ++sample.thought_tokens;
    if (flags_.think_budget >= 0 && sample.text.in_thought() && !sample.closing &&
        sample.thought_tokens >= flags_.think_budget) {
      sample.closing = true;
      session_.engine->Force(event.request, event.sample, close_ids_);
    }
    if (event.sample == 0 && !Tell(delta)) return false;
    return !delta.stopped;
  }

  void OnFinish(RequestId, int32_t index, FinishReason reason) override {
    Sample& sample = samples_[static_cast<size_t>(index)];
    sample.answer.finish = reason;
    const CompletionDelta delta = sample.text.Finish();
    Append(&sample, delta);
    if (index == 0) Tell(delta);
  }

  std::vector<Answer> Take() {
    std::vector<Answer> out;
    for (Sample& s : samples_) out.push_back(std::move(s.answer));
    return out;
  }
  double first_token() const { return first_token_; }
  bool reader_gone() const { return reader_gone_; }

 private:
  static void Append(Sample* sample, const CompletionDelta& delta) {
    sample->answer.thought += delta.thought;
    sample->answer.text += delta.answer;
  }
  bool Tell(const CompletionDelta& delta) {
    if (!request_.on_text || reader_gone_) return !reader_gone_;
    reader_gone_ = !request_.on_text(delta);
    return !reader_gone_;
  }

  Session& session_;
  const SamplingFlags& flags_;
  const GenerationRequest& request_;
  std::vector<Sample> samples_;
  std::vector<int32_t> close_ids_;
  double first_token_ = 0;
  bool reader_gone_ = false;
};

}  // namespace

void SamplingFlags::AddTo(CLI::App& app) {
  app.add_option("--temperature", temperature, "0 is greedy")->check(CLI::Range(0.0, 100.0));
  app.add_option("--top-p", top_p, "keep the smallest set with this probability")
      ->check(CLI::Range(1e-6, 1.0));
  app.add_option("--top-k", top_k, "keep the k most likely tokens; 0: all")
      ->check(CLI::Range(0, 1 << 30));
  app.add_option("--min-p", min_p, "keep tokens with this share of the best one's probability")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--repetition-penalty", repetition_penalty, "over prompt and answer; 1: none")
      ->check(CLI::Range(1e-3, 1e3));
  app.add_option("--presence-penalty", presence_penalty, "for tokens already in the answer")
      ->check(CLI::Range(-100.0, 100.0));
  app.add_option("--frequency-penalty", frequency_penalty, "for each time in the answer")
      ->check(CLI::Range(-100.0, 100.0));
  app.add_option("--seed", seed, "the same seed gives the same answer");
  app.add_option("--max-tokens", max_tokens, "longest answer, thought included")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--think-budget", think_budget, "end the thought after this many tokens")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  app.add_option("--stop", stop, "end before this text; may be given several times")
      ->allow_extra_args(false);  // else "[END]" is taken apart, and a question after it is a stop
  app.add_flag("--ignore-eos", ignore_eos, "go on past end tokens");
}

SamplingParams SamplingFlags::Resolve(const GenerationDefaults& d) const {
  SamplingParams p;
  p.temperature = temperature.value_or(d.temperature.value_or(0.6f));
  p.top_p = top_p.value_or(d.top_p.value_or(0.95f));
  p.top_k = top_k.value_or(d.top_k.value_or(0));
  p.min_p = min_p.value_or(d.min_p.value_or(0.0f));
  p.repetition_penalty = repetition_penalty.value_or(d.repetition_penalty.value_or(1.0f));
  p.presence_penalty = presence_penalty.value_or(0.0f);
  p.frequency_penalty = frequency_penalty.value_or(0.0f);
  p.seed = seed;
  return p;
}

Result<std::vector<Answer>> Generate(Session& session, const SamplingFlags& flags,
                                     const GenerationRequest& request, Timings* timings) {
  const InterruptGuard interrupt;
  Collector collector(session, flags, request);
  Request r;
  r.prompt = request.prompt;
  r.sampling = flags.Resolve(session.text->defaults);
  r.n = request.n;
  r.max_tokens = flags.max_tokens;
  if (!flags.ignore_eos) r.stop_ids = session.text->stop_ids;
  const double start = Seconds();
  AHA_ASSIGN_OR_RETURN(const RequestId id, session.engine->Submit(std::move(r), &collector));
  while (session.engine->Step()) {
    if (interrupt.interrupted() || collector.reader_gone()) session.engine->Cancel(id);
  }
  timings->total_s = Seconds() - start;
  timings->first_token_s = collector.first_token() == 0 ? 0 : collector.first_token() - start;
  std::vector<Answer> answers = collector.Take();
  for (const Answer& answer : answers) {
    if (answer.finish == FinishReason::kError) {
      return InvalidArgument("the model's logits are not finite: its weights hold NaN or infinity");
    }
  }
  return answers;
}

Result<ChatPrompt> RenderChat(const TextModel& text, const Json& messages) {
  if (!text.chat) {
    return InvalidArgument("model '{}' has no chat template; ask it with --raw", text.name);
  }
  AHA_ASSIGN_OR_RETURN(const Prompt prompt, text.chat->Render(messages, {}));
  ChatPrompt out;
  AHA_ASSIGN_OR_RETURN(out.ids, EncodePrompt(text.tokenizer, prompt));
  out.opened = OpenedByTemplate(prompt, {});
  return out;
}

const char* NameOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    default:
      return "error";
  }
}

}  // namespace aha::cli
