#include "train/policy_loss.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/portable_math.h"

namespace aha {
namespace {

// Share of the loss of each of the sample's tokens.
double TokenWeight(const PolicyLossOptions& options, const LossScale& scale, int64_t tokens) {
  switch (options.aggregation) {
    case Aggregation::kGrpo:
      return 1.0 / (static_cast<double>(scale.samples) * static_cast<double>(tokens));
    case Aggregation::kDrGrpo:
      return 1.0 / (static_cast<double>(scale.samples) * static_cast<double>(scale.max_completion));
    default:
      return 1.0 / scale.tokens;
  }
}

struct Surrogate {
  double value = 0;   // to be maximised
  double dratio = 0;  // d value / d log ratio
  bool low = false, high = false;
};

Surrogate Evaluate(const PolicyLossOptions& options, double log_ratio, double advantage) {
  const double ratio = portable::Exp(log_ratio);
  const double clipped = std::clamp(ratio, 1 - options.clip_low, 1 + options.clip_high);
  Surrogate s;
  // A bound cuts the gradient only where it would push the ratio further out.
  s.low = ratio < 1 - options.clip_low && advantage < 0;
  s.high = ratio > 1 + options.clip_high && advantage > 0;
  if (s.low || s.high) {
    s.value = clipped * advantage;
  } else {
    s.value = s.dratio = ratio * advantage;
  }
  return s;
}

}  // namespace

std::vector<double> Advantages(std::span<const double> rewards, AdvantageKind kind) {
  const auto n = static_cast<double>(rewards.size());
  double sum = 0;
  for (const double r : rewards) sum += r;
  const double mean = sum / n;
  std::vector<double> out(rewards.size(), 0.0);
  const bool equal =
      std::all_of(rewards.begin(), rewards.end(), [&](double r) { return r == rewards[0]; });
  if (equal || rewards.size() < 2) return out;
  double squares = 0;
  for (const double r : rewards) squares += (r - mean) * (r - mean);
  const double std = std::sqrt(squares / (n - 1));
  for (size_t i = 0; i < out.size(); ++i) {
    const double centred = rewards[i] - mean;
    switch (kind) {
      case AdvantageKind::kGroup:
        out[i] = centred;
        break;
      case AdvantageKind::kGroupStd:
        out[i] = centred / (std + 1e-4);
        break;
      case AdvantageKind::kRloo:
        out[i] = centred * n / (n - 1);  // R - (sum - R) / (n - 1)
        break;
    }
  }
  return out;
}

void PolicyGradient(const PolicyLossOptions& options, const LossScale& scale, const PolicySample& s,
                    std::span<float> dlogprobs, std::span<float> dentropy, PolicyStats* stats) {
  const auto tokens = static_cast<int64_t>(s.logprobs.size());
  CHECK(s.old_logprobs.size() == s.logprobs.size() && dlogprobs.size() == s.logprobs.size());
  if (tokens == 0) return;
  const double weight = TokenWeight(options, scale, tokens);
  double log_ratio_sum = 0;
  for (size_t t = 0; t < s.logprobs.size(); ++t) {
    log_ratio_sum += double{s.logprobs[t]} - double{s.old_logprobs[t]};
  }
  // A sequence's ratio is one number for all its tokens; its gradient reaches each of them.
  const double mean_share = 1.0 / static_cast<double>(tokens);
  for (size_t t = 0; t < s.logprobs.size(); ++t) {
    double log_ratio = double{s.logprobs[t]} - double{s.old_logprobs[t]};
    double reach = 1;  // sum over the tokens' terms of d log ratio / d logprob[t]
    if (options.ratio == RatioLevel::kSequence) {
      log_ratio = log_ratio_sum;
      reach = static_cast<double>(tokens);
    } else if (options.ratio == RatioLevel::kGspo) {
      log_ratio = log_ratio_sum * mean_share;
    }
    double value = 0;
    double gradient = 0;
    const double ratio = portable::Exp(log_ratio);
    if (options.objective == Objective::kCispo) {
      const double bounded = std::clamp(ratio, 1 - options.clip_low, 1 + options.clip_high);
      value = bounded * s.advantage * double{s.logprobs[t]};
      gradient = bounded * s.advantage;
      stats->clipped_low += ratio < 1 - options.clip_low;
      stats->clipped_high += ratio > 1 + options.clip_high;
    } else {
      const Surrogate surrogate = Evaluate(options, log_ratio, s.advantage);
      value = surrogate.value;
      gradient = surrogate.dratio * reach;
      stats->clipped_low += surrogate.low;
      stats->clipped_high += surrogate.high;
    }
    if (!s.ref_logprobs.empty()) {
      const double behind = double{s.ref_logprobs[t]} - double{s.logprobs[t]};
      const double odds = portable::Exp(behind);
      const double kl = odds - behind - 1;
      stats->kl += kl;
      value -= options.beta * kl;
      gradient -= options.beta * (1 - odds);
    }
    if (!s.entropy.empty()) {
      stats->entropy += double{s.entropy[t]};
      value += options.entropy_bonus * double{s.entropy[t]};
    }
    stats->loss -= weight * value;
    stats->ratio_max = std::max(stats->ratio_max, ratio);
    dlogprobs[t] = static_cast<float>(-weight * gradient);
    if (!dentropy.empty()) dentropy[t] = static_cast<float>(-weight * options.entropy_bonus);
  }
  stats->tokens += tokens;
}

}  // namespace aha
