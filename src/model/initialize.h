// First values of a model made new.
#ifndef AHA_MODEL_INITIALIZE_H_
#define AHA_MODEL_INITIALIZE_H_

#include <cstdint>

#include "base/status.h"
#include "weights/model_files.h"

namespace aha {

// Makes every tensor that the family of `config` (config.json's keys) has and gives it its first
// value, a function of (seed, name, index): norms 1; biases, correction biases and lora_B 0; lora_A
// uniform in +-1/sqrt(in) (as PEFT); all else normal with config's initializer_range (0.02), and
// what writes to the residual stream (o_proj, down_proj) smaller by sqrt(2 * layers), as GPT-2.
// Errors: what LoadModel says of a config.
Result<ModelFiles> NewModel(const Json& config, uint64_t seed);

// The same for one tensor of `files`, which owns it.
void InitializeTensor(ModelFiles& files, const std::string& name, uint64_t seed);

}  // namespace aha

#endif  // AHA_MODEL_INITIALIZE_H_
