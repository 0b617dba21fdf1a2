// The training half of aha bench.
#ifndef AHA_CLI_BENCH_TRAIN_H_
#define AHA_CLI_BENCH_TRAIN_H_

#include <string>

#include "base/status.h"

namespace aha::cli {

struct BenchTrainFlags {
  std::string model;
  int threads = 0;
  int64_t tokens = 4096;  // of a step
  int64_t length = 256;   // of a document
  int repeat = 3;
  bool json = false;
};

// Forward, backward and update of a step, the median of the repeats, as tokens a second and as a
// share of the machine's measured rate of fused multiply-adds.
Status RunBenchTrain(const BenchTrainFlags& flags);

}  // namespace aha::cli

#endif  // AHA_CLI_BENCH_TRAIN_H_
