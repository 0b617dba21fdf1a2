#include "train/plan.h"

#include "train/run_test_fixture.h"

namespace aha {
namespace {

using PlanTest = RunTest;

TEST_F(PlanTest, CountsWhatTheRecipeAsksFor) {
  const auto run = Run::Open(Parity({"rl.max_completion_at=[[2, 40]]"}), Options("run"));
  ASSERT_TRUE(run.ok()) << run.status().message();
  const Result<RunPlan> plan = MakePlan(**run, /*measure=*/false);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->parameters, plan->trained);
  EXPECT_EQ(plan->weight_bytes, 16.0 * static_cast<double>(plan->parameters));
  ASSERT_EQ(plan->stages.size(), 2u);
  EXPECT_EQ(plan->stages[0].trained, 5 * 500);
  EXPECT_EQ(plan->stages[0].sampled, 0);
  EXPECT_EQ(plan->stages[1].trained, 4 * 3 * 4 * 40);  // the cap as it is at the end
  EXPECT_EQ(plan->stages[1].seconds, 0);
}

TEST_F(PlanTest, MeasuresThisMachine) {
  const auto run = Run::Open(Parity({"micro_batch_tokens=600"}), Options("run"));
  ASSERT_TRUE(run.ok()) << run.status().message();
  const Result<RunPlan> plan = MakePlan(**run, /*measure=*/true);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_GT(plan->train_speed, 10);
  EXPECT_GT(plan->sample_speed, 10);
  EXPECT_NEAR(plan->stages[0].seconds, 2500 / plan->train_speed, 1e-9);
  // Each token keeps at least its residual stream and its gradient, and not a megabyte.
  EXPECT_GT(plan->activation_bytes, 600 * 64 * 4);
  EXPECT_LT(plan->activation_bytes, 600e6);
  EXPECT_EQ(plan->micro_batch_tokens, 600);

  // Two limits, of tokens and of bytes; they change no bit (run_test.cc).
  const Learner& learner = *(*run)->parts().learner;
  const double token = learner.activation_bytes_per_token();
  EXPECT_EQ(learner.MicroBatchTokens({.activation_bytes = static_cast<int64_t>(token * 10.5)}), 10);
  EXPECT_EQ(learner.MicroBatchTokens({.activation_bytes = 1}), 1);
}

}  // namespace
}  // namespace aha
