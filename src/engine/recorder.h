// What the engine's tests hear of a request, and an engine with everything under it.
#ifndef AHA_ENGINE_RECORDER_H_
#define AHA_ENGINE_RECORDER_H_

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace aha {

struct HeardToken {
  int32_t id = 0;
  float logprob = 0;
  bool forced = false;
  std::vector<std::pair<int32_t, float>> top;
  bool operator==(const HeardToken&) const = default;
};

struct HeardSample {
  std::vector<HeardToken> tokens;
  FinishReason reason = FinishReason::kNone;
  bool operator==(const HeardSample&) const = default;

  std::vector<int32_t> ids() const {
    std::vector<int32_t> out;
    for (const HeardToken& t : tokens) out.push_back(t.id);
    return out;
  }
};

// Records one request; CHECKs the listener's contract.
class Recorder : public RequestListener {
 public:
  std::map<int32_t, HeardSample> samples;
  std::vector<HeardToken> prompt;  // positions 1..size
  int finished = 0;
  int64_t cached_tokens = -1;  // as OnStart says
  // Called before a token is recorded; its result is OnToken's.
  std::function<bool(const TokenEvent&)> on_token;
  std::function<void()> on_start;
  std::function<void(int64_t position)> on_prompt;
  std::function<void(int32_t sample)> on_finish;

  bool operator==(const Recorder& other) const {
    return samples == other.samples && prompt == other.prompt;
  }

  void OnStart(RequestId, int64_t cached) override {
    CHECK(cached_tokens < 0 && cached >= 0 && samples.empty() && prompt.empty(), "a late start");
    cached_tokens = cached;
    if (on_start != nullptr) on_start();
  }
  bool OnToken(const TokenEvent& e) override {
    CHECK(cached_tokens >= 0, "a token before the start");
    HeardSample& s = samples[e.sample];
    CHECK(s.reason == FinishReason::kNone, "a token after the end");
    CHECK(e.index == static_cast<int64_t>(s.tokens.size()), "a token out of order");
    s.tokens.push_back({e.id, e.logprob, e.forced, Top(e.top)});
    return on_token == nullptr || on_token(e);
  }
  void OnPromptLogprob(RequestId, int64_t position, float logprob,
                       std::span<const TokenLogprob> top) override {
    CHECK(cached_tokens >= 0, "a prompt token before the start");
    CHECK(samples.empty(), "a prompt token after an output token");
    CHECK(position == static_cast<int64_t>(prompt.size()) + 1, "a prompt token out of order");
    prompt.push_back({0, logprob, false, Top(top)});
    if (on_prompt != nullptr) on_prompt(position);
  }
  void OnFinish(RequestId, int32_t sample, FinishReason reason) override {
    HeardSample& s = samples[sample];
    CHECK(s.reason == FinishReason::kNone && reason != FinishReason::kNone, "two ends");
    s.reason = reason;
    ++finished;
    if (on_finish != nullptr) on_finish(sample);
  }

 private:
  static std::vector<std::pair<int32_t, float>> Top(std::span<const TokenLogprob> top) {
    std::vector<std::pair<int32_t, float>> out;
    for (const TokenLogprob& t : top) out.emplace_back(t.id, t.logprob);
    return out;
  }
};

// An engine over `model` on one backend.
struct TestEngine {
  ThreadPool pool;
  ops::Context cx;
  std::unique_ptr<Engine> engine;

  TestEngine(Model* model, const EngineOptions& options, int threads = 1,
             const kernels::Backend* backend = &kernels::RefBackend(),
             ops::Numerics numerics = ops::Numerics::kPortable)
      : pool(threads), cx(backend, &pool, numerics) {
    Result<std::unique_ptr<Engine>> made = Engine::Create(model, &cx, options);
    CHECK(made.ok(), made.status().message());
    engine = std::move(made).value();
  }
  Engine* operator->() { return engine.get(); }

  RequestId Submit(const Request& request, RequestListener* recorder) {
    Result<RequestId> id = engine->Submit(request, recorder);
    CHECK(id.ok(), id.status().message());
    return *id;
  }
  void Run() {
    while (engine->Step()) {
    }
  }
};

}  // namespace aha

#endif  // AHA_ENGINE_RECORDER_H_
