// What a forward did, to be run backward. Hangs in ops::Context: null is inference.
//
//   ParameterGradients parameters;  Tape tape(&parameters);
//   cx.tape = &tape;
//   Tensor y = model.Forward(cx, batch);          // ops record beside what they compute
//   ... tape.Gradient(y) = dloss/dy ...
//   tape.Backward(cx);                            // parameters' gradients have grown
//   cx.tape = nullptr; cx.activations.Reset();    // the next micro-batch, on the same tape
//   tape.FinishStep(cx);                          // after the last one
//
// Every backward adds (+=) to the gradients of its inputs. An activation's gradient is known by the
// address of its values, so reshaped views share it, and so do an op's input and output where the
// op works in place (Rope, Residual): their gradients are then the same numbers or are turned in
// place.
#ifndef AHA_OPS_TAPE_H_
#define AHA_OPS_TAPE_H_

#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "ops/parameter_gradients.h"
#include "tensor/view.h"

namespace aha::ops {

struct Context;

class Tape {
 public:
  using Step = std::function<void(Context&)>;

  // `recompute`: blocks keep only their input and are computed again in backward (same bits).
  explicit Tape(ParameterGradients* parameters, bool recompute = false)
      : parameters_(parameters), recompute_(recompute) {}

  bool recompute() const { return recompute_; }
  void set_recompute(bool recompute) { recompute_ = recompute; }
  ParameterGradients::Slot Parameter(const ConstView& weight) const {
    return parameters_->Find(weight);
  }
  void Record(Step backward) { steps_.push_back(std::move(backward)); }
  // Of the same shape, zero when first asked for.
  Tensor Gradient(const Tensor& t);
  // The values of `gradient` are t's gradient (which nobody has asked for yet).
  void SetGradient(const Tensor& t, const Tensor& gradient) { Remember(t.data, gradient.data); }
  // From here on `other`'s gradient is that of `t`.
  void Share(const Tensor& t, const Tensor& other) { Remember(other.data, Gradient(t).data); }

  // Tokens that each expert of a router with this correction bias was given, since
  // TakeExpertTokens: what V3's balance without auxiliary loss goes by.
  void CountExperts(const ConstView& correction_bias, std::span<const int32_t> chosen) {
    std::vector<int64_t>& tokens = expert_tokens_[correction_bias.data];
    tokens.resize(static_cast<size_t>(correction_bias.cols()));
    for (const int32_t e : chosen) ++tokens[static_cast<size_t>(e)];
  }
  std::map<const std::byte*, std::vector<int64_t>> TakeExpertTokens() {
    return std::exchange(expert_tokens_, {});
  }

  // Runs the steps last to first, and those they record; forgets all but the parameters' sums.
  void Backward(Context& cx);
  // table[ids[t]] += dy[t], when the step ends: a tied embedding is a sum over tokens as the head
  // and another as the lookup, and the second must follow the first however the step is cut.
  void AddRowsAtEnd(float* table, std::span<const int32_t> ids, const Tensor& dy) {
    lookups_.push_back({table, {ids.begin(), ids.end()}, {dy.span().begin(), dy.span().end()}});
  }
  // A sum of its own for a whole weight that two ops read, added to Parameter(weight) when the step
  // ends: for the same reason.
  ParameterGradients::Slot Apart(const ConstView& weight);
  void FinishStep(Context& cx);
  // Gives the step up: forgets all of it without running. The parameters' sums hold what earlier
  // micro-batches added; whoever owns them sets them to zero.
  void Clear();

  // Gradients made since the mark are given back.
  struct Mark {
    Arena::Mark arena;
    size_t known = 0;
  };
  Mark Save() const { return {arena_.Save(), order_.size()}; }
  void Rewind(const Mark& mark);
  // Held for gradients of activations.
  size_t bytes() const { return arena_.capacity(); }

 private:
  void Remember(const float* of, float* gradient) {
    gradients_[of] = gradient;
    order_.push_back(of);
  }

  void ForgetActivations();

  ParameterGradients* parameters_;
  bool recompute_;
  std::vector<Step> steps_;
  Arena arena_;
  std::unordered_map<const float*, float*> gradients_;
  std::map<const std::byte*, std::vector<int64_t>> expert_tokens_;
  struct Lookup {
    float* table;
    std::vector<int32_t> ids;
    std::vector<float> rows;
  };
  std::vector<Lookup> lookups_;
  struct Sum {
    float* onto;
    std::vector<float> values;
  };
  std::map<const std::byte*, Sum> apart_;
  std::vector<const float*> order_;  // of gradients_, for Rewind
};

}  // namespace aha::ops

#endif  // AHA_OPS_TAPE_H_
