// Learning rate over a stage's steps: linear warm-up, flat until decay_start, then down to
// final_share of the peak.
#ifndef AHA_TRAIN_SCHEDULE_H_
#define AHA_TRAIN_SCHEDULE_H_

#include <algorithm>
#include <cstdint>

#include "base/portable_math.h"

namespace aha {

enum class Decay { kConstant, kLinear, kCosine };

struct Schedule {
  double lr = 1e-3;
  int64_t warmup_steps = 0;
  Decay decay = Decay::kConstant;
  double decay_start = 0;    // share of the steps, counted after warm-up's end or this, the later
  double final_share = 0.1;  // of lr, at the last step

  // `step` in [0, steps).
  double At(int64_t step, int64_t steps) const {
    if (step < warmup_steps) {
      return lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
    }
    if (decay == Decay::kConstant) return lr;
    const double start =
        std::max(decay_start * static_cast<double>(steps), static_cast<double>(warmup_steps));
    const double span = std::max(1.0, static_cast<double>(steps - 1) - start);
    const double done = std::clamp((static_cast<double>(step) - start) / span, 0.0, 1.0);
    // A cosine by our own math: a run's bits do not depend on libm.
    const double left = decay == Decay::kLinear
                            ? 1 - done
                            : 0.5 * (1 + portable::Cos(done * 3.14159265358979323846));
    return lr * (final_share + (1 - final_share) * left);
  }
};

}  // namespace aha

#endif  // AHA_TRAIN_SCHEDULE_H_
