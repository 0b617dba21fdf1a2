// Llama and what is shaped like it: SmolLM, Qwen2 (biases on q, k, v), Qwen3 (norms on q and k
// heads). Weights and config keys carry their Hugging Face names.
#ifndef AHA_MODEL_LLAMA_H_
#define AHA_MODEL_LLAMA_H_

#include <memory>
#include <string>
#include <vector>

#include "model/llama_config.h"
#include "model/model.h"
#include "model/weight_loader.h"
#include "ops/linear.h"
#include "ops/rope.h"

namespace aha {

class Llama final : public Model {
 public:
  // `family` as in ModelInfo.
  static Result<std::unique_ptr<Model>> Load(const ModelFiles& files, const std::string& family,
                                             bool check_all);

  const ModelInfo& info() const override { return info_; }
  void ReservePositions(int64_t n) override { rope_.Reserve(n); }
  Tensor Forward(ops::Context& cx, const ForwardBatch& batch) const override;
  Tensor Logits(ops::Context& cx, const Tensor& hidden) const override;
  void WeightsChanged() override { weights_.Renew(); }
  std::span<const DerivedWeight> derived() const override { return weights_.derived; }
  std::span<const LinearMap> linears() const override { return weights_.linears; }
  void ForEachParameter(
      const std::function<void(const std::string&, const ConstView&)>& visit) const override;

 private:
  struct Layer {
    ConstView input_layernorm;                 // [hidden]
    ops::LinearWeight q_proj, k_proj, v_proj;  // [heads * head_dim, hidden]
    ConstView q_norm, k_norm;                  // [head_dim], Qwen3
    ops::LinearWeight o_proj;                  // [hidden, n_heads * head_dim]
    ConstView post_attention_layernorm;        // [hidden]
    ops::LinearWeight gate_proj, up_proj;      // [intermediate, hidden]
    ops::LinearWeight down_proj;               // [hidden, intermediate]
  };

  explicit Llama(const LlamaConfig& config) : config_(config), rope_(config.rope.settings) {}
  static Layer LoadLayer(WeightLoader& load, const LlamaConfig& c, int64_t layer);
  Tensor Block(ops::Context& cx, const ForwardBatch& batch, int layer, const Tensor& x) const;
  void SetInfo(const std::string& family, bool tied);

  LlamaConfig config_;
  ModelInfo info_;
  ops::RopeTable rope_;
  LoadedWeights weights_;
  ConstView embed_tokens_;  // [vocab, hidden]
  std::vector<Layer> layers_;
  ConstView norm_;     // [hidden]
  ConstView lm_head_;  // [vocab, hidden]
};

}  // namespace aha

#endif  // AHA_MODEL_LLAMA_H_
