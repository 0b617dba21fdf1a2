#include "train/reward_rule.h"

#include <algorithm>

namespace aha {

Result<RewardRule> RewardRule::Of(const RlRecipe& recipe) {
  RewardRule rule;
  AHA_ASSIGN_OR_RETURN(rule.rewards_, ReadRewards(recipe.rewards));
  if (recipe.overlong == Overlong::kPenalty) {
    rule.overlong_window_ = recipe.overlong_window;
    rule.overlong_penalty_ = recipe.overlong_penalty;
  }
  return rule;
}

Result<Rewarded> RewardRule::Reward(const Environment& env, const Problem& problem,
                                    const GradedText& completion) const {
  Rewarded r;
  AHA_ASSIGN_OR_RETURN(r.score, env.Grade(problem, completion.text));
  if (completion.truncated) {
    r.score.correct = 0;
    r.score.why = fmt::format("cut at {} tokens", completion.cap);
  }
  for (const RewardPart& part : rewards_) {
    r.parts.push_back(RewardOf(part, r.score, completion.text, completion.tokens));
    r.reward += part.weight * r.parts.back();
  }
  if (overlong_window_ > 0) {
    // DAPO's soft punishment: from 0 to all of it over the last tokens before the cap.
    const int64_t over = completion.tokens - (completion.cap - overlong_window_);
    r.reward -=
        overlong_penalty_ *
        std::clamp(static_cast<double>(over) / static_cast<double>(overlong_window_), 0.0, 1.0);
  }
  return r;
}

Json RewardRule::PartsJson(const std::vector<double>& parts) const {
  Json json = Json::object();
  for (size_t i = 0; i < parts.size(); ++i) json[rewards_[i].name] = parts[i];
  return json;
}

}  // namespace aha
