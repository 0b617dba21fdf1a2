// Rows of floats to columns, a register of rows at a time.
#if defined(AHA_KERNELS_CPU_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_TRANSPOSE_INL_H_
#undef AHA_KERNELS_CPU_TRANSPOSE_INL_H_
#else
#define AHA_KERNELS_CPU_TRANSPOSE_INL_H_
#endif

#include "kernels/cpu/lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// Four floats of rows i, 4 + i, 8 + i, ... in the 128-bit parts of one register.
HWY_INLINE VF LoadFourOfEach(const float* const* rows, int i, int64_t offset) {
#if HWY_TARGET == HWY_AVX3
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + offset));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[4 + i] + offset), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[8 + i] + offset), 2);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[12 + i] + offset), 3);
  return VF{v};
#else
  __m256 v = _mm256_castps128_ps256(_mm_loadu_ps(rows[i] + offset));
  v = _mm256_insertf128_ps(v, _mm_loadu_ps(rows[4 + i] + offset), 1);
  return VF{v};
#endif
}

// column(i)[r] = rows[r][i] for kVec rows of n values: 4x4 transposes inside each 128-bit part put
// row 4 L + i at lane 4 L + i.
template <typename F>
HWY_INLINE void Transpose(const float* const* rows, int64_t n, const F& column) {
  const D d;
  const hn::Repartition<double, D> dd;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const VF a = LoadFourOfEach(rows, 0, i);
    const VF b = LoadFourOfEach(rows, 1, i);
    const VF c = LoadFourOfEach(rows, 2, i);
    const VF e = LoadFourOfEach(rows, 3, i);
    const auto ab_low = hn::BitCast(dd, hn::InterleaveLower(d, a, b));
    const auto ab_high = hn::BitCast(dd, hn::InterleaveUpper(d, a, b));
    const auto ce_low = hn::BitCast(dd, hn::InterleaveLower(d, c, e));
    const auto ce_high = hn::BitCast(dd, hn::InterleaveUpper(d, c, e));
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab_low, ce_low)), d, column(i));
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab_low, ce_low)), d, column(i + 1));
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab_high, ce_high)), d, column(i + 2));
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab_high, ce_high)), d, column(i + 3));
  }
  for (; i < n; ++i) {
    for (int64_t r = 0; r < kVec; ++r) column(i)[r] = rows[r][i];
  }
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_TRANSPOSE_INL_H_
