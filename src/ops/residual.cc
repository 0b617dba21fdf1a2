#include "ops/residual.h"

namespace aha::ops {

Tensor Residual(Context& cx, const Tensor& x, const Tensor& branch) {
  CHECK(x.shape == branch.shape, x.shape.ToString() + " + " + branch.shape.ToString());
  CHECK(x.data != branch.data, "a residual onto itself");
  cx.backend().Add(cx.kernels, x.data, branch.data, x.shape.elements());
  if (cx.tape != nullptr) {
    // The sum's gradient is the branch's; x gets a copy.
    cx.tape->Record([=](Context& cx) {
      cx.backend().Add(cx.kernels, cx.tape->Gradient(branch).data, cx.tape->Gradient(x).data,
                       x.shape.elements());
    });
  }
  return branch;
}

}  // namespace aha::ops
