// How stored values are laid out: one 32-value block of a quantised row as integers (what
// docs/numerics.md calls codes, ws and wm), and IEEE halves. Layouts are ggml's (ggml-common.h).
// Scalar; the SIMD backends unpack the same values faster.
#ifndef AHA_TENSOR_BLOCK_CODES_H_
#define AHA_TENSOR_BLOCK_CODES_H_

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace aha {

struct BlockCodes {
  int32_t code[32];  // signed values, offset removed
  int32_t scale[2];  // integer scales of the two halves (1 unless Q6_K)
  float ws = 0;      // weight scale
  float wm = 0;      // minimum, added per value; 0 for formats without one
};

bool HasMinimum(DType dtype);

// An IEEE half as float32, exactly, and back to the nearest (ties to even).
float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);
inline constexpr float kLargestHalf = 65504.0f;
// The same, but a finite value beyond the largest half becomes that one.
uint16_t FloatToFiniteHalf(float value);

// Block `b` (values 32b..32b+31) of the row at `row`.
BlockCodes UnpackBlock(DType dtype, const std::byte* row, int64_t b);

// The block's 32 values, in the rounding order of ggml's dequantisation: scales first, then the
// code, then the minimum.
void BlockValues(const BlockCodes& codes, bool has_minimum, float* out);

// Value `i` of a float row, widened exactly.
float LoadFloat(DType dtype, const std::byte* row, int64_t i);

}  // namespace aha

#endif  // AHA_TENSOR_BLOCK_CODES_H_
