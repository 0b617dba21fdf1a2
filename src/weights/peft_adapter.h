// Low-rank adapters as PEFT stores them: a folder with adapter_config.json and
// adapter_model.safetensors, which stands over a base model that it names.
//
//   AHA_RETURN_IF_ERROR(files.AddAdapter(folder));            // read (ModelFiles)
//   AHA_RETURN_IF_ERROR(WritePeftAdapter(files, base, folder));
//
// In the file a tensor is called "base_model.model.NAME.lora_A.weight", here NAME.lora_A.weight.
#ifndef AHA_WEIGHTS_PEFT_ADAPTER_H_
#define AHA_WEIGHTS_PEFT_ADAPTER_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "base/files.h"
#include "weights/model_files.h"
#include "weights/tensor_map.h"

namespace aha {

inline constexpr std::string_view kLoraA = ".lora_A.weight";
inline constexpr std::string_view kLoraB = ".lora_B.weight";
inline constexpr std::string_view kPeftPrefix = "base_model.model.";

struct PeftConfig {
  std::string base;  // base_model_name_or_path; empty when the file does not say
  int64_t rank = 0;  // 0: differs by module (rank_pattern)
  double alpha = 0;  // an adapter's scale is alpha / (rows of its A), whatever use_rslora says
};

// Whether `path` is a folder with an adapter_config.json.
bool IsPeftAdapter(const std::filesystem::path& path);

// Errors name the file and a setting that changes what an adapter computes and that we do not know:
// another peft_type, DoRA, alpha_pattern, biases, modules saved whole.
Result<PeftConfig> ReadPeftConfig(const std::filesystem::path& folder);

struct PeftAdapter {
  PeftConfig config;
  MappedFile map;  // what the views point into
  TensorMap tensors;
};
Result<PeftAdapter> ReadPeftAdapter(const std::filesystem::path& folder);

// Error: half of a pair, or a shape that is not base's.
Status CheckFits(const PeftAdapter& adapter, const ModelFiles& base);

// The adapters in `files` as a folder that PEFT loads over `base` (its base_model_name_or_path),
// in float32. target_modules fit these modules and no others of the model.
Status WritePeftAdapter(const ModelFiles& files, const std::string& base,
                        const std::filesystem::path& folder);

}  // namespace aha

#endif  // AHA_WEIGHTS_PEFT_ADAPTER_H_
