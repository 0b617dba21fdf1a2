// No token costs a heap allocation: operator new is counted while an engine decodes.
#include "base/test_allocations.h"
#ifndef AHA_NO_ALLOCATION_TEST

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/fake_model.h"
#include "engine/recorder.h"

namespace aha {
namespace {

class Counter : public RequestListener {
 public:
  int64_t tokens = 0;
  float sum = 0;
  bool OnToken(const TokenEvent& e) override {
    ++tokens;
    for (const TokenLogprob& t : e.top) sum += t.logprob;
    return true;
  }
  void OnFinish(RequestId, int32_t, FinishReason) override {}
};

class EveryThird : public TokenConstraint {
 public:
  explicit EveryThird(int64_t vocab) : bits_(static_cast<size_t>((vocab + 63) / 64)) {
    for (int64_t id = 0; id < vocab; id += 3) {
      bits_[static_cast<size_t>(id / 64)] |= uint64_t{1} << (id % 64);
    }
  }
  std::span<const uint64_t> Allowed(int32_t) override { return bits_; }

 private:
  std::vector<uint64_t> bits_;
};

TEST(Allocation, NoneATokenInSteadyState) {
  FakeModel model(1000, 2048);
  model.check_slots = false;
  TestEngine engine(&model, {.page_tokens = 16, .cache_tokens = 40000}, 2);
  Counter heard;
  EveryThird constraint(1000);
  for (int i = 0; i < 16; ++i) {
    Request r;
    r.prompt = {1, 2, 3, 20 + i};
    r.max_tokens = 400;
    r.sampling.logit_bias = {{FakeModel::kPoison, -100.0f}};
    r.top_logprobs = i % 4;
    r.owner = static_cast<uint64_t>(i % 3);
    if (i % 4 == 2) r.constraint = &constraint;
    if (i % 5 == 0) r.sampling.temperature = 0;
    if (i % 5 == 1) r.sampling.top_p = 0.9f;
    if (i % 5 == 2) r.sampling.top_k = 40;
    if (i % 5 == 3) r.sampling.min_p = 0.05f;
    if (i % 2 == 1) r.sampling.repetition_penalty = 1.1f;
    engine.Submit(r, &heard);
  }
  for (int i = 0; i < 40; ++i) engine->Step();
  const int64_t before = heard.tokens;
  const int64_t allocations = test_allocations;
  for (int i = 0; i < 200; ++i) engine->Step();
  EXPECT_EQ(test_allocations, allocations);
  EXPECT_EQ(heard.tokens - before, 16 * 200);
  // The counter counts.
  const auto p = std::make_unique<std::vector<int>>(10);
  EXPECT_GT(test_allocations, allocations);
}

}  // namespace
}  // namespace aha

#endif  // AHA_NO_ALLOCATION_TEST
