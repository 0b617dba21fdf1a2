// A model being trained: its weights in memory, their gradients, the optimizer's state.
//
//   learner.Accumulate(sequences, {}, loss);        // gradients grow
//   AHA_ASSIGN_OR_RETURN(double norm, learner.Update(recipe.optimizer, lr));
//
// Whoever else reads the model (an engine) sees each update at once: there is one copy of the
// weights. Bits depend on the sequences and their order alone, not on threads or micro-batches.
#ifndef AHA_TRAIN_LEARNER_H_
#define AHA_TRAIN_LEARNER_H_

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "ops/context.h"
#include "train/recipe.h"
#include "train/training_sequence.h"

namespace aha {

// The predictions of sequence `index`: what loss says of them becomes their gradient. Spans are
// [targets]; entropy and dentropy are empty unless asked for.
struct Predictions {
  size_t index = 0;
  std::span<const float> logprobs, entropy;
  std::span<float> dlogprobs, dentropy;
};
using LossFn = std::function<void(const Predictions&)>;

struct PassOptions {
  float temperature = 1;
  bool with_entropy = false;
  int64_t micro_batch_tokens = 8192;  // at most; a group of one prompt alone may have more
  // Of one micro-batch, as far as those before tell; such a group alone may take more.
  int64_t activation_bytes = int64_t{1} << 30;
  bool recompute = false;
};

class Learner {
 public:
  // `files` in memory (ModelFiles::InMemory...); what it owns as float32 is trained, what it views
  // is frozen. `pool` and `backend` outlive this.
  static Result<std::unique_ptr<Learner>> Create(ModelFiles files, const kernels::Backend* backend,
                                                 ThreadPool* pool);

  Model& model() { return *model_; }
  ModelFiles& files() { return files_; }
  int64_t trained_parameters() const;
  // Tokens of a micro-batch under both limits. How they are cut changes no bit.
  int64_t MicroBatchTokens(const PassOptions& options) const;
  // Of the passes so far, gradients of activations included.
  double activation_bytes_per_token() const { return token_bytes_; }
  size_t activation_bytes() const { return cx_->activations.capacity() + tape_.bytes(); }

  // Operations on weights in the passes since the last call, two a multiply-add: attention's own
  // are not counted.
  double TakeFlops() { return std::exchange(flops_, 0); }

  // Forward and backward of all sequences; gradients are added to.
  void Accumulate(std::span<const TrainingSequence> sequences, const PassOptions& options,
                  const LossFn& loss);
  // Forward only: log-probabilities of each sequence's targets.
  std::vector<std::vector<float>> LogProbs(std::span<const TrainingSequence> sequences,
                                           const PassOptions& options);

  // Why a loss is not finite: the first layer whose output is not, or the logits.
  Status NotFinite(std::span<const TrainingSequence> sequences, const PassOptions& options);

  // Clips, steps AdamW, renews derived weights, clears gradients. Returns the global norm before
  // clipping. Error: a gradient that is not finite, by parameter; nothing is changed then.
  Result<double> Update(const OptimizerRecipe& optimizer, double lr);
  // Remembers the weights as they are: the policy that KL is measured against.
  void SetReference();
  bool has_reference() const { return !reference_.empty(); }
  // LogProbs under the reference.
  std::vector<std::vector<float>> ReferenceLogProbs(std::span<const TrainingSequence> sequences,
                                                    const PassOptions& options);
  std::vector<std::vector<float>>& reference() { return reference_; }  // beside moments()
  // V3's balance without auxiliary loss: bias += rate * sign(mean load - load), over the tokens
  // since the last call.
  void BalanceRouters(double rate);
  // A stage begins: moments and step count start anew.
  void ResetOptimizer();

  // What a checkpoint must hold beside the weights.
  struct Moments {
    std::string name;
    Shape shape;
    std::vector<float> m, v;
  };
  std::vector<Moments>& moments() { return moments_; }
  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }

 private:
  explicit Learner(ModelFiles files) : files_(std::move(files)) {}
  void SwapReference();
  // One micro-batch: its sequences from number `first` on, packed.
  using PassFn = std::function<void(PackedBatch&, const TargetRows&, size_t first)>;
  double ForwardFlops(int64_t tokens) const;
  void ForEachPass(std::span<const TrainingSequence> sequences, const PassOptions& options,
                   const PassFn& pass);

  ModelFiles files_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<ops::Context> cx_;
  ops::ParameterGradients slots_;
  ops::Tape tape_{&slots_};                    // kept: its memory is used again by the next step
  std::vector<Moments> moments_;               // of each trained parameter
  std::vector<std::vector<float>> gradients_;  // beside moments_
  std::vector<std::vector<float>> reference_;  // beside moments_; empty: none
  std::map<const std::byte*, std::vector<int64_t>> expert_tokens_;
  int64_t updates_ = 0;
  int64_t largest_pass_ = 0;  // tokens of the largest one with gradients
  double token_bytes_ = 0;    // of its activations; 0: there was none
  double flops_ = 0;
};

}  // namespace aha

#endif  // AHA_TRAIN_LEARNER_H_
