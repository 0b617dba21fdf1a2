// A model: weights in, hidden states and logits out. One straight-line forward per family.
//
//   AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::Open(path));
//   AHA_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, LoadModel(files));
//   Tensor hidden = model->Forward(cx, {tokens, positions, kv});      // [tokens, hidden]
//   Tensor logits = model->Logits(cx, hidden);                       // [tokens, vocab]
//
// Models are stateless but for a RoPE table that grows with the longest position asked for
// (ReservePositions, not thread-safe). They view the bytes of `files`, which must outlive them.
#ifndef AHA_MODEL_MODEL_H_
#define AHA_MODEL_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "ops/attention.h"
#include "ops/context.h"
#include "tensor/view.h"
#include "weights/model_files.h"

namespace aha {

// What everything above needs to know of a model, whatever its family.
struct ModelInfo {
  std::string family;  // "llama", "qwen2", "qwen3", "deepseek_v3"
  int64_t vocab = 0;   // rows of the output head
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t n_heads = 0;
  int64_t max_positions = 0;  // what the model was made for
  ops::KvLayout kv;
  int64_t parameters = 0;
  int64_t active_parameters = 0;  // per token, embedding rows left out
  int64_t bytes_per_token = 0;    // weight bytes read to decode one token
  bool quantized = false;         // most weights are blocks of integers

  // Keys and values of one token, in all layers.
  int64_t cache_row_bytes(DType dtype) const { return layers * kv.row_bytes(dtype); }
};

// What keys and values are kept as where nobody says: float16 beside quantised weights, whose
// activations are rounded far more; float32 beside all others, so that a float model's numbers are
// those of float32 arithmetic.
inline DType DefaultCacheDtype(const ModelInfo& info) {
  return info.quantized ? DType::kF16 : DType::kF32;
}

struct DerivedWeight {
  ConstView transposed;  // [in, rows]
  ConstView source;      // [rows, in]
};

// A linear map that low-rank adapters may stand beside: "NAME.weight" [out, in].
struct LinearMap {
  std::string name;
  int64_t out = 0, in = 0;
};

struct ForwardBatch {
  std::span<const int32_t> tokens;     // [tokens]
  std::span<const int32_t> positions;  // [tokens], 0-based in their sequence
  const ops::KvBatch& kv;
  // Sees the residual stream after the embedding (layer 0) and after each block (1..layers).
  std::function<void(int layer, const Tensor& state)> observer = nullptr;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  // RoPE tables for positions < n; call before a Forward that needs them.
  virtual void ReservePositions(int64_t n) = 0;
  // Hidden states after the final norm, [tokens, hidden].
  virtual Tensor Forward(ops::Context& cx, const ForwardBatch& batch) const = 0;
  // [rows, hidden] -> [rows, vocab]
  virtual Tensor Logits(ops::Context& cx, const Tensor& hidden) const = 0;
  // Weights have been written to in place: renews what was made from them at loading.
  virtual void WeightsChanged() {}
  // Matrices kept transposed beside the parameter (whole rows of one) that they are made from.
  virtual std::span<const DerivedWeight> derived() const { return {}; }
  virtual std::span<const LinearMap> linears() const { return {}; }
  // Every weight by its Hugging Face name, in file order of the family; tied weights once.
  virtual void ForEachParameter(
      const std::function<void(const std::string& name, const ConstView& weight)>& visit) const = 0;
};

// Chooses the family by config "architectures"/"model_type". Errors name the architecture we do not
// know, the tensor that is missing, or has the wrong shape (with both shapes), or holds NaN (norms,
// biases, router; all weights when `check_all`).
Result<std::unique_ptr<Model>> LoadModel(const ModelFiles& files, bool check_all = false);

}  // namespace aha

#endif  // AHA_MODEL_MODEL_H_
