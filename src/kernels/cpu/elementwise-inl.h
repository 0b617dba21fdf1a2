// Norm, rotation, activations and sums over one row.
#if defined(AHA_KERNELS_CPU_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_ELEMENTWISE_INL_H_
#undef AHA_KERNELS_CPU_ELEMENTWISE_INL_H_
#else
#define AHA_KERNELS_CPU_ELEMENTWISE_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"
#include "tensor/block_codes.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// y[i] = f(x[i]...) for n values; the tail goes through a padded copy, so that f sees whole
// registers.
template <int kInputs, typename F>
HWY_INLINE void ForEachVector(const float* const (&in)[kInputs], float* y, int64_t n, const F& f) {
  const D d;
  int64_t i = 0;
  for (; i + kVec <= n; i += kVec) {
    VF v[kInputs];
    for (int j = 0; j < kInputs; ++j) v[j] = hn::LoadU(d, in[j] + i);
    hn::StoreU(f(v), d, y + i);
  }
  if (i == n) return;
  VF v[kInputs];
  for (int j = 0; j < kInputs; ++j) v[j] = hn::Load(d, Padded16(in[j] + i, n - i).values);
  alignas(64) float out[kVec];
  hn::Store(f(v), d, out);
  std::memcpy(y + i, out, static_cast<size_t>(n - i) * sizeof(float));
}

// Adds f(register) to the 16 lanes, in order; the last group is filled up with what `pad` holds,
// whose f is zero.
template <typename F>
HWY_INLINE float LaneSum(const float* x, int64_t n, float pad, const F& f) {
  const D d;
  VF acc[kParts];
  for (int p = 0; p < kParts; ++p) acc[p] = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int p = 0; p < kParts; ++p) acc[p] = f(hn::LoadU(d, x + i + p * kVec), acc[p]);
  }
  if (i < n) {
    alignas(64) float tail[kLanes];
    std::fill(tail, tail + kLanes, pad);
    std::memcpy(tail, x + i, static_cast<size_t>(n - i) * sizeof(float));
    for (int p = 0; p < kParts; ++p) acc[p] = f(hn::Load(d, tail + p * kVec), acc[p]);
  }
  return SumTree(acc);
}

void RmsNormRows(const RmsNormArgs& a, int64_t first, int64_t last) {
  const D d;
  for (int64_t r = first; r < last; ++r) {
    const float* x = a.x + r * a.x_stride;
    const float squares =
        LaneSum(x, a.cols, 0.0f, [](VF v, VF acc) { return hn::MulAdd(v, v, acc); });
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(a.cols) + a.eps);
    ForEachVector<2>({x, a.weight}, a.y + r * a.y_stride, a.cols, [&](const VF(&v)[2]) {
      return hn::Mul(hn::Mul(v[0], hn::Set(d, scale)), v[1]);
    });
  }
}

// a' = fma(a, cos, -(b sin)), b' = fma(b, cos, a sin)
HWY_INLINE void Rotate(float* first, float* second, const float* cos, const float* sin,
                       int64_t half, bool inverse) {
  const D d;
  const float sign = inverse ? -1.0f : 1.0f;
  int64_t i = 0;
  for (; i + kVec <= half; i += kVec) {
    const VF u = hn::LoadU(d, first + i);
    const VF v = hn::LoadU(d, second + i);
    const VF c = hn::LoadU(d, cos + i);
    const VF s = hn::Mul(hn::LoadU(d, sin + i), hn::Set(d, sign));
    hn::StoreU(hn::MulAdd(u, c, hn::Neg(hn::Mul(v, s))), d, first + i);
    hn::StoreU(hn::MulAdd(v, c, hn::Mul(u, s)), d, second + i);
  }
  for (; i < half; ++i) {
    const float u = first[i];
    const float v = second[i];
    const float s = sin[i] * sign;
    first[i] = std::fma(u, cos[i], -(v * s));
    second[i] = std::fma(v, cos[i], u * s);
  }
}

void RopeRows(const RopeArgs& a, int64_t first, int64_t last) {
  const int64_t half = a.dim / 2;
  for (int64_t r = first; r < last; ++r) {
    const float* cos = a.cos + a.positions[r] * half;
    const float* sin = a.sin + a.positions[r] * half;
    for (int64_t h = 0; h < a.heads; ++h) {
      float* x = a.x + r * a.row_stride + h * a.head_stride;
      if (a.layout == RopeLayout::kHalf) {
        Rotate(x, x + half, cos, sin, half, a.inverse);
        continue;
      }
      for (int64_t i = 0; i < half; ++i) {
        const float u = x[2 * i];
        const float v = x[2 * i + 1];
        const float s = a.inverse ? -sin[i] : sin[i];
        x[2 * i] = std::fma(u, cos[i], -(v * s));
        x[2 * i + 1] = std::fma(v, cos[i], u * s);
      }
    }
  }
}

HWY_INLINE VF OnePlusExpOfMinus(VF x) { return hn::Add(hn::Set(D(), 1.0f), Exp(hn::Neg(x))); }

void Narrow(const float* x, uint16_t* y, int64_t n) {
  const D d;
  const hn::Rebind<hwy::float16_t, D> dh;
  const VF largest = hn::Set(d, kLargestHalf);
  const VF infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kVec <= n; i += kVec) {
    const VF v = hn::LoadU(d, x + i);
    const VF size = hn::Abs(v);
    const auto beyond = hn::And(hn::Gt(size, largest), hn::Lt(size, infinity));
    const VF kept = hn::IfThenElse(beyond, hn::CopySign(largest, v), v);
    hn::StoreU(hn::DemoteTo(dh, kept), dh, reinterpret_cast<hwy::float16_t*>(y + i));
  }
  for (; i < n; ++i) y[i] = FloatToFiniteHalf(x[i]);
}

void SiluMul(const float* gate, const float* up, float* y, int64_t n) {
  ForEachVector<2>({gate, up}, y, n, [](const VF(&v)[2]) {
    return hn::Mul(hn::Div(v[0], OnePlusExpOfMinus(v[0])), v[1]);
  });
}

void Add(const float* x, float* y, int64_t n) {
  ForEachVector<2>({y, x}, y, n, [](const VF(&v)[2]) { return hn::Add(v[0], v[1]); });
}

void Sigmoid(const float* x, float* y, int64_t n) {
  ForEachVector<1>({x}, y, n, [](const VF(&v)[1]) {
    return hn::Div(hn::Set(D(), 1.0f), OnePlusExpOfMinus(v[0]));
  });
}

void AddScaled(const float* x, float weight, float* y, int64_t n) {
  ForEachVector<2>({x, y}, y, n,
                   [&](const VF(&v)[2]) { return hn::MulAdd(hn::Set(D(), weight), v[0], v[1]); });
}

void Divide(const float* x, float by, float* y, int64_t n) {
  ForEachVector<1>({x}, y, n, [&](const VF(&v)[1]) { return hn::Div(v[0], hn::Set(D(), by)); });
}

HWY_INLINE float Maximum(const float* x, int64_t n) {
  const D d;
  VF best = hn::Set(d, x[0]);
  int64_t i = 0;
  for (; i + kVec <= n; i += kVec) best = hn::Max(best, hn::LoadU(d, x + i));
  float largest = hn::GetLane(hn::MaxOfLanes(d, best));
  for (; i < n; ++i) largest = std::max(largest, x[i]);
  return largest;
}

float LogSumExp(const float* x, int64_t n) {
  const float largest = Maximum(x, n);
  const VF m = hn::Set(D(), largest);
  const float sum = LaneSum(x, n, -std::numeric_limits<float>::infinity(),
                            [&](VF v, VF acc) { return hn::Add(acc, Exp(hn::Sub(v, m))); });
  return largest + static_cast<float>(portable::Log(static_cast<double>(sum)));
}

float QuantizeBlock(const float* x, int8_t* q, int32_t* half_sums) {
  const D d;
  const DU du;
  auto bits = hn::Zero(du);
  const auto magnitude = hn::Set(du, 0x7FFFFFFFu);
  for (int i = 0; i < 32; i += static_cast<int>(kVec)) {
    bits = hn::Max(bits, hn::And(hn::BitCast(du, hn::LoadU(d, x + i)), magnitude));
  }
  const float largest = std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(du, bits)));
  const float scale = largest / 127.0f;
  const float inverse = 127.0f / largest;
  half_sums[0] = half_sums[1] = 0;
  if (largest == 0 || !std::isfinite(largest) || !std::isfinite(inverse)) {
    std::memset(q, 0, 32);
    return scale;
  }
  const DI di;
  const hn::Rebind<int8_t, D> d8;
  for (int half = 0; half < 2; ++half) {
    auto sum = hn::Zero(di);
    for (int i = 16 * half; i < 16 * half + 16; i += static_cast<int>(kVec)) {
      const auto code = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, inverse)));
      sum = hn::Add(sum, code);
      hn::StoreU(hn::DemoteTo(d8, code), d8, q + i);
    }
    half_sums[half] = hn::GetLane(hn::SumOfLanes(di, sum));
  }
  return scale;
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_ELEMENTWISE_INL_H_
