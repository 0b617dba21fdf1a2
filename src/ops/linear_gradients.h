// The two products behind y = x w^T: what Linear, HeadLinear and Experts hand to the kernels.
#ifndef AHA_OPS_LINEAR_GRADIENTS_H_
#define AHA_OPS_LINEAR_GRADIENTS_H_

#include <utility>

#include "ops/context.h"

namespace aha::ops {

// dx += dy w
inline kernels::ProductJob InputGradient(const float* dy, int64_t dy_stride, const ConstView& w,
                                         int64_t rows, float* dx, int64_t dx_stride) {
  return {.a = dy,
          .a_row_stride = dy_stride,
          .a_col_stride = 1,
          .b = w.data,
          .b_dtype = w.dtype,
          .b_row_bytes = w.row_bytes(),
          .m = rows,
          .n = w.cols(),
          .k = w.rows(),
          .c = dx,
          .c_row_stride = dx_stride,
          .accumulate = true};
}

// dw += dy^T x, or its transpose x^T dy.
inline kernels::ProductJob WeightGradient(const float* dy, int64_t dy_stride, const float* x,
                                          int64_t x_stride, int64_t rows, const ConstView& w,
                                          const ParameterGradients::Slot& slot) {
  kernels::ProductJob job = {.a = dy,
                             .a_row_stride = 1,
                             .a_col_stride = dy_stride,
                             .b = reinterpret_cast<const std::byte*>(x),
                             .b_dtype = DType::kF32,
                             .b_row_bytes = x_stride * 4,
                             .m = w.rows(),
                             .n = w.cols(),
                             .k = rows,
                             .c = slot.data,
                             .c_row_stride = slot.row_stride,
                             .accumulate = true};
  if (slot.transposed) {
    job.a = x;
    job.a_col_stride = x_stride;
    job.b = reinterpret_cast<const std::byte*>(dy);
    job.b_row_bytes = dy_stride * 4;
    std::swap(job.m, job.n);
  }
  return job;
}

}  // namespace aha::ops

#endif  // AHA_OPS_LINEAR_GRADIENTS_H_
