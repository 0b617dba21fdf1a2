// Where the gradients of a model's weights are summed. Owns nothing: the trainer has the buffers.
//
// A weight that is not here is frozen: no gradient of its own, though gradients still flow through
// it to what stands below.
#ifndef AHA_OPS_PARAMETER_GRADIENTS_H_
#define AHA_OPS_PARAMETER_GRADIENTS_H_

#include <map>

#include "tensor/view.h"

namespace aha::ops {

class ParameterGradients {
 public:
  // A gradient [rows, cols], or of a weight that is kept transposed, of its transpose.
  struct Slot {
    float* data = nullptr;  // null: frozen
    int64_t row_stride = 0;
    bool transposed = false;
  };

  // `gradient`: float32 of the weight's shape, added to by every backward.
  void Add(const ConstView& weight, float* gradient) {
    parameters_[weight.data] = {weight, gradient};
  }
  // `derived` is a transposed copy of `source`, which is a parameter that was added, or whole rows
  // of one: its gradient goes there.
  void AddTransposed(const ConstView& derived, const ConstView& source) {
    derived_[derived.data] = source;
  }
  void Clear() {
    parameters_.clear();
    derived_.clear();
  }

  // The slot of a parameter or of whole rows of one.
  Slot Find(const ConstView& weight) const {
    const auto derived = derived_.find(weight.data);
    if (derived != derived_.end()) {
      Slot slot = Find(derived->second);
      slot.transposed = true;
      return slot;
    }
    auto at = parameters_.upper_bound(weight.data);
    if (at == parameters_.begin()) return {};
    const auto& [view, gradient] = std::prev(at)->second;
    const int64_t offset = weight.data - view.data;
    if (offset >= view.bytes()) return {};
    return {gradient + offset / view.row_bytes() * view.cols(), view.cols()};
  }

 private:
  struct Parameter {
    ConstView view;
    float* gradient;
  };
  std::map<const std::byte*, Parameter> parameters_;
  std::map<const std::byte*, ConstView> derived_;
};

}  // namespace aha::ops

#endif  // AHA_OPS_PARAMETER_GRADIENTS_H_
