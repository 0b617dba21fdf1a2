// c (+)= a b with one chain over k for each element: register tiles of rows of c by a panel of
// columns.
#if defined(AHA_KERNELS_CPU_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_PRODUCT_INL_H_
#undef AHA_KERNELS_CPU_PRODUCT_INL_H_
#else
#define AHA_KERNELS_CPU_PRODUCT_INL_H_
#endif

#include <algorithm>

#include "kernels/cpu/float_tile-inl.h"
#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// AVX-512: 6 x 4 accumulators, 4 of b; AVX2: 6 x 2, 2 of b: all in registers.
constexpr int kTileVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;

// R rows of a by V registers of columns. kDown: the rows of a are neighbours in memory.
template <int R, int V, bool kDown>
HWY_INLINE void ProductTile(const ProductPanel& p, const float* a, const float* b, float* c,
                            int64_t c_row) {
  const D d;
  VF acc[R][V];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      acc[r][v] = p.accumulate ? hn::LoadU(d, c + r * c_row + v * kVec) : hn::Zero(d);
    }
  }
  const int64_t a_row = kDown ? 1 : p.a_row_stride;
  const int64_t a_col = kDown ? p.a_col_stride : 1;
  for (int64_t l = 0; l < p.k; ++l) {
    VF bv[V];
    for (int v = 0; v < V; ++v) bv[v] = hn::LoadU(d, b + l * p.b_row_stride + v * kVec);
    for (int r = 0; r < R; ++r) {
      const VF av = hn::Set(d, a[r * a_row + l * a_col]);
      for (int v = 0; v < V; ++v) acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) hn::StoreU(acc[r][v], d, c + r * c_row + v * kVec);
  }
}

// V registers of columns from `at`. Columns past n are computed in a tile of their own.
template <int R, int V, bool kDown>
HWY_NOINLINE void ProductColumns(const ProductPanel& p, const float* a, float* c, int64_t at) {
  const int64_t n = std::min(p.n - at, V * kVec);
  const float* b = p.b + at / (kTileVectors * kVec) * p.b_tile_stride;
  if (n == V * kVec) return ProductTile<R, V, kDown>(p, a, b, c + at, p.c_row_stride);
  alignas(64) float whole[R * V * kVec] = {};
  const size_t bytes = static_cast<size_t>(n) * sizeof(float);
  if (p.accumulate) {
    for (int r = 0; r < R; ++r)
      std::memcpy(whole + r * V * kVec, c + r * p.c_row_stride + at, bytes);
  }
  ProductTile<R, V, kDown>(p, a, b, whole, V * kVec);
  for (int r = 0; r < R; ++r) std::memcpy(c + r * p.c_row_stride + at, whole + r * V * kVec, bytes);
}

template <int R, bool kDown>
HWY_INLINE void ProductRows(const ProductPanel& p, int64_t row) {
  const float* a = p.a + row / kProductRows * p.a_group_stride;
  float* c = p.c + row * p.c_row_stride;
  int64_t at = 0;
  for (; p.n - at > (kTileVectors - 1) * kVec; at += kTileVectors * kVec) {
    ProductColumns<R, kTileVectors, kDown>(p, a, c, at);
  }
  if (at >= p.n) return;
  if constexpr (kTileVectors > 2) {
    if (p.n - at > 2 * kVec) return ProductColumns<R, 3, kDown>(p, a, c, at);
    if (p.n - at > kVec) return ProductColumns<R, 2, kDown>(p, a, c, at);
  }
  ProductColumns<R, 1, kDown>(p, a, c, at);
}

template <bool kDown>
HWY_INLINE void ProductPanelOf(const ProductPanel& p) {
  int64_t row = 0;
  for (; row + kProductRows <= p.m; row += kProductRows) ProductRows<kProductRows, kDown>(p, row);
  switch (p.m - row) {
    case 1:
      return ProductRows<1, kDown>(p, row);
    case 2:
      return ProductRows<2, kDown>(p, row);
    case 3:
      return ProductRows<3, kDown>(p, row);
    case 4:
      return ProductRows<4, kDown>(p, row);
    case 5:
      return ProductRows<5, kDown>(p, row);
    default:
      return;
  }
}

void ProductPanelRows(const ProductPanel& p) {
  if (p.a_row_stride == 1) return ProductPanelOf<true>(p);
  ProductPanelOf<false>(p);
}

template <DType kDType>
HWY_INLINE void PackColumnsOf(const std::byte* rows, int64_t row_bytes, int64_t count, int64_t n,
                              int64_t tile_stride, float* packed) {
  using W = Weights<kDType>;
  constexpr int64_t kBytes = sizeof(typename W::T);
  constexpr int64_t kTile = kTileVectors * kVec;
  const D d;
  for (int64_t l = 0; l < count; ++l) {
    const std::byte* row = rows + l * row_bytes;
    float* to = packed + l * kTile;
    int64_t j = 0;
    for (; j + kTile <= n; j += kTile, to += tile_stride) {
      for (int v = 0; v < kTileVectors; ++v) {
        hn::Store(W::Load(row + (j + v * kVec) * kBytes), d, to + v * kVec);
      }
    }
    if (j == n) continue;
    alignas(64) std::byte rest[kTile * kBytes] = {};
    std::memcpy(rest, row + j * kBytes, static_cast<size_t>((n - j) * kBytes));
    for (int v = 0; v < kTileVectors; ++v) {
      hn::Store(W::Load(rest + v * kVec * kBytes), d, to + v * kVec);
    }
  }
}

void PackColumns(DType dtype, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t n,
                 int64_t tile_stride, float* packed) {
  WithFloatType(dtype, [&](auto type) {
    PackColumnsOf<type.value>(rows, row_bytes, count, n, tile_stride, packed);
  });
}

template <DType kDType>
HWY_INLINE void WidenOf(const std::byte* x, int64_t n, float* y) {
  using W = Weights<kDType>;
  constexpr int64_t kBytes = sizeof(typename W::T);
  int64_t i = 0;
  for (; i + kVec <= n; i += kVec) hn::StoreU(W::Load(x + i * kBytes), D(), y + i);
  if (i == n) return;
  alignas(64) std::byte in[kVec * kBytes] = {};
  alignas(64) float out[kVec];
  std::memcpy(in, x + i * kBytes, static_cast<size_t>((n - i) * kBytes));
  hn::Store(W::Load(in), D(), out);
  std::memcpy(y + i, out, static_cast<size_t>(n - i) * sizeof(float));
}

void Widen(DType dtype, const std::byte* x, int64_t n, float* y) {
  WithFloatType(dtype, [&](auto type) { WidenOf<type.value>(x, n, y); });
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_PRODUCT_INL_H_
