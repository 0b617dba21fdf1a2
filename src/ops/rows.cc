#include "ops/rows.h"

#include <algorithm>

namespace aha::ops {

Tensor Rows(Context& cx, const Tensor& x, std::span<const int32_t> indices) {
  CHECK(x.shape.rank() == 2, x.shape.ToString());
  Tensor y = cx.New({static_cast<int64_t>(indices.size()), x.cols()});
  for (size_t i = 0; i < indices.size(); ++i) {
    CHECK(indices[i] >= 0 && indices[i] < x.rows(), "row " + std::to_string(indices[i]));
    std::copy_n(x.row(indices[i]), x.cols(), y.row(static_cast<int64_t>(i)));
  }
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      cx.backend().AddToRows(cx.kernels, cx.tape->Gradient(y).data, indices,
                             cx.tape->Gradient(x).data, x.cols());
    });
  }
  return y;
}

}  // namespace aha::ops
