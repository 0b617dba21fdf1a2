// DeepSeek-V3 and R1 (arXiv 2412.19437): multi-head latent attention and routed experts; V2 is the
// same with another router. Weights and config keys carry their Hugging Face names.
//
// Attention is computed in the absorbed form at every position (docs/numerics.md): the cache holds
// one row [rms(c_kv) | roped k_pe] a token, queries are taken into the latent space by W_UK^T, and
// the attended latent is taken out of it by W_UV.
#ifndef AHA_MODEL_DEEPSEEK_V3_H_
#define AHA_MODEL_DEEPSEEK_V3_H_

#include <memory>
#include <string>
#include <vector>

#include "model/deepseek_v3_config.h"
#include "model/model.h"
#include "model/weight_loader.h"
#include "ops/experts.h"
#include "ops/linear.h"
#include "ops/rope.h"

namespace aha {

class DeepSeekV3 final : public Model {
 public:
  // `family` as in ModelInfo. Multi-token prediction layers (past num_hidden_layers) are not read.
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
  // An adapter of kv_b_proj, cut by head as kv_b_proj is.
  struct KvBAdapter {
    ConstView a;                    // [r, kv_lora_rank]; empty: none
    ConstView a_t;                  // [kv_lora_rank, r], owned
    std::vector<ConstView> b_uk_t;  // per head [r, nope], owned
    std::vector<ConstView> b_uv;    // per head [v_head_dim, r], in B
    float scale = 1;
  };
  struct Attention {
    ops::LinearWeight q_proj;              // [heads * qk_head_dim, hidden], without q_lora
    ops::LinearWeight q_a_proj;            // [q_lora_rank, hidden]
    ConstView q_a_layernorm;               // [q_lora_rank]
    ops::LinearWeight q_b_proj;            // [heads * qk_head_dim, q_lora_rank]
    ops::LinearWeight kv_a_proj_with_mqa;  // [kv_lora_rank + rope, hidden]
    ConstView kv_a_layernorm;              // [kv_lora_rank]
    std::vector<ConstView> w_uk_t;         // per head [kv_lora_rank, nope], owned
    std::vector<ConstView> w_uv;           // per head [v_head_dim, kv_lora_rank], in kv_b_proj
    KvBAdapter kv_b_lora;
    ops::LinearWeight o_proj;  // [hidden, heads * v_head_dim]
  };
  struct Mlp {
    ops::LinearWeight gate_proj, up_proj;  // [intermediate, hidden]
    ops::LinearWeight down_proj;           // [hidden, intermediate]
  };
  struct Layer {
    ConstView input_layernorm;  // [hidden]
    Attention attention;
    ConstView post_attention_layernorm;       // [hidden]
    Mlp mlp;                                  // the dense one, or the shared experts
    ConstView gate;                           // [n_routed_experts, hidden]
    ConstView e_score_correction_bias;        // [n_routed_experts], or empty
    std::vector<ops::ExpertWeights> experts;  // empty in dense layers
  };

  explicit DeepSeekV3(const DeepSeekV3Config& config)
      : config_(config), rope_(config.mla.rope.settings) {}
  static Layer LoadLayer(WeightLoader& load, const DeepSeekV3Config& c, int64_t layer);
  static Attention LoadAttention(WeightLoader& load, const DeepSeekV3Config& c,
                                 const std::string& at);
  static Mlp LoadMlp(WeightLoader& load, const std::string& at, int64_t hidden,
                     int64_t intermediate);
  static void LoadExperts(WeightLoader& load, const DeepSeekV3Config& c, const std::string& at,
                          Layer* layer);
  Tensor Block(ops::Context& cx, const ForwardBatch& batch, int layer, const Tensor& x) const;
  void SetInfo(const std::string& family, bool tied);

  Tensor Attend(ops::Context& cx, const ForwardBatch& batch, int layer, const Attention& w,
                const Tensor& x) const;
  Tensor FeedForward(ops::Context& cx, const Layer& w, const Tensor& x) const;

  DeepSeekV3Config config_;
  ModelInfo info_;
  ops::RopeTable rope_;
  LoadedWeights weights_;
  ConstView embed_tokens_;  // [vocab, hidden]
  std::vector<Layer> layers_;
  ConstView norm_;     // [hidden]
  ConstView lm_head_;  // [vocab, hidden]
};

}  // namespace aha

#endif  // AHA_MODEL_DEEPSEEK_V3_H_
