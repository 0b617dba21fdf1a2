// Stored values to float32 and back, exactly as the `gguf` Python package does it (the scalar
// reference; kernels/ multiplies quantised weights without this).
#ifndef AHA_WEIGHTS_DEQUANTIZE_H_
#define AHA_WEIGHTS_DEQUANTIZE_H_

#include <span>
#include <string>

#include "base/status.h"
#include "tensor/view.h"

namespace aha {

// Writes view.shape.elements() floats.
void Dequantize(const ConstView& view, std::span<float> out);

// Float32 values to `dtype` bytes: kF32, kF16, kBF16 (round to nearest even), kQ8_0, kQ4_0, kQ4_1,
// kQ5_0, kQ5_1. values.size() must fill whole blocks. Error: a dtype we only read (K-quants).
Result<std::string> Quantize(std::span<const float> values, DType dtype);

}  // namespace aha

#endif  // AHA_WEIGHTS_DEQUANTIZE_H_
