#include "ops/rms_norm.h"

namespace aha::ops {

Tensor RmsNorm(Context& cx, const Tensor& x, const ConstView& weight, float eps) {
  CHECK(weight.dtype == DType::kF32 && weight.shape == Shape({x.cols()}),
        "norm weight " + weight.shape.ToString() + " of x " + x.shape.ToString());
  Tensor y = cx.New(x.shape);
  const kernels::RmsNormArgs args = {.x = x.data,
                                     .x_stride = x.cols(),
                                     .weight = reinterpret_cast<const float*>(weight.data),
                                     .eps = eps,
                                     .rows = x.rows(),
                                     .cols = x.cols(),
                                     .y = y.data,
                                     .y_stride = x.cols()};
  cx.backend().RmsNorm(cx.kernels, args);
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      cx.backend().RmsNormBackward(cx.kernels, {.forward = args,
                                                .dy = cx.tape->Gradient(y).data,
                                                .dx = cx.tape->Gradient(x).data,
                                                .dw = cx.tape->Parameter(weight).data});
    });
  }
  return y;
}

}  // namespace aha::ops
