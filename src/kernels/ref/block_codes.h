// One 32-value block of a quantised row as integers: what docs/numerics.md calls codes, ws and wm.
// Layouts are ggml's (ggml-common.h). Scalar; the SIMD backends unpack the same values faster.
#ifndef AHA_KERNELS_REF_BLOCK_CODES_H_
#define AHA_KERNELS_REF_BLOCK_CODES_H_

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace aha::kernels::ref {

struct BlockCodes {
  int32_t code[32];  // signed values, offset removed
  int32_t scale[2];  // integer scales of the two halves (1 unless Q6_K)
  float ws = 0;      // weight scale
  float wm = 0;      // minimum, added per value; 0 for formats without one
};

bool HasMinimum(DType dtype);

// Block `b` (values 32b..32b+31) of the row at `row`.
BlockCodes UnpackBlock(DType dtype, const std::byte* row, int64_t b);

// Value `i` of a float row, widened exactly.
float LoadFloat(DType dtype, const std::byte* row, int64_t i);

}  // namespace aha::kernels::ref

#endif  // AHA_KERNELS_REF_BLOCK_CODES_H_
