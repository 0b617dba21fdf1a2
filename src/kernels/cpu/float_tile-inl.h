// y = x w^T for float weights: register tiles of rows x tokens, each output one lane sum over k.
#if defined(AHA_KERNELS_CPU_FLOAT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_FLOAT_TILE_INL_H_
#undef AHA_KERNELS_CPU_FLOAT_TILE_INL_H_
#else
#define AHA_KERNELS_CPU_FLOAT_TILE_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// Stored weights widened to float32, exactly.
template <DType kDType>
struct Weights;

template <>
struct Weights<DType::kF32> {
  using T = float;
  static HWY_INLINE VF Load(const std::byte* p) {
    return hn::LoadU(D(), reinterpret_cast<const float*>(p));
  }
};

template <>
struct Weights<DType::kF16> {
  using T = uint16_t;
  static HWY_INLINE VF Load(const std::byte* p) {
    const hn::Rebind<hwy::float16_t, D> half;
    return hn::PromoteTo(D(), hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(p)));
  }
};

template <>
struct Weights<DType::kBF16> {
  using T = uint16_t;
  static HWY_INLINE VF Load(const std::byte* p) {
    const hn::Rebind<uint16_t, D> half;
    const auto bits = hn::PromoteTo(DU(), hn::LoadU(half, reinterpret_cast<const uint16_t*>(p)));
    return hn::BitCast(D(), hn::ShiftLeft<16>(bits));
  }
};

// The weights of one step of a tile, sixteen lanes: part p of them, and the sum of a lane's tree.
template <DType kDType>
struct TileWeights : Weights<kDType> {
  using typename Weights<kDType>::T;
  static constexpr bool kSplit = false;
  static HWY_INLINE VF Load(const std::byte* lanes, int p) {
    return Weights<kDType>::Load(lanes + p * kVec * static_cast<int64_t>(sizeof(T)));
  }
  static HWY_INLINE float Sum(const VF (&part)[kParts]) { return SumTree(part); }
};

#if HWY_TARGET == HWY_AVX2
// Of bf16 the even lanes and the odd: one operation each, where widening them in their order takes
// three. x must lie in the same order (SplitLanes).
template <>
struct TileWeights<DType::kBF16> {
  using T = uint16_t;
  static constexpr bool kSplit = true;
  static HWY_INLINE VF Load(const std::byte* lanes, int p) {
    const DU du;
    // Read once a part: kept for both, the words of two rows would push a sum out of its register.
    if (p != 0) asm("" : "+r"(lanes));
    const auto words = hn::LoadU(du, reinterpret_cast<const uint32_t*>(lanes));
    return hn::BitCast(
        D(), p == 0 ? hn::ShiftLeft<16>(words) : hn::And(words, hn::Set(du, 0xffff0000u)));
  }
  // The tree's additions, of which the first happen inside each part.
  static HWY_INLINE float Sum(const VF (&part)[kParts]) {
    const auto halves = [](VF v) {
      return _mm_add_ps(_mm256_castps256_ps128(v.raw), _mm256_extractf128_ps(v.raw, 1));
    };
    const __m128 even = halves(part[0]);
    const __m128 odd = halves(part[1]);
    return SumTreeOfFour(_mm_add_ps(_mm_unpacklo_ps(even, odd), _mm_unpackhi_ps(even, odd)));
  }
};
#endif

// Of each sixteen values those with even numbers, then those with odd; zeros past k.
void SplitLanes(const float* x, int64_t k, float* y) {
  for (int64_t i = 0; i < k; i += kLanes) {
    const Padded16 lanes(x + i, std::min(kLanes, k - i));
    for (int64_t j = 0; j < kLanes; ++j) y[i + j % 2 * (kLanes / 2) + j / 2] = lanes.values[j];
  }
}

// f(a constant that is `dtype`), for the types that Weights knows.
template <typename F>
HWY_INLINE void WithFloatType(DType dtype, const F& f) {
  switch (dtype) {
    case DType::kF32:
      return f(std::integral_constant<DType, DType::kF32>());
    case DType::kF16:
      return f(std::integral_constant<DType, DType::kF16>());
    default:
      return f(std::integral_constant<DType, DType::kBF16>());
  }
}

// R rows of w against T rows of x. The innermost loads serve R * T multiply-adds. kAhead: asks
// memory for the next R rows meanwhile; rows are too short for the machine to see them coming.
template <DType kDType, int R, int T, bool kAhead>
HWY_NOINLINE void DotTile(const FloatTile& a, int64_t row, int64_t token) {
  using W = TileWeights<kDType>;
  constexpr int64_t kBytes = sizeof(typename W::T);
  const std::byte* w = a.w + row * a.row_bytes;
  const float* x = a.x + token * a.x_stride;
  const D d;
  VF acc[R][T][kParts];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) {
      for (int p = 0; p < kParts; ++p) acc[r][t][p] = hn::Zero(d);
    }
  }
  const int64_t whole = a.k / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    if constexpr (kAhead) {
      for (int r = 0; r < R; ++r) __builtin_prefetch(w + (R + r) * a.row_bytes + i * kBytes, 0, 2);
    }
    for (int p = 0; p < kParts; ++p) {
      VF wv[R];
      for (int r = 0; r < R; ++r) wv[r] = W::Load(w + r * a.row_bytes + i * kBytes, p);
      for (int t = 0; t < T; ++t) {
        const VF xv = hn::LoadU(d, x + t * a.x_stride + i + p * kVec);
        for (int r = 0; r < R; ++r) acc[r][t][p] = hn::MulAdd(xv, wv[r], acc[r][t][p]);
      }
    }
  }
  if (whole < a.k) {
    alignas(64) std::byte padded[R][kLanes * kBytes] = {};
    for (int r = 0; r < R; ++r) {
      std::memcpy(padded[r], w + r * a.row_bytes + whole * kBytes,
                  static_cast<size_t>((a.k - whole) * kBytes));
    }
    for (int t = 0; t < T; ++t) {
      const Padded16 tail(x + t * a.x_stride + whole, W::kSplit ? kLanes : a.k - whole);
      for (int r = 0; r < R; ++r) {
        for (int p = 0; p < kParts; ++p) {
          acc[r][t][p] =
              hn::MulAdd(hn::Load(d, tail.values + p * kVec), W::Load(padded[r], p), acc[r][t][p]);
        }
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) {
      float sum = W::Sum(acc[r][t]);
      if (a.bias != nullptr) sum += a.bias[row + r];
      a.y[(token + t) * a.y_stride + row + r] = sum;
    }
  }
}

// All rows against T tokens, which stay in the first cache. The first tokens find the rows in
// memory.
template <DType kDType, int T, bool kFirst>
HWY_INLINE void DotTokens(const FloatTile& a, int64_t token) {
  // With the most tokens as many accumulators as the register file holds beside the loads; one
  // token takes more rows, so that the chains of one lane hide each other's latency.
  constexpr int kRows = kParts == 1 ? (T == 1 ? 8 : 4) : (T == 1 ? 4 : 2);
  int64_t row = 0;
  for (; row + kRows <= a.rows; row += kRows) DotTile<kDType, kRows, T, kFirst>(a, row, token);
  for (; row < a.rows; ++row) DotTile<kDType, 1, T, kFirst>(a, row, token);
}

// As many tokens from `t` as go together; the first that is left.
template <DType kDType, bool kFirst>
HWY_INLINE int64_t DotNext(const FloatTile& a, int64_t t) {
  constexpr int kTokens = kParts == 1 ? 4 : 3;
  const int64_t left = a.tokens - t;
  if (left >= kTokens) {
    DotTokens<kDType, kTokens, kFirst>(a, t);
    return t + kTokens;
  }
  if (left >= 2) {
    DotTokens<kDType, 2, kFirst>(a, t);
    return t + 2;
  }
  DotTokens<kDType, 1, kFirst>(a, t);
  return t + 1;
}

void FloatTileDot(const FloatTile& a) {
  if (a.tokens == 0) return;
  WithFloatType(a.dtype, [&](auto type) {
    for (int64_t t = DotNext<type.value, true>(a, 0); t < a.tokens;) {
      t = DotNext<type.value, false>(a, t);
    }
  });
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_FLOAT_TILE_INL_H_
