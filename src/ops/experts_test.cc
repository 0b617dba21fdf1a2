#include "ops/experts.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_test_context.h"

namespace aha::ops {
namespace {

constexpr int64_t kHidden = 24, kIntermediate = 20, kExperts = 5;

struct Fixture : TestContext {
  std::vector<ExpertWeights> experts;
  Fixture() {
    for (uint64_t e = 0; e < kExperts; ++e) {
      experts.push_back({AsWeight(Random({kIntermediate, kHidden}, 10 + e)),
                         AsWeight(Random({kIntermediate, kHidden}, 20 + e)),
                         AsWeight(Random({kHidden, kIntermediate}, 30 + e))});
    }
  }
};

double At(const ConstView& w, int64_t r, int64_t c) {
  return reinterpret_cast<const float*>(w.row(r))[c];
}

double Plain(const ExpertWeights& w, const float* x, int64_t out) {
  double y = 0;
  for (int64_t i = 0; i < kIntermediate; ++i) {
    double gate = 0, up = 0;
    for (int64_t c = 0; c < kHidden; ++c) {
      gate += At(w.gate_proj, i, c) * x[c];
      up += At(w.up_proj, i, c) * x[c];
    }
    y += At(w.down_proj, out, i) * gate / (1 + std::exp(-gate)) * up;
  }
  return y;
}

TEST(Experts, IsTheWeightedSum) {
  Fixture f;
  const Tensor x = f.Random({3, kHidden}, 1);
  const std::vector<int32_t> chosen = {0, 4, 1, 4, 0, 1};  // expert 2 and 3 get nothing
  std::vector<float> weights = {0.5f, 1.5f, 0.25f, 2, 1, 0.125f};
  const Tensor y = Experts(f.cx, x, {3, 2, chosen.data(), weights.data()}, f.experts);
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t c = 0; c < kHidden; ++c) {
      double want = 0;
      for (int64_t j = 0; j < 2; ++j) {
        const auto i = static_cast<size_t>(2 * t + j);
        want += weights[i] * Plain(f.experts[static_cast<size_t>(chosen[i])], x.row(t), c);
      }
      // 44 roundings of sums of about 10: 44 * 2^-24 * 10 with room for the chain.
      EXPECT_NEAR(y.row(t)[c], want, 1e-4) << t << ", " << c;
    }
  }
}

TEST(Experts, BitsOfATokenDoNotDependOnTheBatch) {
  Fixture f;
  const Tensor x = f.Random({17, kHidden}, 2);
  const Tensor logits = f.Random({17, kExperts}, 3);
  const RouterOptions options = {.top_k = 3, .normalize = true};
  const Tensor all = Experts(f.cx, x, Route(f.cx, logits, {}, options), f.experts);
  for (int64_t t = 0; t < 17; ++t) {
    const Tensor one = Experts(f.cx, {x.row(t), {1, kHidden}},
                               Route(f.cx, {logits.row(t), {1, kExperts}}, {}, options), f.experts);
    EXPECT_EQ(Values(one), Values({all.row(t), {1, kHidden}})) << t;
  }
}

}  // namespace
}  // namespace aha::ops
