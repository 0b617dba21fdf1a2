// Copies a model to a GGUF file with its matrices in another dtype: `aha models quantize`.
#ifndef AHA_WEIGHTS_GGUF_WRITER_H_
#define AHA_WEIGHTS_GGUF_WRITER_H_

#include <filesystem>

#include "base/status.h"
#include "weights/convert.h"
#include "weights/model_files.h"

namespace aha {

// Writes `files` as GGUF v3 at `out` that llama.cpp and this program read back. 2-D matrices whose
// rows fill blocks become `dtype` (embeddings and output head: kQ8_0 for types below 8 bits),
// vectors and routers stay float32. `vocabulary` is written as tokenizer.ggml.*. Layers past
// num_hidden_layers (multi-token prediction) are left out, as llama.cpp does. Atomic: temporary
// name, sync, rename. Errors: a model, setting, tensor or dtype that GGUF or we cannot write.
Status WriteGguf(const ModelFiles& files, const GgufVocabulary& vocabulary, DType dtype,
                 const std::filesystem::path& out, const ProgressFn& progress);

// Writes a Hugging Face folder's config.json, generation_config.json and model.safetensors (the
// tensors dequantised to `dtype`, a float type) at `folder`. Low-rank adapters are merged: W +
// scale B A, summed in float32. The tokenizer's files are written by tokenizer/.
Status WriteHuggingFaceFolder(const ModelFiles& files, DType dtype,
                              const std::filesystem::path& folder, const ProgressFn& progress);

// The float type that holds the model's weights best: their own, the widest of several, bf16 where
// some are quantised.
DType FolderDType(const ModelFiles& files);

}  // namespace aha

#endif  // AHA_WEIGHTS_GGUF_WRITER_H_
