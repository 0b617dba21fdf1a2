// The policy-gradient family as pure functions of numbers: rewards to advantages, log-probabilities
// to loss and its gradient. No tensors, no model.
//
// As R1 prints it (Eq. 1-3 of the R1 report):
//   J = E[ 1/G sum_i ( min(r_i A_i, clip(r_i, 1-eps, 1+eps) A_i) - beta KL_i ) ],
//   A_i = (R_i - mean R) / std R,  KL = exp(ref - lp) - (ref - lp) - 1  (k3, in the loss).
// R1's r_i and KL are printed per output; DeepSeekMath and every implementation take them per
// token. Both are here: `ratio` chooses. Loss names are TRL's.
#ifndef AHA_TRAIN_POLICY_LOSS_H_
#define AHA_TRAIN_POLICY_LOSS_H_

#include <cstdint>
#include <span>
#include <vector>

namespace aha {

enum class Aggregation {
  kGrpo,    // mean over samples of the mean over their tokens
  kDrGrpo,  // sum over tokens / (samples * max_completion): no length bias (arXiv 2503.20783)
  kDapo,    // sum over tokens / mean tokens of a minibatch of this rollout (arXiv 2503.14476)
  kBnpo     // sum over tokens / tokens of this minibatch
};
enum class RatioLevel {
  kToken,     // each token its own ratio (DeepSeekMath)
  kSequence,  // product over the output: r_i as R1 prints it
  kGspo       // geometric mean over the output (GSPO, arXiv 2507.18071)
};
enum class Objective {
  kClip,  // PPO's clipped surrogate
  kCispo  // clipped ratio as a constant weight on log-probabilities (MiniMax-M1, arXiv 2506.13585)
};
enum class AdvantageKind {
  kGroup,     // R - mean
  kGroupStd,  // (R - mean) / (std + 1e-4)
  kRloo       // R - mean of the others (arXiv 2402.14740)
};

struct PolicyLossOptions {
  Aggregation aggregation = Aggregation::kDapo;
  RatioLevel ratio = RatioLevel::kToken;
  Objective objective = Objective::kClip;
  double clip_low = 0.2;    // ratio's lower bound is 1 - clip_low
  double clip_high = 0.28;  // upper bound 1 + clip_high; R1 used 10
  double beta = 0;          // weight of k3
  double entropy_bonus = 0;
};

// Advantages of one group's rewards; all zero when they are all equal. The standard deviation is
// the sample one (n - 1), as TRL's.
std::vector<double> Advantages(std::span<const double> rewards, AdvantageKind kind);

// One sampled output.
struct PolicySample {
  double advantage = 0;
  std::span<const float> logprobs;      // [tokens] under the weights being trained
  std::span<const float> old_logprobs;  // [tokens] under those that sampled
  std::span<const float> ref_logprobs;  // [tokens], or empty without KL
  std::span<const float> entropy;       // [tokens], or empty
};

// What makes the aggregation's denominators, known before any forward: a sample's share of the loss
// does not depend on how the minibatch is cut into micro-batches.
struct LossScale {
  int64_t samples = 0;         // in the minibatch, masked ones left out
  double tokens = 0;           // kDapo, kBnpo: see there
  int64_t max_completion = 0;  // the length cap
};

// Sums over tokens, for the metrics.
struct PolicyStats {
  double loss = 0;
  double kl = 0;  // k3 against the reference
  double entropy = 0;
  double clipped_low = 0, clipped_high = 0;  // tokens whose gradient a bound has cut
  double ratio_max = 0;
  int64_t tokens = 0;
};

// Adds the sample's loss to stats and writes dloss/dlogprob[t] and, with an entropy bonus,
// dloss/dentropy[t] (else dentropy is empty).
void PolicyGradient(const PolicyLossOptions& options, const LossScale& scale,
                    const PolicySample& sample, std::span<float> dlogprobs,
                    std::span<float> dentropy, PolicyStats* stats);

}  // namespace aha

#endif  // AHA_TRAIN_POLICY_LOSS_H_
