#include "train/policy_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace aha {
namespace {

TEST(Advantages, AreThoseOfThePapers) {
  const std::vector<double> rewards = {1, 0, 0, 1, 0};
  const double std = std::sqrt(1.2 / 4);
  const auto group = Advantages(rewards, AdvantageKind::kGroup);
  const auto with_std = Advantages(rewards, AdvantageKind::kGroupStd);
  const auto rloo = Advantages(rewards, AdvantageKind::kRloo);
  EXPECT_NEAR(group[0], 0.6, 1e-12);
  EXPECT_NEAR(with_std[1], -0.4 / (std + 1e-4), 1e-12);
  EXPECT_NEAR(rloo[0], 1 - 1.0 / 4, 1e-12);  // mean of the four others
  EXPECT_NEAR(rloo[1], 0 - 2.0 / 4, 1e-12);
  for (const double a : Advantages(std::vector<double>(4, 0.3), AdvantageKind::kGroupStd)) {
    EXPECT_EQ(a, 0);
  }
}

struct Case {
  PolicyLossOptions options;
  double advantage;
};

class Gradient : public testing::TestWithParam<Case> {};

// The loss of one sample against the gradient that it reports.
TEST_P(Gradient, IsTheSlope) {
  const PolicyLossOptions& o = GetParam().options;
  const std::vector<float> old = {-1.0f, -0.5f, -2.0f};
  const std::vector<float> ref = {-1.2f, -0.4f, -1.5f};
  const std::vector<float> entropy = {1, 2, 3};
  std::vector<float> logprobs = {-0.95f, -0.9f, -1.2f};
  const LossScale scale{.samples = 4, .tokens = 10, .max_completion = 8};
  const auto loss = [&](std::vector<float>* gradient) {
    std::vector<float> d(3), dentropy(3);
    PolicyStats stats;
    PolicyGradient(o, scale,
                   {.advantage = GetParam().advantage,
                    .logprobs = logprobs,
                    .old_logprobs = old,
                    .ref_logprobs = ref,
                    .entropy = entropy},
                   d, dentropy, &stats);
    if (gradient != nullptr) *gradient = d;
    return stats.loss;
  };
  std::vector<float> gradient;
  loss(&gradient);
  if (o.objective == Objective::kCispo) return;  // its weight is a constant: no slope to compare
  for (size_t t = 0; t < 3; ++t) {
    const float at = logprobs[t];
    logprobs[t] = at + 1e-3f;
    const double high = logprobs[t];
    const double up = loss(nullptr);
    logprobs[t] = at - 1e-3f;
    const double slope = (up - loss(nullptr)) / (high - double{logprobs[t]});
    logprobs[t] = at;
    EXPECT_NEAR(gradient[t], slope, 1e-5) << t;
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Aggregation a :
       {Aggregation::kGrpo, Aggregation::kDrGrpo, Aggregation::kDapo, Aggregation::kBnpo}) {
    for (const RatioLevel r : {RatioLevel::kToken, RatioLevel::kSequence, RatioLevel::kGspo}) {
      for (const double advantage : {1.5, -0.7}) {
        cases.push_back(
            {{.aggregation = a, .ratio = r, .clip_high = 10, .beta = 0.1, .entropy_bonus = 0.01},
             advantage});
        cases.push_back({{.aggregation = a, .ratio = r}, advantage});
      }
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, Gradient, testing::ValuesIn(Cases()));

TEST(PolicyGradient, ClipsOnlyOutwards) {
  const PolicyLossOptions o{.clip_low = 0.2, .clip_high = 0.2};
  const LossScale scale{.samples = 1, .tokens = 1, .max_completion = 1};
  const auto gradient = [&](double log_ratio, double advantage) {
    const std::vector<float> old = {-1};
    const std::vector<float> now = {static_cast<float>(-1 + log_ratio)};
    std::vector<float> d(1);
    PolicyStats stats;
    PolicyGradient(o, scale, {.advantage = advantage, .logprobs = now, .old_logprobs = old}, d, {},
                   &stats);
    return d[0];
  };
  EXPECT_EQ(gradient(0.5, 1), 0);    // already more likely than the bound
  EXPECT_NE(gradient(0.5, -1), 0);   // may come back
  EXPECT_EQ(gradient(-0.5, -1), 0);  // already less likely
  EXPECT_NE(gradient(-0.5, 1), 0);
  EXPECT_FLOAT_EQ(gradient(0, 2), -2);  // a fresh sample: the ratio is 1
}

TEST(PolicyGradient, AggregatesAsNamed) {
  const std::vector<float> lp = {-1, -1, -1, -1};
  const auto weight = [&](Aggregation a) {
    std::vector<float> d(4);
    PolicyStats stats;
    PolicyGradient({.aggregation = a}, {.samples = 2, .tokens = 20, .max_completion = 50},
                   {.advantage = 1, .logprobs = lp, .old_logprobs = lp}, d, {}, &stats);
    return -d[0];
  };
  EXPECT_FLOAT_EQ(weight(Aggregation::kGrpo), 1.0f / (2 * 4));
  EXPECT_FLOAT_EQ(weight(Aggregation::kDrGrpo), 1.0f / (2 * 50));
  EXPECT_FLOAT_EQ(weight(Aggregation::kDapo), 1.0f / 20);
}

}  // namespace
}  // namespace aha
