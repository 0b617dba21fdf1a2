// Copies a model to a GGUF file with its matrices in another dtype: `aha models quantize`.
#ifndef AHA_WEIGHTS_GGUF_WRITER_H_
#define AHA_WEIGHTS_GGUF_WRITER_H_

#include <filesystem>
#include <functional>

#include "base/status.h"
#include "weights/model_files.h"

namespace aha {

// Called with (bytes done, bytes in all); may be empty.
using ProgressFn = std::function<void(uint64_t, uint64_t)>;

// Writes `files` as GGUF v3 at `out` that llama.cpp and this program read back. 2-D matrices whose
// rows fill blocks become `dtype` (embeddings and output head: kQ8_0 for types below 8 bits),
// vectors stay float32. `vocabulary` is written as tokenizer.ggml.*. Atomic: temporary name, sync,
// rename.
Status WriteGguf(const ModelFiles& files, const GgufVocabulary& vocabulary, DType dtype,
                 const std::filesystem::path& out, const ProgressFn& progress);

// Writes a Hugging Face folder's config.json, generation_config.json and model.safetensors (the
// tensors dequantised to `dtype`, a float type) at `folder`. The tokenizer's files are written by
// tokenizer/.
Status WriteHuggingFaceFolder(const ModelFiles& files, DType dtype,
                              const std::filesystem::path& folder, const ProgressFn& progress);

}  // namespace aha

#endif  // AHA_WEIGHTS_GGUF_WRITER_H_
