// What a stage of reinforcement learning gives for a completion: its weighted rewards, what a cut
// one is worth, and the punishment of overlong ones. Used by training, and by whoever shows a
// model's answer with the reward that training would have given.
//
//   AHA_ASSIGN_OR_RETURN(RewardRule rule, RewardRule::Of(rl_recipe));
//   AHA_ASSIGN_OR_RETURN(Rewarded r, rule.Reward(env, problem, {text, tokens, truncated, cap}));
#ifndef AHA_TRAIN_REWARD_RULE_H_
#define AHA_TRAIN_REWARD_RULE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "envs/environment.h"
#include "envs/reward.h"
#include "train/recipe.h"

namespace aha {

struct GradedText {
  const std::string& text;  // special tokens left out
  int64_t tokens = 0;
  bool truncated = false;  // it did not say that this was all
  int64_t cap = 0;         // tokens it might have had
};

struct Rewarded {
  Score score;
  std::vector<double> parts;  // each reward before its weight
  double reward = 0;
};

class RewardRule {
 public:
  // Correctness alone: of a run without such a stage.
  RewardRule() : rewards_(1, {.name = "correct", .alphabet = {}}) {}
  static Result<RewardRule> Of(const RlRecipe& recipe);

  const std::vector<RewardPart>& rewards() const { return rewards_; }
  // Error: a checker that cannot be run.
  Result<Rewarded> Reward(const Environment& env, const Problem& problem,
                          const GradedText& completion) const;
  // Their names with their values.
  Json PartsJson(const std::vector<double>& parts) const;

 private:
  std::vector<RewardPart> rewards_;
  int64_t overlong_window_ = 0;
  double overlong_penalty_ = 0;
};

}  // namespace aha

#endif  // AHA_TRAIN_REWARD_RULE_H_
