// A model on disk, whatever its format: named tensors and one config.
//
//   AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::Open("models/smollm2"));
//   AHA_ASSIGN_OR_RETURN(ConstView w, files.Find("model.norm.weight"));
//
// Opens a Hugging Face folder (config.json + *.safetensors) or a .gguf file (of several parts: the
// first). Above this header they
// are the same: tensors carry Hugging Face names, shapes [out, in] and row order (a GGUF's permuted
// Llama q/k rows are put back, its stacked experts are seen one by one, its split kv_b is joined),
// and config() is config.json as transformers would write it. Owns the maps that every ConstView
// points into; move-only; views live as long as it does.
#ifndef AHA_WEIGHTS_MODEL_FILES_H_
#define AHA_WEIGHTS_MODEL_FILES_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tensor/storage.h"
#include "tensor/view.h"

namespace aha {

// Vocabulary of a GGUF as stored (tokenizer.ggml.*), for the tokenizer to build from. Plain data.
struct GgufVocabulary {
  std::string model;  // "gpt2"
  std::string pre;    // "smollm", "qwen2", ...; empty when the file does not say
  std::vector<std::string> tokens;
  std::vector<int32_t>
      token_types;  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;  // "left right"
  int64_t bos = -1, eos = -1, eot = -1, pad = -1, unk = -1;
  bool add_bos = false, add_eos = false;
  std::string chat_template;  // empty when absent
};

class ModelFiles {
 public:
  // Errors: not found, neither format, .bin/.pt weights (refused with a sentence), broken files.
  static Result<ModelFiles> Open(const std::filesystem::path& path);

  // A model in memory, for training: no tensors yet. `config` as config.json. `make_missing`: a
  // new model, whose tensors come to be as a family asks for them (FindOrMake).
  static Result<ModelFiles> InMemory(const Json& config, bool make_missing = false);
  // All of `from` in memory, as float32.
  static Result<ModelFiles> InMemoryCopy(const ModelFiles& from);
  // All of `from`, which must outlive it, viewed where it lies. What cannot be used is left out.
  static Result<ModelFiles> InMemoryView(const ModelFiles& from);
  // In memory only. `storage` is owned and may be written to while models read it; a view's bytes
  // must outlive this. Replaces a tensor of that name.
  void Add(const std::string& name, Storage storage);
  void AddView(const std::string& name, const ConstView& view);
  // The owned values of a float32 tensor that was added or made; null for any other.
  float* Floats(const std::string& name);

  // Puts the PEFT adapter in `folder` over the model: "NAME.lora_A.weight" and
  // "NAME.lora_B.weight" beside "NAME.weight", and config()'s lora_alpha. Errors name the tensor
  // that does not fit the model, or the setting that asks for more than these.
  Status AddAdapter(const std::filesystem::path& folder);
  void SetLoraAlpha(double alpha);
  // Whether low-rank adapters stand beside the weights.
  bool adapted() const;

  ModelFiles(ModelFiles&&) noexcept;
  ModelFiles& operator=(ModelFiles&&) noexcept;
  ~ModelFiles();

  // config.json, with both spellings of RoPE settings normalised to `rope_theta` and
  // `rope_scaling` {"rope_type", ...}. For a GGUF: made from its metadata.
  const Json& config() const;
  // generation_config.json or {}.
  const Json& generation_config() const;

  // The tensor of that Hugging Face name. NotFound names it, and the nearest name there is.
  Result<ConstView> Find(const std::string& name) const;
  bool Has(const std::string& name) const;
  // Find; InMemory with make_missing makes what it lacks: zeros in float32.
  Result<ConstView> FindOrMake(const std::string& name, const Shape& shape) const;
  // All names, sorted; those that Find refuses for their dtype too.
  std::vector<std::string> names() const;

  const std::filesystem::path& path() const;
  // The files that hold the tensors, an adapter's too.
  std::vector<std::filesystem::path> tensor_files() const;
  bool is_gguf() const;
  // Facts that a family needs and the file does not hold, each one sentence saying what is assumed.
  // Whoever opens a model for a person shows them.
  const std::vector<std::string>& warnings() const;
  // GGUF only; nullptr for a folder (which has tokenizer.json).
  const GgufVocabulary* gguf_vocabulary() const;
  // Bytes of all tensors as stored.
  uint64_t weight_bytes() const;

 private:
  ModelFiles();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha

#endif  // AHA_WEIGHTS_MODEL_FILES_H_
