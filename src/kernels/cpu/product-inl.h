// c (+)= a b with one chain over k for each element: register tiles of rows of c by a panel of
// columns. b comes packed as [k][kProductPanel].
#if defined(AHA_KERNELS_CPU_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_PRODUCT_INL_H_
#undef AHA_KERNELS_CPU_PRODUCT_INL_H_
#else
#define AHA_KERNELS_CPU_PRODUCT_INL_H_
#endif

#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// AVX-512: 6 x 4 accumulators, 4 of b; AVX2: 6 x 2, 2 of b: all in registers.
constexpr int kTileRows = 6;
constexpr int kTileVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;
constexpr int kPasses = static_cast<int>(kProductPanel / (kTileVectors * kVec));

// R rows from a, one vector group of the panel at column `at`.
template <int R>
HWY_INLINE void ProductTile(const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t k,
                            float* c, int64_t c_row, bool from_c) {
  const D d;
  VF acc[R][kTileVectors];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kTileVectors; ++v) {
      acc[r][v] = from_c ? hn::LoadU(d, c + r * c_row + v * kVec) : hn::Zero(d);
    }
  }
  for (int64_t l = 0; l < k; ++l) {
    VF bv[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) bv[v] = hn::Load(d, b + l * kProductPanel + v * kVec);
    for (int r = 0; r < R; ++r) {
      const VF av = hn::Set(d, a[r * a_row + l * a_col]);
      for (int v = 0; v < kTileVectors; ++v) acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kTileVectors; ++v) hn::StoreU(acc[r][v], d, c + r * c_row + v * kVec);
  }
}

template <int R>
HWY_NOINLINE void ProductRows(const ProductPanel& p, int64_t row) {
  const float* a = p.a + row * p.a_row_stride;
  int64_t a_row = p.a_row_stride;
  int64_t a_col = p.a_col_stride;
  // A transposed a is read down its columns: R neighbours at a time, packed so that the lines read
  // for one l are not lost to those of the next.
  if (a_col != 1) {
    for (int64_t l = 0; l < p.k; ++l) {
      for (int r = 0; r < R; ++r) p.scratch[l * R + r] = a[r * a_row + l * a_col];
    }
    a = p.scratch;
    a_row = 1;
    a_col = R;
  }
  float* c = p.c + row * p.c_row_stride;
  if (p.n == kProductPanel) {
    for (int v = 0; v < kPasses; ++v) {
      const int64_t at = v * kTileVectors * kVec;
      ProductTile<R>(a, a_row, a_col, p.b + at, p.k, c + at, p.c_row_stride, p.accumulate);
    }
    return;
  }
  // A panel's last columns: through a whole one of its own.
  alignas(64) float whole[R * kProductPanel] = {};
  if (p.accumulate) {
    for (int r = 0; r < R; ++r) {
      std::memcpy(whole + r * kProductPanel, c + r * p.c_row_stride,
                  static_cast<size_t>(p.n) * sizeof(float));
    }
  }
  for (int64_t at = 0; at < p.n; at += kTileVectors * kVec) {
    ProductTile<R>(a, a_row, a_col, p.b + at, p.k, whole + at, kProductPanel, p.accumulate);
  }
  for (int r = 0; r < R; ++r) {
    std::memcpy(c + r * p.c_row_stride, whole + r * kProductPanel,
                static_cast<size_t>(p.n) * sizeof(float));
  }
}

void ProductPanelRows(const ProductPanel& p) {
  int64_t row = 0;
  for (; row + kTileRows <= p.m; row += kTileRows) ProductRows<kTileRows>(p, row);
  switch (p.m - row) {
    case 1:
      return ProductRows<1>(p, row);
    case 2:
      return ProductRows<2>(p, row);
    case 3:
      return ProductRows<3>(p, row);
    case 4:
      return ProductRows<4>(p, row);
    case 5:
      return ProductRows<5>(p, row);
    default:
      return;
  }
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_PRODUCT_INL_H_
