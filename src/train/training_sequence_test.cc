#include "train/training_sequence.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "base/rng.h"
#include "train/learner.h"

namespace aha {
namespace {

// `prompt` tokens of number `which`, then `own` that begin with `first`.
TrainingSequence Sequence(int32_t which, int32_t prompt, int32_t own, int32_t first = 0) {
  TrainingSequence s{.prompt = prompt};
  for (int32_t i = 0; i < prompt; ++i) s.ids.push_back((7 * which + i) % 48);
  for (int32_t i = 0; i < own; ++i) {
    s.targets.push_back(static_cast<int32_t>(s.ids.size()));
    s.ids.push_back((first + 3 * i) % 48);
  }
  return s;
}

TEST(PromptGroups, AreNeighboursWithOnePrompt) {
  const std::vector<TrainingSequence> sequences = {
      Sequence(0, 5, 4), Sequence(0, 5, 6),  // together
      Sequence(1, 5, 6),                     // alone
      Sequence(0, 5, 2),                     // no neighbour of the first
      Sequence(2, 0, 3), Sequence(2, 0, 3),  // have no prompt
      Sequence(3, 6, 3), Sequence(3, 5, 4),  // alike, but of other lengths
  };
  const std::vector<PromptGroup> groups = PromptGroups(sequences);
  std::vector<size_t> sizes;
  for (const PromptGroup& g : groups) sizes.push_back(g.last - g.first);
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(groups[0].prompt, 5);
  EXPECT_EQ(groups[0].tokens, 15);
  EXPECT_EQ(groups[0].longest, 11);
  EXPECT_EQ(groups[1].prompt, 0);  // nothing to share
  EXPECT_EQ(groups[1].tokens, 11);
}

TEST(PromptGroups, DifferWhereAPositionDoes) {
  std::vector<TrainingSequence> sequences = {Sequence(0, 5, 4), Sequence(0, 5, 4)};
  for (TrainingSequence& s : sequences) {
    s.positions.resize(s.ids.size());
    std::iota(s.positions.begin(), s.positions.end(), 10);
  }
  ASSERT_EQ(PromptGroups(sequences).size(), 1);
  EXPECT_EQ(PromptGroups(sequences)[0].longest, 19);
  ++sequences[1].positions[8];  // after the prompt
  EXPECT_EQ(PromptGroups(sequences).size(), 1);
  ++sequences[1].positions[4];
  EXPECT_EQ(PromptGroups(sequences).size(), 2);
}

TEST(PromptGroups, ThatAreLongAreCutInEqualParts) {
  std::vector<TrainingSequence> sequences;
  for (int i = 0; i < 9; ++i) sequences.push_back(Sequence(0, 10, 150, i));  // 1350 of their own
  const std::vector<PromptGroup> groups = PromptGroups(sequences);
  ASSERT_EQ(groups.size(), 3);
  for (const PromptGroup& g : groups) EXPECT_EQ(g.tokens, 10 + 3 * 150);
  sequences.resize(2);
  for (TrainingSequence& s : sequences) s.ids.resize(2000);
  EXPECT_EQ(PromptGroups(sequences).size(), 2);  // each alone
}

TEST(PromptGroupsDeathTest, PredictNothingOfThePrompt) {
  TrainingSequence s = Sequence(0, 5, 4);
  s.targets.front() = 4;
  EXPECT_DEATH(PromptGroups({&s, 1}), "a target in the prompt");
}

// A learner of a tiny model, its passes over groups of samples whose prompts end within a page's
// unit, on one and past a span of attention.
class SharedPrompts : public ::testing::TestWithParam<const char*> {
 protected:
  struct Step {
    std::vector<float> logprobs;
    double norm = 0, flops = 0;
    std::vector<std::vector<float>> gradients, weights;
  };

  static std::vector<TrainingSequence> Samples(bool share) {
    std::vector<TrainingSequence> out;
    for (const int32_t prompt : {1, 16, 21, 260}) {
      for (int32_t i = 0; i < 4; ++i) {
        out.push_back(Sequence(prompt, prompt, 3 + 5 * i, i));
        if (!share) out.back().prompt = 0;
      }
    }
    return out;
  }

  static Step Learn(const std::vector<TrainingSequence>& samples, int threads,
                    const PassOptions& options,
                    const kernels::Backend* backend = kernels::AvailableBackends().front()) {
    const ModelFiles stored =
        ModelFiles::Open(std::filesystem::path(AHA_SOURCE_DIR) / "src/model/testdata" / GetParam())
            .value();
    ThreadPool pool(threads);
    const auto learner =
        Learner::Create(ModelFiles::InMemoryCopy(stored).value(), backend, &pool).value();
    Step step;
    learner->Accumulate(samples, options, [&](const Predictions& p) {
      step.logprobs.insert(step.logprobs.end(), p.logprobs.begin(), p.logprobs.end());
      for (size_t i = 0; i < p.dlogprobs.size(); ++i) {
        p.dlogprobs[i] = static_cast<float>(Rng(3, p.index).Uniform(i) - 0.4);
      }
    });
    step.flops = learner->TakeFlops();
    OptimizerRecipe optimizer;
    optimizer.clip_norm = 0;
    optimizer.beta1 = 0;  // the first moment is the gradient
    step.norm = learner->Update(optimizer, 1e-3).value();
    for (const Learner::Moments& m : learner->moments()) {
      step.gradients.push_back(m.m);
      const float* w = learner->files().Floats(m.name);
      step.weights.emplace_back(w, w + m.shape.elements());
    }
    return step;
  }
};

TEST_P(SharedPrompts, ChangeNoLogProbAndGiveTheSameGradients) {
  const Step alone = Learn(Samples(false), 2, {});
  const Step shared = Learn(Samples(true), 2, {});
  EXPECT_EQ(shared.logprobs, alone.logprobs);
  EXPECT_LT(shared.flops, 0.5 * alone.flops);
  EXPECT_NEAR(shared.norm, alone.norm, 1e-5 * alone.norm);
  for (size_t p = 0; p < alone.gradients.size(); ++p) {
    for (size_t i = 0; i < alone.gradients[p].size(); ++i) {
      ASSERT_NEAR(shared.gradients[p][i], alone.gradients[p][i], 1e-5 * alone.norm) << p;
    }
  }
}

TEST_P(SharedPrompts, GiveTheSameBitsHoweverAStepIsCut) {
  const Step whole = Learn(Samples(true), 1, {});
  EXPECT_EQ(Learn(Samples(true), 3, {}).weights, whole.weights);
  EXPECT_EQ(Learn(Samples(true), 2, {.micro_batch_tokens = 60}).weights, whole.weights);
  EXPECT_EQ(Learn(Samples(true), 2, {.micro_batch_tokens = 1}).weights, whole.weights);
  EXPECT_EQ(Learn(Samples(true), 2, {.recompute = true}).weights, whole.weights);
  for (const kernels::Backend* backend : kernels::AvailableBackends()) {
    EXPECT_EQ(Learn(Samples(true), 2, {}, backend).weights, whole.weights) << backend->name();
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, SharedPrompts,
                         ::testing::Values("llama3_tied", "qwen3", "deepseek_v3"));

}  // namespace
}  // namespace aha
