// Models in other forms: GGUF with smaller weights, a Hugging Face folder from a GGUF, and an
// adapter merged into its base.
#ifndef AHA_LIBRARY_CONVERT_H_
#define AHA_LIBRARY_CONVERT_H_

#include <filesystem>
#include <optional>
#include <string>

#include "base/status.h"
#include "weights/gguf_writer.h"

namespace aha {

// Writes the model at `from` (folder or GGUF) as a GGUF whose matrices are `dtype`, with its
// tokenizer and template. Error: a tokenizer that GGUF has no name for.
Status QuantizeModel(const std::filesystem::path& from, DType dtype,
                     const std::filesystem::path& to, const ProgressFn& progress);

// Writes the GGUF at `from` as a folder that transformers loads: weights in `dtype` (a float type),
// config, tokenizer and template.
Status ImportGguf(const std::filesystem::path& from, DType dtype, const std::filesystem::path& to,
                  const ProgressFn& progress);

struct MergeOptions {
  std::string base;            // in place of what the adapter names; may be empty
  std::optional<DType> dtype;  // a float type; else FolderDType's choice
};

// Writes the PEFT adapter in folder `from`, merged into its base, as a folder that transformers
// loads. Returns the type of its weights.
Result<DType> MergeAdapter(const std::filesystem::path& from, const MergeOptions& options,
                           const std::filesystem::path& to, const ProgressFn& progress);

}  // namespace aha

#endif  // AHA_LIBRARY_CONVERT_H_
