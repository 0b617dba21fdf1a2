#include "model/llama.h"

#include <cmath>

#include "ops/embedding.h"
#include "ops/residual.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace aha {

Llama::Layer Llama::LoadLayer(WeightLoader& load, const LlamaConfig& c, int64_t layer) {
  const std::string at = "model.layers." + std::to_string(layer) + ".";
  const int64_t q_width = c.num_attention_heads * c.head_dim;
  const int64_t kv_width = c.num_key_value_heads * c.head_dim;
  Layer w;
  w.input_layernorm = load.Vector(at + "input_layernorm.weight", c.hidden_size);
  w.q_proj = load.Linear(at + "self_attn.q_proj", q_width, c.hidden_size, c.qkv_bias);
  w.k_proj = load.Linear(at + "self_attn.k_proj", kv_width, c.hidden_size, c.qkv_bias);
  w.v_proj = load.Linear(at + "self_attn.v_proj", kv_width, c.hidden_size, c.qkv_bias);
  if (c.qk_norm) {
    w.q_norm = load.Vector(at + "self_attn.q_norm.weight", c.head_dim);
    w.k_norm = load.Vector(at + "self_attn.k_norm.weight", c.head_dim);
  }
  w.o_proj = load.Linear(at + "self_attn.o_proj", c.hidden_size, q_width, c.o_bias);
  w.post_attention_layernorm = load.Vector(at + "post_attention_layernorm.weight", c.hidden_size);
  w.gate_proj = load.Linear(at + "mlp.gate_proj", c.intermediate_size, c.hidden_size, c.mlp_bias);
  w.up_proj = load.Linear(at + "mlp.up_proj", c.intermediate_size, c.hidden_size, c.mlp_bias);
  w.down_proj = load.Linear(at + "mlp.down_proj", c.hidden_size, c.intermediate_size, c.mlp_bias);
  return w;
}

Result<std::unique_ptr<Model>> Llama::Load(const ModelFiles& files, const std::string& family,
                                           bool check_all) {
  AHA_ASSIGN_OR_RETURN(const LlamaConfig c, ParseLlamaConfig(files.config(), family));
  ConfigReader config(files.config());
  const bool tied = TiedEmbeddings(config, files.Has("lm_head.weight"));
  AHA_RETURN_IF_ERROR(config.status());

  std::unique_ptr<Llama> model(new Llama(c));
  WeightLoader load(files, check_all);
  model->embed_tokens_ = load.Matrix("model.embed_tokens.weight", c.vocab_size, c.hidden_size);
  for (int64_t layer = 0; layer < c.num_hidden_layers && load.ok(); ++layer) {
    model->layers_.push_back(LoadLayer(load, c, layer));
  }
  model->norm_ = load.Vector("model.norm.weight", c.hidden_size);
  model->lm_head_ =
      tied ? model->embed_tokens_ : load.Matrix("lm_head.weight", c.vocab_size, c.hidden_size);
  AHA_ASSIGN_OR_RETURN(model->weights_, load.Take());
  model->SetInfo(family, tied);
  return std::unique_ptr<Model>(std::move(model));
}

void Llama::SetInfo(const std::string& family, bool tied) {
  const WeightSize all = SizeOf(weights_);
  WeightSize active = all;
  if (!tied) active -= SizeOf(embed_tokens_);
  info_ = {.family = family,
           .vocab = config_.vocab_size,
           .hidden = config_.hidden_size,
           .layers = config_.num_hidden_layers,
           .n_heads = config_.num_attention_heads,
           .max_positions = config_.max_position_embeddings,
           .kv = {.n_kv_heads = config_.num_key_value_heads,
                  .k_dim = config_.head_dim,
                  .v_dim = config_.head_dim},
           .parameters = all.elements,
           .active_parameters = active.elements,
           .bytes_per_token = active.bytes + embed_tokens_.row_bytes(),
           .quantized = MostlyQuantized(weights_)};
}

Tensor Llama::Block(ops::Context& cx, const ForwardBatch& batch, int layer,
                    const Tensor& residual) const {
  const LlamaConfig& c = config_;
  const Layer& w = layers_[static_cast<size_t>(layer)];
  const int64_t tokens = residual.rows();
  const int64_t heads = c.num_attention_heads;
  const int64_t kv_heads = c.num_key_value_heads;
  const auto eps = static_cast<float>(c.rms_norm_eps);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim)));

  Tensor h = ops::RmsNorm(cx, residual, w.input_layernorm, eps);  // [tokens, hidden]
  auto [q, k, v] = ops::LinearEach<3>(cx, h, {w.q_proj, w.k_proj, w.v_proj});
  q = q.As({tokens, heads, c.head_dim});     // [tokens, heads, head_dim]
  k = k.As({tokens, kv_heads, c.head_dim});  // [tokens, kv_heads, head_dim]
  if (c.qk_norm) {
    q = ops::RmsNorm(cx, q, w.q_norm, eps);  // [tokens, heads, head_dim]
    k = ops::RmsNorm(cx, k, w.k_norm, eps);  // [tokens, kv_heads, head_dim]
  }
  q = ops::Rope(cx, q, batch.positions, rope_);  // [tokens, heads, head_dim]
  k = ops::Rope(cx, k, batch.positions, rope_);  // [tokens, kv_heads, head_dim]
  Tensor o = ops::Attend(cx, batch.kv, layer, info_.kv, q, k, v,
                         scale);              // [tokens, heads * head_dim]
  o = ops::Linear(cx, o, w.o_proj);           // [tokens, hidden]
  Tensor x = ops::Residual(cx, residual, o);  // [tokens, hidden]

  h = ops::RmsNorm(cx, x, w.post_attention_layernorm, eps);  // [tokens, hidden]
  auto [gate, up] = ops::LinearEach<2>(cx, h, {w.gate_proj, w.up_proj});
  h = ops::Swiglu(cx, gate, up);        // [tokens, intermediate]
  h = ops::Linear(cx, h, w.down_proj);  // [tokens, hidden]
  return ops::Residual(cx, x, h);       // [tokens, hidden]
}

Tensor Llama::Forward(ops::Context& cx, const ForwardBatch& batch) const {
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  const Arena::Mark mark = cx.activations.Save();
  Tensor x = ops::Embedding(cx, embed_tokens_, batch.tokens);  // [tokens, hidden]
  if (batch.observer) batch.observer(0, x);
  for (int l = 0; l < static_cast<int>(layers_.size()); ++l) {
    x = cx.Block(mark, x, [this, batch, l](ops::Context& cx, const Tensor& x) {
      return Block(cx, batch, l, x);  // [tokens, hidden]
    });
    if (batch.observer) batch.observer(l + 1, x);
  }
  return cx.Keep(mark, ops::RmsNorm(cx, x, norm_, eps));  // [tokens, hidden]
}

Tensor Llama::Logits(ops::Context& cx, const Tensor& hidden) const {
  return ops::Linear(cx, hidden, {lm_head_});  // [rows, vocab]
}

void Llama::ForEachParameter(
    const std::function<void(const std::string&, const ConstView&)>& visit) const {
  for (const LoadedWeights::Parameter& p : weights_.parameters) visit(p.name, p.view);
}

}  // namespace aha
