#include "train/learner.h"

#include <algorithm>
#include <cmath>

#include "base/portable_math.h"
#include "ops/log_probs.h"
#include "ops/rows.h"

namespace aha {
namespace {

// beta^n with one rounding a step: the same on every machine.
double Power(double beta, int64_t n) {
  double out = 1;
  for (; n > 0; n /= 2) {
    if (n % 2 != 0) out *= beta;
    beta *= beta;
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Learner>> Learner::Create(ModelFiles files, const kernels::Backend* backend,
                                                 ThreadPool* pool) {
  std::unique_ptr<Learner> l(new Learner(std::move(files)));
  AHA_ASSIGN_OR_RETURN(l->model_, LoadModel(l->files_, /*check_all=*/true));
  l->cx_ = std::make_unique<ops::Context>(backend, pool, ops::Numerics::kPortable);
  l->model_->ForEachParameter([&](const std::string& name, const ConstView& view) {
    // V3's correction bias is moved by the load of its experts, not by a gradient.
    if (l->files_.Floats(name) == nullptr || name.ends_with("e_score_correction_bias")) return;
    const auto n = static_cast<size_t>(view.shape.elements());
    l->moments_.push_back({name, view.shape, std::vector<float>(n), std::vector<float>(n)});
    l->gradients_.emplace_back(n);
    l->slots_.Add(view, l->gradients_.back().data());
  });
  for (const DerivedWeight& d : l->model_->derived())
    l->slots_.AddTransposed(d.transposed, d.source);
  if (l->moments_.empty()) return InvalidArgument("the model has no weights to train");
  return l;
}

int64_t Learner::trained_parameters() const {
  int64_t n = 0;
  for (const Moments& m : moments_) n += m.shape.elements();
  return n;
}

double Learner::ForwardFlops(int64_t tokens) const {
  return 2 * static_cast<double>(model_->info().active_parameters) * static_cast<double>(tokens);
}

int64_t Learner::MicroBatchTokens(const PassOptions& options) const {
  constexpr int64_t kFirst = 256;  // before anything is known
  const int64_t most =
      token_bytes_ == 0
          ? kFirst
          : static_cast<int64_t>(static_cast<double>(options.activation_bytes) / token_bytes_);
  return std::clamp<int64_t>(most, 1, options.micro_batch_tokens);
}

void Learner::ForEachPass(std::span<const TrainingSequence> sequences, const PassOptions& options,
                          const PassFn& pass) {
  PackedBatch batch(model_->info());
  const std::vector<PromptGroup> groups = PromptGroups(sequences);
  for (size_t first = 0; first < groups.size();) {
    size_t last = first;
    int64_t tokens = 0;
    int64_t longest = 0;
    const int64_t most = MicroBatchTokens(options);
    for (; last < groups.size(); ++last) {
      const PromptGroup& group = groups[last];
      if (last > first && tokens + group.tokens > most) break;
      tokens += group.tokens;
      longest = std::max(longest, group.longest);
    }
    model_->ReservePositions(longest);
    batch.Clear();
    const TargetRows rows(sequences, std::span(groups).subspan(first, last - first), &batch);
    if (!rows.rows.empty()) {
      pass(batch, rows, groups[first].first);
      flops_ += ForwardFlops(batch.tokens());
    }
    cx_->activations.Reset();
    first = last;
  }
}

void Learner::Accumulate(std::span<const TrainingSequence> sequences, const PassOptions& options,
                         const LossFn& loss) {
  tape_.set_recompute(options.recompute);
  ForEachPass(sequences, options, [&](PackedBatch& batch, const TargetRows& rows, size_t first) {
    cx_->tape = &tape_;
    const Tensor hidden = model_->Forward(*cx_, batch.forward());
    const Tensor logits = model_->Logits(*cx_, ops::Rows(*cx_, hidden, rows.rows));
    const ops::LogProbsResult out =
        ops::LogProbs(*cx_, logits, rows.ids, options.temperature, options.with_entropy);
    const Tensor dlogprob = tape_.Gradient(out.logprob);
    const Tensor dentropy = options.with_entropy ? tape_.Gradient(out.entropy) : Tensor{};
    for (size_t i = 0; i < rows.sequences(); ++i) {
      loss({.index = first + i,
            .logprobs = rows.Of(i, out.logprob),
            .entropy = rows.Of(i, out.entropy),
            .dlogprobs = rows.Of(i, dlogprob),
            .dentropy = rows.Of(i, dentropy)});
    }
    tape_.Backward(*cx_);
    cx_->tape = nullptr;
    // The gradients of inputs, those of the weights that have one, and what is computed again.
    const double forward = ForwardFlops(batch.tokens());
    const auto active = static_cast<double>(model_->info().active_parameters);
    flops_ += forward * (1 + std::min(1.0, static_cast<double>(trained_parameters()) / active));
    if (options.recompute) flops_ += forward;
    if (const auto tokens = static_cast<int64_t>(batch.forward().tokens.size());
        tokens > largest_pass_) {
      largest_pass_ = tokens;
      token_bytes_ = static_cast<double>(activation_bytes()) / static_cast<double>(tokens);
    }
  });
  tape_.FinishStep(*cx_);
  for (const auto& [bias, tokens] : tape_.TakeExpertTokens()) {
    std::vector<int64_t>& sum = expert_tokens_[bias];
    sum.resize(tokens.size());
    for (size_t e = 0; e < tokens.size(); ++e) sum[e] += tokens[e];
  }
}

std::vector<std::vector<float>> Learner::LogProbs(std::span<const TrainingSequence> sequences,
                                                  const PassOptions& options) {
  std::vector<std::vector<float>> all(sequences.size());
  ForEachPass(sequences, options, [&](PackedBatch& batch, const TargetRows& rows, size_t first) {
    const Tensor hidden = model_->Forward(*cx_, batch.forward());
    const Tensor logits = model_->Logits(*cx_, ops::Rows(*cx_, hidden, rows.rows));
    const Tensor out = ops::LogProbs(*cx_, logits, rows.ids, options.temperature).logprob;
    for (size_t i = 0; i < rows.sequences(); ++i) {
      const std::span<float> of = rows.Of(i, out);
      all[first + i].assign(of.begin(), of.end());
    }
  });
  return all;
}

Status Learner::NotFinite(std::span<const TrainingSequence> sequences, const PassOptions& options) {
  int64_t layer = -1;
  cx_->tape = nullptr;
  ForEachPass(sequences, options, [&](PackedBatch& batch, const TargetRows&, size_t) {
    if (layer >= 0) return;
    ForwardBatch forward = batch.forward();
    forward.observer = [&](int at, const Tensor& state) {
      const auto finite = [](float x) { return std::isfinite(x); };
      if (layer < 0 && !std::all_of(state.span().begin(), state.span().end(), finite)) layer = at;
    };
    model_->Forward(*cx_, forward);
  });
  if (layer < 0) return InvalidArgument("the logits are not finite, every layer's output is");
  if (layer == 0) return InvalidArgument("the embeddings are not finite");
  return InvalidArgument("the output of layer {} is not finite", layer - 1);
}

void Learner::SetReference() {
  reference_.resize(moments_.size());
  for (size_t i = 0; i < moments_.size(); ++i) {
    const float* weight = files_.Floats(moments_[i].name);
    reference_[i].assign(weight, weight + moments_[i].shape.elements());
  }
}

void Learner::SwapReference() {
  for (size_t i = 0; i < moments_.size(); ++i) {
    std::swap_ranges(reference_[i].begin(), reference_[i].end(), files_.Floats(moments_[i].name));
  }
  model_->WeightsChanged();
}

std::vector<std::vector<float>> Learner::ReferenceLogProbs(
    std::span<const TrainingSequence> sequences, const PassOptions& options) {
  SwapReference();
  std::vector<std::vector<float>> out = LogProbs(sequences, options);
  SwapReference();
  return out;
}

Result<double> Learner::Update(const OptimizerRecipe& o, double lr) {
  const kernels::Backend& backend = cx_->backend();
  double squares = 0;
  for (size_t i = 0; i < gradients_.size(); ++i) {
    const double of = backend.SumOfSquares(cx_->kernels, gradients_[i].data(),
                                           static_cast<int64_t>(gradients_[i].size()));
    if (!std::isfinite(of)) {
      return InvalidArgument("the gradient of {} is not finite", moments_[i].name);
    }
    squares += of;
  }
  const double norm = std::sqrt(squares);
  ++updates_;
  kernels::AdamWArgs args = {.gradient_scale = o.clip_norm > 0 && norm > o.clip_norm
                                                   ? static_cast<float>(o.clip_norm / norm)
                                                   : 1.0f,
                             .lr = static_cast<float>(lr),
                             .beta1 = static_cast<float>(o.beta1),
                             .beta2 = static_cast<float>(o.beta2),
                             .eps = static_cast<float>(o.eps),
                             .bias_correction1 = static_cast<float>(1 - Power(o.beta1, updates_)),
                             .bias_correction2 = static_cast<float>(1 - Power(o.beta2, updates_))};
  for (size_t i = 0; i < moments_.size(); ++i) {
    args.weight = files_.Floats(moments_[i].name);
    args.gradient = gradients_[i].data();
    args.m = moments_[i].m.data();
    args.v = moments_[i].v.data();
    args.n = moments_[i].shape.elements();
    // Decay pulls matrices to zero; norms and biases have no scale to lose.
    args.weight_decay = moments_[i].shape.rank() > 1 ? static_cast<float>(o.weight_decay) : 0.0f;
    backend.AdamW(cx_->kernels, args);
    std::fill(gradients_[i].begin(), gradients_[i].end(), 0.0f);
  }
  model_->WeightsChanged();
  return norm;
}

void Learner::BalanceRouters(double rate) {
  model_->ForEachParameter([&](const std::string& name, const ConstView& view) {
    const auto found = expert_tokens_.find(view.data);
    float* bias = files_.Floats(name);
    if (found == expert_tokens_.end() || bias == nullptr) return;
    int64_t sum = 0;
    for (const int64_t n : found->second) sum += n;
    const auto experts = static_cast<int64_t>(found->second.size());
    for (int64_t e = 0; e < experts; ++e) {
      const int64_t excess = found->second[static_cast<size_t>(e)] * experts - sum;
      if (excess != 0) bias[e] += static_cast<float>(excess > 0 ? -rate : rate);
    }
  });
  expert_tokens_.clear();
}

void Learner::ResetOptimizer() {
  updates_ = 0;
  for (Moments& m : moments_) {
    std::fill(m.m.begin(), m.m.end(), 0.0f);
    std::fill(m.v.begin(), m.v.end(), 0.0f);
  }
}

}  // namespace aha
