// What a run will need, told before it is begun: tokens, operations, memory, and on this machine,
// measured for about a second, time.
#ifndef AHA_TRAIN_PLAN_H_
#define AHA_TRAIN_PLAN_H_

#include <string>
#include <vector>

#include "train/run.h"

namespace aha {

// The most that a stage can take: samples that end early and groups that are dropped make it less.
struct StagePlan {
  std::string name;
  int64_t steps = 0;
  double trained = 0, sampled = 0;  // tokens
  double flops = 0;
  double seconds = 0;  // 0: not measured
};

struct RunPlan {
  int64_t parameters = 0, trained = 0;
  std::vector<StagePlan> stages;
  double weight_bytes = 0;                   // weights, gradients, moments; frozen weights
  double frozen_bytes = 0;                   // of these: a base under adapters, mapped
  double activation_bytes = 0;               // of one micro-batch; 0: not measured
  int64_t micro_batch_tokens = 0;            // at most; activation_bytes is of so many
  double train_speed = 0, sample_speed = 0;  // tokens a second; 0: not measured
};

// `measure` leaves gradients behind: for a run that is not begun after.
Result<RunPlan> MakePlan(Run& run, bool measure);

}  // namespace aha

#endif  // AHA_TRAIN_PLAN_H_
