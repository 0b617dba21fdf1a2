// Low-rank adapters for a frozen model (Hu et al. 2021).
#ifndef AHA_MODEL_LORA_H_
#define AHA_MODEL_LORA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "weights/model_files.h"

namespace aha {

struct LoraOptions {
  int64_t rank = 16;
  double alpha = 32;  // y += alpha / rank * (x A^T) B^T
  // Endings of the linear maps' names, as PEFT's target_modules: "q_proj", "mlp.up_proj". Empty:
  // all whose last name no routed expert shares (PEFT would take it for the experts').
  std::vector<std::string> targets;
  uint64_t seed = 0;
};

// All of `base`, which must outlive the result, viewed where it lies, and owned float32 adapters: A
// uniform in +-1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt(5)), B zero, so that the model
// computes what the base does. Errors: what LoadModel says of the base; a target that means no
// linear map of it, with the nearest that does; a base with adapters of its own.
Result<ModelFiles> WithNewAdapters(const ModelFiles& base, const LoraOptions& options);

}  // namespace aha

#endif  // AHA_MODEL_LORA_H_
