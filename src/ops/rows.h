// Some rows of an activation.
#ifndef AHA_OPS_ROWS_H_
#define AHA_OPS_ROWS_H_

#include <cstdint>
#include <span>

#include "ops/context.h"

namespace aha::ops {

// x [rows, n], indices in [0, rows) -> [indices, n]. `indices` must live until the tape has run.
Tensor Rows(Context& cx, const Tensor& x, std::span<const int32_t> indices);

}  // namespace aha::ops

#endif  // AHA_OPS_ROWS_H_
