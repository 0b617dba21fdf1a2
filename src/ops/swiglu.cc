#include "ops/swiglu.h"

namespace aha::ops {

Tensor Swiglu(Context& cx, const Tensor& gate, const Tensor& up) {
  CHECK(gate.shape == up.shape, gate.shape.ToString() + " and " + up.shape.ToString());
  Tensor y = cx.New(gate.shape);
  cx.backend().SiluMul(cx.kernels, gate.data, up.data, y.data, y.shape.elements());
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      cx.backend().SiluMulBackward(cx.kernels, gate.data, up.data, cx.tape->Gradient(y).data,
                                   cx.tape->Gradient(gate).data, cx.tape->Gradient(up).data,
                                   y.shape.elements());
    });
  }
  return y;
}

}  // namespace aha::ops
