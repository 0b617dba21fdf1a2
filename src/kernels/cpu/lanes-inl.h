// Sixteen virtual lanes on whatever registers the target has: L16 is one AVX-512 register or two of
// AVX2. Per-target include guard, as Highway asks.
#if defined(AHA_KERNELS_CPU_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_LANES_INL_H_
#undef AHA_KERNELS_CPU_LANES_INL_H_
#else
#define AHA_KERNELS_CPU_LANES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>
#include <limits>

#include "base/portable_math.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using VF = hn::Vec<D>;
constexpr int64_t kVec = static_cast<int64_t>(HWY_LANES(float));  // floats in one register
constexpr int64_t kLanes = 16;
constexpr int kParts = static_cast<int>(kLanes / kVec);

// The tree of a lane sum, 16 -> 8 -> 4 -> 2 -> 1, and its end.
HWY_INLINE float SumTreeOfFour(__m128 four) {
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

HWY_INLINE float SumTree(const VF (&part)[kParts]) {
#if HWY_TARGET == HWY_AVX3
  const __m256 eight =
      _mm256_add_ps(_mm512_castps512_ps256(part[0].raw), _mm512_extractf32x8_ps(part[0].raw, 1));
#else
  const __m256 eight = _mm256_add_ps(part[0].raw, part[1].raw);
#endif
  return SumTreeOfFour(_mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1)));
}

// Up to 16 floats, the rest zeros.
struct Padded16 {
  alignas(64) float values[kLanes] = {};
  HWY_INLINE Padded16(const float* x, int64_t count) {
    std::memcpy(values, x, static_cast<size_t>(count) * sizeof(float));
  }
};

// base/portable_math.h's Exp, lane by lane.
HWY_INLINE VF Exp(VF x) {
  using C = portable::ExpConstants;
  const D d;
  const DI di;
  const auto too_small = hn::Lt(x, hn::Set(d, C::kMin));
  const auto too_large = hn::Gt(x, hn::Set(d, C::kMax));
  // Also keeps the exponent arithmetic in range; a NaN comes out of Round unchanged and is put back
  // below.
  const VF in = hn::Min(hn::Max(x, hn::Set(d, C::kMin)), hn::Set(d, C::kMax));
  const VF n = hn::Round(hn::Mul(in, hn::Set(d, C::kLog2E)));
  VF r = hn::MulAdd(n, hn::Set(d, -C::kLn2Hi), in);
  r = hn::MulAdd(n, hn::Set(d, -C::kLn2Lo), r);
  VF p = hn::MulAdd(hn::Set(d, C::kC7), r, hn::Set(d, C::kC6));
  p = hn::MulAdd(p, r, hn::Set(d, C::kC5));
  p = hn::MulAdd(p, r, hn::Set(d, C::kC4));
  p = hn::MulAdd(p, r, hn::Set(d, C::kC3));
  p = hn::MulAdd(p, r, hn::Set(d, C::kC2));
  p = hn::MulAdd(p, hn::Mul(r, r), r);
  p = hn::Add(p, hn::Set(d, 1.0f));
  const auto i = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(i);
  const auto bias = hn::Set(di, 127);
  const VF a = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const VF b = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(i, half), bias)));
  VF y = hn::Mul(hn::Mul(p, a), b);
  y = hn::IfThenZeroElse(too_small, y);
  y = hn::IfThenElse(too_large, hn::Set(d, std::numeric_limits<float>::infinity()), y);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_LANES_INL_H_
