// Does a checkpoint come out again, bit for bit? Its files are hashed against what was written of
// them, its parents are looked up, and the steps from the checkpoint before it are done anew.
//
//   AHA_ASSIGN_OR_RETURN(VerifyReport r, Verify("runs/x/checkpoints/step-000200", options));
#ifndef AHA_TRAIN_VERIFY_H_
#define AHA_TRAIN_VERIFY_H_

#include <filesystem>
#include <string>
#include <vector>

#include "train/run.h"

namespace aha {

struct VerifyOptions {
  int threads = 1;
  const kernels::Backend* backend = nullptr;
  std::string program;
  bool from_start = false;  // not from the checkpoint before: from the recipe's first step
  bool replay = true;
  std::function<bool()> stop;
  std::function<void(const std::string&)> say;
};

struct VerifyReport {
  std::vector<std::string> parents;  // a sentence each, nearest first
  std::vector<std::string> inputs;   // the same of each file that the run reads
  bool replayed = false;             // false: nothing was there to do it with (`why_not`)
  std::string why_not;
  int64_t from = 0, to = 0;      // steps done anew: (from, to]
  bool same = false;             // weights and optimizer, or the weights alone of a final folder
  std::string first_difference;  // of the recorded metrics, by step; empty: none
};

// `folder`: a checkpoint, or a run's final folder (wherever it has been taken since). Errors: a
// file that is not what was written, by name and hash; no provenance.
Result<VerifyReport> Verify(const std::filesystem::path& folder, const VerifyOptions& options);

}  // namespace aha

#endif  // AHA_TRAIN_VERIFY_H_
