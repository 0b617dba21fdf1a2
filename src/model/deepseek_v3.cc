#include "model/deepseek_v3.h"

#include "model/llama_config.h"
#include "ops/columns.h"
#include "ops/embedding.h"
#include "ops/residual.h"
#include "ops/rms_norm.h"
#include "ops/router.h"
#include "ops/swiglu.h"

namespace aha {
namespace {

// The two norms inside the attention do not follow rms_norm_eps, in DeepSeek's code and
// transformers alike.
constexpr float kLatentNormEps = 1e-6f;

}  // namespace

DeepSeekV3::Attention DeepSeekV3::LoadAttention(WeightLoader& load, const DeepSeekV3Config& c,
                                                const std::string& at) {
  const MlaConfig& m = c.mla;
  const int64_t heads = m.num_attention_heads;
  const int64_t q_width = heads * m.qk_head_dim();
  Attention w;
  if (m.q_lora_rank == 0) {
    w.q_proj = load.Linear(at + "q_proj", q_width, c.hidden_size);
  } else {
    w.q_a_proj = load.Linear(at + "q_a_proj", m.q_lora_rank, c.hidden_size, m.attention_bias);
    w.q_a_layernorm = load.Vector(at + "q_a_layernorm.weight", m.q_lora_rank);
    w.q_b_proj = load.Linear(at + "q_b_proj", q_width, m.q_lora_rank);
  }
  w.kv_a_proj_with_mqa = load.Linear(at + "kv_a_proj_with_mqa", m.kv_lora_rank + m.qk_rope_head_dim,
                                     c.hidden_size, m.attention_bias);
  w.kv_a_layernorm = load.Vector(at + "kv_a_layernorm.weight", m.kv_lora_rank);
  const int64_t per_head = m.qk_nope_head_dim + m.v_head_dim;
  const ops::LinearWeight kv_b = load.Linear(at + "kv_b_proj", heads * per_head, m.kv_lora_rank);
  // Rows of W_UK and of W_UV in each head's share of a matrix [heads * per_head, cols].
  const auto cut = [&](const ConstView& all, std::vector<ConstView>* uk_t,
                       std::vector<ConstView>* uv) {
    for (int64_t h = 0; h < heads && load.ok(); ++h) {
      const ConstView uk = {all.row(h * per_head), all.dtype, {m.qk_nope_head_dim, all.cols()}};
      uk_t->push_back(load.OwnedTranspose(uk));
      uv->push_back(
          {all.row(h * per_head + m.qk_nope_head_dim), all.dtype, {m.v_head_dim, all.cols()}});
    }
  };
  cut(kv_b.weight, &w.w_uk_t, &w.w_uv);
  if (!kv_b.lora.a.empty()) {
    w.kv_b_lora.a = kv_b.lora.a;
    w.kv_b_lora.a_t = load.OwnedTranspose(kv_b.lora.a);
    w.kv_b_lora.scale = kv_b.lora.scale;
    cut(kv_b.lora.b, &w.kv_b_lora.b_uk_t, &w.kv_b_lora.b_uv);
  }
  w.o_proj = load.Linear(at + "o_proj", c.hidden_size, heads * m.v_head_dim, m.attention_bias);
  return w;
}

DeepSeekV3::Mlp DeepSeekV3::LoadMlp(WeightLoader& load, const std::string& at, int64_t hidden,
                                    int64_t intermediate) {
  Mlp w;
  w.gate_proj = load.Linear(at + "gate_proj", intermediate, hidden);
  w.up_proj = load.Linear(at + "up_proj", intermediate, hidden);
  w.down_proj = load.Linear(at + "down_proj", hidden, intermediate);
  return w;
}

void DeepSeekV3::LoadExperts(WeightLoader& load, const DeepSeekV3Config& c, const std::string& at,
                             Layer* layer) {
  const MoeConfig& m = c.moe;
  layer->gate = load.Matrix(at + "gate.weight", m.n_routed_experts, c.hidden_size);
  load.CheckFinite(at + "gate.weight", layer->gate);
  if (m.correction_bias) {
    layer->e_score_correction_bias =
        load.Vector(at + "gate.e_score_correction_bias", m.n_routed_experts);
  }
  for (int64_t e = 0; e < m.n_routed_experts && load.ok(); ++e) {
    const std::string expert = at + "experts." + std::to_string(e) + ".";
    ops::ExpertWeights w;
    w.gate_proj = load.Matrix(expert + "gate_proj.weight", m.moe_intermediate_size, c.hidden_size);
    w.up_proj = load.Matrix(expert + "up_proj.weight", m.moe_intermediate_size, c.hidden_size);
    w.down_proj = load.Matrix(expert + "down_proj.weight", c.hidden_size, m.moe_intermediate_size);
    layer->experts.push_back(w);
  }
  if (m.n_shared_experts > 0) {
    layer->mlp = LoadMlp(load, at + "shared_experts.", c.hidden_size,
                         m.moe_intermediate_size * m.n_shared_experts);
  }
}

DeepSeekV3::Layer DeepSeekV3::LoadLayer(WeightLoader& load, const DeepSeekV3Config& c,
                                        int64_t layer) {
  const std::string at = "model.layers." + std::to_string(layer) + ".";
  Layer w;
  w.input_layernorm = load.Vector(at + "input_layernorm.weight", c.hidden_size);
  w.attention = LoadAttention(load, c, at + "self_attn.");
  w.post_attention_layernorm = load.Vector(at + "post_attention_layernorm.weight", c.hidden_size);
  if (layer < c.moe.first_k_dense_replace) {
    w.mlp = LoadMlp(load, at + "mlp.", c.hidden_size, c.intermediate_size);
  } else {
    LoadExperts(load, c, at + "mlp.", &w);
  }
  return w;
}

Result<std::unique_ptr<Model>> DeepSeekV3::Load(const ModelFiles& files, const std::string& family,
                                                bool check_all) {
  AHA_ASSIGN_OR_RETURN(const DeepSeekV3Config c, ParseDeepSeekV3Config(files.config(), family));
  ConfigReader config(files.config());
  const bool tied = TiedEmbeddings(config, files.Has("lm_head.weight"));
  AHA_RETURN_IF_ERROR(config.status());

  std::unique_ptr<DeepSeekV3> model(new DeepSeekV3(c));
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

void DeepSeekV3::SetInfo(const std::string& family, bool tied) {
  const MlaConfig& m = config_.mla;
  const WeightSize all = SizeOf(weights_);
  WeightSize active = all;
  if (!tied) active -= SizeOf(embed_tokens_);
  for (const Layer& layer : layers_) {
    WeightSize experts;
    for (const ops::ExpertWeights& e : layer.experts) {
      experts += SizeOf(e.gate_proj);
      experts += SizeOf(e.up_proj);
      experts += SizeOf(e.down_proj);
    }
    active -= experts;
    active += {experts.elements * config_.moe.router.top_k / config_.moe.n_routed_experts,
               experts.bytes * config_.moe.router.top_k / config_.moe.n_routed_experts};
    for (size_t h = 0; h < layer.attention.w_uk_t.size(); ++h) {
      // The transpose is read instead of its rows of kv_b_proj.
      const ConstView& t = layer.attention.w_uk_t[h];
      active.bytes += t.bytes() - m.qk_nope_head_dim * layer.attention.w_uv[h].row_bytes();
    }
  }
  info_ = {.family = family,
           .vocab = config_.vocab_size,
           .hidden = config_.hidden_size,
           .layers = config_.num_hidden_layers,
           .n_heads = m.num_attention_heads,
           .max_positions = config_.max_position_embeddings,
           .kv = {.n_kv_heads = 1,
                  .k_dim = m.kv_lora_rank + m.qk_rope_head_dim,
                  .v_dim = m.kv_lora_rank,
                  .latent = true},
           .parameters = all.elements,
           .active_parameters = active.elements,
           .bytes_per_token = active.bytes + embed_tokens_.row_bytes(),
           .quantized = MostlyQuantized(weights_)};
}

Tensor DeepSeekV3::Attend(ops::Context& cx, const ForwardBatch& batch, int layer,
                          const Attention& w, const Tensor& x) const {
  const MlaConfig& m = config_.mla;
  const int64_t tokens = x.rows();
  const int64_t heads = m.num_attention_heads;

  // x [tokens, hidden] -> q [tokens, heads * qk_head_dim], kv_a [tokens, kv_lora_rank + rope]
  Tensor q, kv_a;
  if (m.q_lora_rank == 0) {
    const auto out = ops::LinearEach<2>(cx, x, {w.q_proj, w.kv_a_proj_with_mqa});
    q = out[0];
    kv_a = out[1];
  } else {
    const auto out = ops::LinearEach<2>(cx, x, {w.q_a_proj, w.kv_a_proj_with_mqa});
    const Tensor c_q = ops::RmsNorm(cx, out[0], w.q_a_layernorm, kLatentNormEps);
    q = ops::Linear(cx, c_q, w.q_b_proj);  // from c_q [tokens, q_lora_rank]
    kv_a = out[1];
  }

  // The cache row: rms(c_kv) and one roped k_pe for all heads.
  auto [c_kv, k_pe] = ops::SplitColumns(cx, kv_a, m.kv_lora_rank);  // [tokens, kv_lora_rank | rope]
  c_kv = ops::RmsNorm(cx, c_kv, w.kv_a_layernorm, kLatentNormEps);  // [tokens, kv_lora_rank]
  ops::Rope(cx, k_pe.As({tokens, 1, m.qk_rope_head_dim}), batch.positions, rope_);
  const Tensor row = ops::ConcatColumns(cx, c_kv, k_pe);  // [tokens, kv_lora_rank + rope]

  // Queries in the latent space: W_UK^T q_nope, beside the roped q_pe.
  q = q.As({tokens, heads, m.qk_head_dim()});
  auto [q_nope, q_pe] = ops::SplitColumns(cx, q, m.qk_nope_head_dim);  // [tokens, heads, nope|rope]
  q_pe = ops::Rope(cx, q_pe, batch.positions, rope_);                  // [tokens, heads, rope]
  const Tensor q_c = ops::HeadLinear(cx, q_nope, w.w_uk_t);  // [tokens, heads, kv_lora_rank]
  if (!w.kv_b_lora.a.empty()) {
    const Tensor low = ops::HeadLinear(cx, q_nope, w.kv_b_lora.b_uk_t);  // [tokens, heads, r]
    ops::AddScaled(cx, ops::Linear(cx, low, {.weight = w.kv_b_lora.a_t, .apart = true}),
                   w.kv_b_lora.scale, q_c);
  }
  const Tensor query = ops::ConcatColumns(cx, q_c, q_pe);  // [tokens, heads, kv_lora_rank + rope]

  Tensor u = ops::Attend(cx, batch.kv, layer, info_.kv, query, row, {},
                         m.softmax_scale());        // [tokens, heads * kv_lora_rank]
  u = u.As({tokens, heads, m.kv_lora_rank});        // [tokens, heads, kv_lora_rank]
  const Tensor o = ops::HeadLinear(cx, u, w.w_uv);  // [tokens, heads, v_head_dim]
  if (!w.kv_b_lora.a.empty()) {
    const Tensor low = ops::Linear(cx, u, {w.kv_b_lora.a});  // [tokens * heads, r]
    const Tensor heads_low = low.As({tokens, heads, low.cols()});
    ops::AddScaled(cx, ops::HeadLinear(cx, heads_low, w.kv_b_lora.b_uv), w.kv_b_lora.scale, o);
  }
  return ops::Linear(cx, o.As({tokens, heads * m.v_head_dim}), w.o_proj);  // [tokens, hidden]
}

Tensor DeepSeekV3::FeedForward(ops::Context& cx, const Layer& w, const Tensor& x) const {
  const auto mlp = [&cx, &x](const Mlp& m) {
    auto [gate, up] = ops::LinearEach<2>(cx, x, {m.gate_proj, m.up_proj});
    const Tensor h = ops::Swiglu(cx, gate, up);  // [tokens, intermediate]
    return ops::Linear(cx, h, m.down_proj);      // [tokens, hidden]
  };
  if (w.experts.empty()) return mlp(w.mlp);
  const Tensor logits = ops::Linear(cx, x, {w.gate});  // [tokens, n_routed_experts]
  const ops::Routing routing =
      ops::Route(cx, logits, w.e_score_correction_bias, config_.moe.router);  // [tokens, top_k]
  const Tensor routed = ops::Experts(cx, x, routing, w.experts);              // [tokens, hidden]
  if (config_.moe.n_shared_experts == 0) return routed;
  return ops::Residual(cx, routed, mlp(w.mlp));  // [tokens, hidden]
}

Tensor DeepSeekV3::Block(ops::Context& cx, const ForwardBatch& batch, int layer,
                         const Tensor& residual) const {
  const Layer& w = layers_[static_cast<size_t>(layer)];
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  Tensor h = ops::RmsNorm(cx, residual, w.input_layernorm, eps);  // [tokens, hidden]
  h = Attend(cx, batch, layer, w.attention, h);                   // [tokens, hidden]
  const Tensor x = ops::Residual(cx, residual, h);                // [tokens, hidden]
  h = ops::RmsNorm(cx, x, w.post_attention_layernorm, eps);       // [tokens, hidden]
  h = FeedForward(cx, w, h);                                      // [tokens, hidden]
  return ops::Residual(cx, x, h);                                 // [tokens, hidden]
}

Tensor DeepSeekV3::Forward(ops::Context& cx, const ForwardBatch& batch) const {
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

Tensor DeepSeekV3::Logits(ops::Context& cx, const Tensor& hidden) const {
  return ops::Linear(cx, hidden, {lm_head_});  // [rows, vocab]
}

void DeepSeekV3::ForEachParameter(
    const std::function<void(const std::string&, const ConstView&)>& visit) const {
  for (const LoadedWeights::Parameter& p : weights_.parameters) visit(p.name, p.view);
}

}  // namespace aha
