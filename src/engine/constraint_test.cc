// Requests under a TokenConstraint, salted prefixes, and what OnStart says, through an engine.
#include <gtest/gtest.h>

#include <atomic>

#include "engine/engine.h"
#include "engine/fake_model.h"
#include "engine/recorder.h"

namespace aha {
namespace {

constexpr int64_t kVocab = 97;

// Sample s may go on with ids whose remainder by 5 is (s + tokens so far) % 5: another mask for
// each token, so one asked for too early, too late or for the wrong sample shows.
class Walking : public TokenConstraint {
 public:
  explicit Walking(int32_t samples) : samples_(static_cast<size_t>(samples)) {}

  std::span<const uint64_t> Allowed(int32_t sample) override {
    Sample& s = samples_[static_cast<size_t>(sample)];
    CHECK(!s.asked, "asked twice for one token");
    s.asked = true;
    ++asked;
    s.words.assign(2, 0);
    for (int32_t id = 0; id < kVocab; ++id) {
      if (Fits(sample, s.tokens, id)) s.words[static_cast<size_t>(id / 64)] |= Bit(id);
    }
    return s.words;
  }
  void Advance(int32_t sample) {
    samples_[static_cast<size_t>(sample)].asked = false;
    ++samples_[static_cast<size_t>(sample)].tokens;
  }
  static bool Fits(int32_t sample, int64_t index, int32_t id) {
    return id != FakeModel::kPoison && id % 5 == (sample + index) % 5;
  }

  std::atomic<int> asked{0};

 private:
  struct Sample {
    bool asked = false;
    int64_t tokens = 0;
    std::vector<uint64_t> words;
  };
  static uint64_t Bit(int32_t id) { return uint64_t{1} << (id % 64); }
  std::vector<Sample> samples_;
};

Request NewRequest(int32_t first, int64_t length, int64_t max_tokens) {
  Request r;
  for (int64_t i = 0; i < length; ++i) {
    r.prompt.push_back(static_cast<int32_t>((first + 3 * i) % 12));
  }
  r.max_tokens = max_tokens;
  r.sampling.logit_bias = {{FakeModel::kPoison, -100.0f}};
  return r;
}

TEST(Constraint, EachTokenIsAllowedAndNeighboursAreUntouched) {
  Request bound = NewRequest(1, 40, 30);
  bound.n = 5;
  Request greedy = bound;
  greedy.sampling.temperature = 0;
  Request unbound = NewRequest(2, 30, 30);
  unbound.top_logprobs = 2;
  FakeModel model;
  std::vector<Recorder> alone(3);
  {
    TestEngine engine(&model, {.page_tokens = 16});
    engine.Submit(unbound, &alone[0]);
    engine.Run();
  }
  for (const int threads : {1, 3}) {
    // The small cache makes samples lose their pages and start over.
    for (const int64_t cache : {160, 4096}) {
      TestEngine engine(&model, {.page_tokens = 16, .cache_tokens = cache}, threads);
      std::vector<Recorder> heard(3);
      Walking walking(5);
      Walking greedily(5);
      for (Recorder& r : heard) {
        r.on_token = [&](const TokenEvent& e) {
          if (&r == &heard[1]) walking.Advance(e.sample);
          if (&r == &heard[2]) greedily.Advance(e.sample);
          return true;
        };
      }
      bound.constraint = &walking;
      greedy.constraint = &greedily;
      engine.Submit(unbound, &heard[0]);
      engine.Submit(bound, &heard[1]);
      engine.Submit(greedy, &heard[2]);
      engine.Run();
      EXPECT_TRUE(heard[0] == alone[0]);
      for (const size_t r : {size_t{1}, size_t{2}}) {
        if (alone[r].samples.empty()) alone[r].samples = heard[r].samples;
        EXPECT_TRUE(heard[r].samples == alone[r].samples);
        for (const auto& [sample, what] : heard[r].samples) {
          ASSERT_EQ(what.tokens.size(), 30u);
          for (size_t i = 0; i < 30; ++i) {
            EXPECT_TRUE(Walking::Fits(sample, static_cast<int64_t>(i), what.tokens[i].id));
          }
        }
      }
      EXPECT_EQ(walking.asked, 5 * 30);
      EXPECT_EQ(engine->stats().preemptions > 0, cache == 160);
    }
  }
}

TEST(Constraint, LogprobsStayTheModels) {
  FakeModel model;
  TestEngine engine(&model, {.page_tokens = 16});
  Walking walking(1);
  Request request = NewRequest(1, 20, 12);
  request.constraint = &walking;
  request.top_logprobs = 3;
  Recorder heard;
  heard.on_token = [&](const TokenEvent& e) {
    walking.Advance(e.sample);
    return true;
  };
  engine.Submit(request, &heard);
  engine.Run();
  std::vector<int32_t> tokens = request.prompt;
  for (const HeardToken& token : heard.samples[0].tokens) {
    const std::vector<float> logits = model.LogitsAfter(tokens);
    double sum = 0;
    for (float x : logits) sum += std::exp(static_cast<double>(x));
    EXPECT_NEAR(token.logprob,
                static_cast<double>(logits[static_cast<size_t>(token.id)]) - std::log(sum), 1e-5);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(token.top[0].first, best);
    tokens.push_back(token.id);
  }
}

TEST(Constraint, ForcedTokensAreNotAskedAbout) {
  FakeModel model;
  TestEngine engine(&model, {.page_tokens = 16});
  Walking walking(1);
  Request request = NewRequest(1, 20, 10);
  request.constraint = &walking;
  Recorder heard;
  heard.on_token = [&](const TokenEvent& e) {
    walking.Advance(e.sample);
    return true;
  };
  const RequestId id = engine.Submit(request, &heard);
  engine->Force(id, 0, std::vector<int32_t>{1, 1, 1});
  engine.Run();
  EXPECT_EQ(walking.asked, 7);
  const std::vector<int32_t> ids = heard.samples[0].ids();
  EXPECT_EQ(ids[2], 1);
  for (size_t i = 3; i < 10; ++i) {
    EXPECT_TRUE(Walking::Fits(0, static_cast<int64_t>(i), ids[i]));
  }
}

TEST(Constraint, NothingAllowedIsAnError) {
  class Nothing : public TokenConstraint {
    std::span<const uint64_t> Allowed(int32_t) override { return words_; }
    std::vector<uint64_t> words_ = {0, 0};
  };
  FakeModel model;
  TestEngine engine(&model, {.page_tokens = 16});
  Nothing nothing;
  Request request = NewRequest(1, 20, 10);
  request.constraint = &nothing;
  Recorder blocked;
  Recorder other;
  engine.Submit(request, &blocked);
  engine.Submit(NewRequest(1, 20, 10), &other);
  engine.Run();
  EXPECT_EQ(blocked.samples[0].reason, FinishReason::kError);
  EXPECT_TRUE(blocked.samples[0].tokens.empty());
  EXPECT_EQ(other.samples[0].tokens.size(), 10u);
}

TEST(CacheSalt, AnotherSaltFindsNothing) {
  FakeModel model;
  TestEngine engine(&model, {.page_tokens = 16});
  const auto cached = [&](uint64_t salt) {
    Request request = NewRequest(1, 100, 3);
    request.n = 3;
    request.cache_salt = salt;
    Recorder heard;
    engine.Submit(request, &heard);
    engine.Run();
    return heard.cached_tokens;
  };
  EXPECT_EQ(cached(0), 0);
  EXPECT_EQ(cached(0), 96);
  EXPECT_EQ(cached(1), 0);
  EXPECT_EQ(cached(2), 0);
  EXPECT_EQ(cached(1), 96);
  EXPECT_EQ(cached(0), 96);
  engine->ClearCache();
  EXPECT_EQ(cached(0), 0);
  EXPECT_EQ(cached(1), 0);
  EXPECT_EQ(cached(1), 96);
}

TEST(OnStart, IsFirstAndOnce) {
  FakeModel model;
  TestEngine engine(&model, {.page_tokens = 16, .cache_tokens = 160, .prefill_chunk = 16});
  // The Recorder checks the order; preempted samples are admitted again and start only once.
  std::vector<Recorder> heard(6);
  for (size_t i = 0; i < heard.size(); ++i) {
    Request request = NewRequest(static_cast<int32_t>(i), 40, 60);
    request.prompt_logprobs = i % 2 == 0;
    engine.Submit(request, &heard[i]);
  }
  Recorder cancelled;
  const RequestId id = engine.Submit(NewRequest(9, 100, 4), &cancelled);
  engine->Cancel(id);
  engine.Run();
  EXPECT_GT(engine->stats().preemptions, 0);
  for (const Recorder& r : heard) EXPECT_GE(r.cached_tokens, 0);
  EXPECT_EQ(cancelled.cached_tokens, -1);
}

TEST(OnStart, MayCancelAndSubmit) {
  FakeModel model;
  TestEngine engine(&model, {.page_tokens = 16});
  Recorder first;
  Recorder second;
  Recorder third;
  RequestId id = 0;
  RequestId other = 0;
  first.on_start = [&] {
    engine->Cancel(id);
    engine->Cancel(other);
    engine.Submit(NewRequest(3, 30, 4), &third);
  };
  id = engine.Submit(NewRequest(1, 20, 10), &first);
  other = engine.Submit(NewRequest(2, 20, 10), &second);
  engine.Run();
  EXPECT_EQ(first.samples[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(second.samples[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(second.cached_tokens, -1);
  EXPECT_EQ(third.samples[0].tokens.size(), 4u);
  EXPECT_EQ(engine->stats().pages_used, 0);
}

}  // namespace
}  // namespace aha
