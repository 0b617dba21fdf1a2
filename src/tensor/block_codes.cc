#include "tensor/block_codes.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace aha {
namespace {

template <typename T>
T Load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

uint8_t Byte(const std::byte* p) { return static_cast<uint8_t>(*p); }

float LoadHalf(const std::byte* p) { return HalfToFloat(Load<uint16_t>(p)); }

// Values 0..15 sit in the low nibbles of 16 bytes, 16..31 in the high ones.
void Nibbles(const std::byte* qs, int32_t* code) {
  for (int i = 0; i < 16; ++i) {
    code[i] = Byte(qs + i) & 15;
    code[i + 16] = Byte(qs + i) >> 4;
  }
}

// Bit i of `high` is the fifth bit of value i.
void AddFifthBits(uint32_t high, int32_t* code) {
  for (int i = 0; i < 32; ++i) code[i] |= static_cast<int32_t>((high >> i) & 1) << 4;
}

void Shift(int32_t offset, int32_t* code) {
  for (int i = 0; i < 32; ++i) code[i] -= offset;
}

// The 6-bit scale and minimum of sub-block j of a Q4_K or Q5_K super-block: 12 bytes hold 8 of
// each.
void KScaleMin(const std::byte* packed, int j, int* scale, int* minimum) {
  if (j < 4) {
    *scale = Byte(packed + j) & 63;
    *minimum = Byte(packed + j + 4) & 63;
  } else {
    *scale = (Byte(packed + j + 4) & 15) | ((Byte(packed + j - 4) >> 6) << 4);
    *minimum = (Byte(packed + j + 4) >> 4) | ((Byte(packed + j) >> 6) << 4);
  }
}

// Q4_K: d, dmin, scales[12], qs[128]. Q5_K: d, dmin, scales[12], qh[32], qs[128].
BlockCodes UnpackK45(DType dtype, const std::byte* super, int j) {
  BlockCodes out;
  const std::byte* scales = super + 4;
  const std::byte* high = super + 16;
  const std::byte* qs = dtype == DType::kQ5_K ? super + 48 : super + 16;
  const std::byte* q = qs + 32 * (j / 2);
  for (int i = 0; i < 32; ++i) {
    out.code[i] = (j % 2 == 0) ? (Byte(q + i) & 15) : (Byte(q + i) >> 4);
    if (dtype == DType::kQ5_K) out.code[i] |= ((Byte(high + i) >> j) & 1) << 4;
  }
  int scale = 0;
  int minimum = 0;
  KScaleMin(scales, j, &scale, &minimum);
  out.scale[0] = out.scale[1] = 1;
  out.ws = LoadHalf(super) * static_cast<float>(scale);
  out.wm = -(LoadHalf(super + 2) * static_cast<float>(minimum));
  return out;
}

// Q6_K: ql[128], qh[64], scales[16] (int8, one for 16 values), d. Values come in two halves of 128,
// each four runs of 32 that share bytes of ql and qh.
BlockCodes UnpackQ6K(const std::byte* super, int j) {
  BlockCodes out;
  const int half = j / 4;
  const int run = j % 4;
  const std::byte* ql = super + 64 * half + 32 * (run % 2);
  const std::byte* qh = super + 128 + 32 * half;
  for (int i = 0; i < 32; ++i) {
    const int low = run < 2 ? (Byte(ql + i) & 15) : (Byte(ql + i) >> 4);
    const int high = (Byte(qh + i) >> (2 * run)) & 3;
    out.code[i] = (low | (high << 4)) - 32;
  }
  out.scale[0] = Load<int8_t>(super + 192 + 8 * half + 2 * run);
  out.scale[1] = Load<int8_t>(super + 192 + 8 * half + 2 * run + 1);
  out.ws = LoadHalf(super + 208);
  return out;
}

}  // namespace

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t mantissa = half & 0x3FF;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000 | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal: exact in float32
  return sign != 0 ? -magnitude : magnitude;
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;   // NaN
  if (magnitude >= 0x477FF000) return sign | 0x7C00;  // rounds past the largest half
  if (magnitude < 0x38800000) {                       // subnormal: the adder rounds, ties to even
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3F000000);
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return sign | static_cast<uint16_t>((magnitude - 0x38000000 + 0xFFF + odd) >> 13);
}

uint16_t FloatToFiniteHalf(float value) {
  const bool beyond = std::abs(value) > kLargestHalf && std::isfinite(value);
  return FloatToHalf(beyond ? std::copysign(kLargestHalf, value) : value);
}

void BlockValues(const BlockCodes& codes, bool has_minimum, float* out) {
  for (int i = 0; i < 32; ++i) {
    const float scale = codes.ws * static_cast<float>(codes.scale[i / 16]);
    const float value = scale * static_cast<float>(codes.code[i]);
    out[i] = has_minimum ? value + codes.wm : value;
  }
}

bool HasMinimum(DType dtype) {
  return dtype == DType::kQ4_1 || dtype == DType::kQ5_1 || dtype == DType::kQ4_K ||
         dtype == DType::kQ5_K;
}

BlockCodes UnpackBlock(DType dtype, const std::byte* row, int64_t b) {
  BlockCodes out;
  out.scale[0] = out.scale[1] = 1;
  const DTypeInfo& info = Info(dtype);
  const int64_t per_block = info.block_elements / 32;
  const std::byte* p = row + b / per_block * info.block_bytes;
  const int j = static_cast<int>(b % per_block);
  switch (dtype) {
    case DType::kQ8_0:
      for (int i = 0; i < 32; ++i) out.code[i] = Load<int8_t>(p + 2 + i);
      out.ws = LoadHalf(p);
      return out;
    case DType::kQ4_0:
      Nibbles(p + 2, out.code);
      Shift(8, out.code);
      out.ws = LoadHalf(p);
      return out;
    case DType::kQ4_1:
      Nibbles(p + 4, out.code);
      out.ws = LoadHalf(p);
      out.wm = LoadHalf(p + 2);
      return out;
    case DType::kQ5_0:
      Nibbles(p + 6, out.code);
      AddFifthBits(Load<uint32_t>(p + 2), out.code);
      Shift(16, out.code);
      out.ws = LoadHalf(p);
      return out;
    case DType::kQ5_1:
      Nibbles(p + 8, out.code);
      AddFifthBits(Load<uint32_t>(p + 4), out.code);
      out.ws = LoadHalf(p);
      out.wm = LoadHalf(p + 2);
      return out;
    case DType::kQ4_K:
    case DType::kQ5_K:
      return UnpackK45(dtype, p, j);
    case DType::kQ6_K:
      return UnpackQ6K(p, j);
    default:
      CHECK(false, "not a block format");
  }
  return out;
}

float LoadFloat(DType dtype, const std::byte* row, int64_t i) {
  switch (dtype) {
    case DType::kF32:
      return Load<float>(row + 4 * i);
    case DType::kF16:
      return LoadHalf(row + 2 * i);
    case DType::kBF16:
      return std::bit_cast<float>(static_cast<uint32_t>(Load<uint16_t>(row + 2 * i)) << 16);
    default:
      CHECK(false, "not a float type");
  }
  return 0;
}

}  // namespace aha
