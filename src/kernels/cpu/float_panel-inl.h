// y = x w^T for float weights and many tokens. The sums of float_tile-inl.h, in the order of a
// matrix product: lane j of all outputs of a tile is one chain over k = j, 16 + j, ..., registers
// run over weight rows, and the lanes' tiles are added as the tree says. A load serves many more
// multiply-adds, and no register is summed across; both operands must be packed lane by lane.
#if defined(AHA_KERNELS_CPU_FLOAT_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_FLOAT_PANEL_INL_H_
#undef AHA_KERNELS_CPU_FLOAT_PANEL_INL_H_
#else
#define AHA_KERNELS_CPU_FLOAT_PANEL_INL_H_
#endif

#include <algorithm>
#include <utility>

#include "kernels/cpu/float_tile-inl.h"
#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/transpose-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// Accumulators of a tile, beside two registers of weights and a broadcast: 12 of 16, 24 of 32.
constexpr int kPanelVectors = 2;
constexpr int kPanelTokens = HWY_TARGET == HWY_AVX3 ? 12 : 6;
constexpr int64_t kPanelRows = kPanelVectors * kVec;

// The lanes in the order in which they are computed and lie in memory: each is added to what lies
// on top of a stack, as in counting; after number n as many sums as n has trailing ones are whole.
constexpr int kLaneNumber[kLanes] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

template <DType kDType>
HWY_INLINE void PackLanesOf(const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
                            int64_t width, float* packed) {
  using W = Weights<kDType>;
  constexpr int64_t kBytes = sizeof(typename W::T);
  const int64_t depth = LaneDepth(k);
  const int64_t lane = PackedLaneDepth(k) * width;
  for (int64_t first = 0; first < width; first += kVec) {
    const std::byte* from[kVec];
    for (int64_t r = 0; r < kVec; ++r) from[r] = rows + std::min(first + r, count - 1) * row_bytes;
    for (int64_t i = 0; i < depth; ++i) {
      const int64_t values = std::min(kLanes, k - i * kLanes);
      alignas(64) float widened[kVec][kLanes];
      const float* group[kVec];
      for (int64_t r = 0; r < kVec; ++r) {
        const std::byte* at = from[r] + i * kLanes * kBytes;
        if (values == kLanes && kDType == DType::kF32) {
          group[r] = reinterpret_cast<const float*>(at);
          continue;
        }
        alignas(64) std::byte padded[kLanes * kBytes] = {};
        if (values < kLanes) {
          std::memcpy(padded, at, static_cast<size_t>(values * kBytes));
          at = padded;
        }
        for (int p = 0; p < kParts; ++p) {
          hn::Store(W::Load(at + p * kVec * kBytes), D(), widened[r] + p * kVec);
        }
        group[r] = widened[r];
      }
      float* to = packed + i * width + first;
      Transpose(group, kLanes, [&](int64_t j) { return to + kLaneNumber[j] * lane; });
    }
  }
}

void PackLanes(DType dtype, const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
               int64_t width, float* packed) {
  WithFloatType(
      dtype, [&](auto type) { PackLanesOf<type.value>(rows, row_bytes, count, k, width, packed); });
}

// column(j)[r] = value j of row low[r] in the low and of row high[r] in the high half of a word,
// for sixteen values from `at` on.
template <typename F>
HWY_INLINE void PairColumns(const uint16_t* const* low, const uint16_t* const* high, int64_t at,
                            const F& column) {
#if HWY_TARGET == HWY_AVX2
  // Words 0 to 3 and 8 to 11 of a row, or the others, in the two parts of a register; 4x4
  // transposes inside the parts; then the parts of rows 0 to 3 and 4 to 7 beside each other.
  const auto load = [&](const uint16_t* row) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + at));
  };
  for (int64_t first = 0; first < 8; first += 4) {
    __m256i part[2][4];
    for (int64_t half = 0; half < 2; ++half) {
      __m256i words[4];
      for (int64_t r = 0; r < 4; ++r) {
        const __m256i a = load(low[4 * half + r]);
        const __m256i b = load(high[4 * half + r]);
        words[r] = first == 0 ? _mm256_unpacklo_epi16(a, b) : _mm256_unpackhi_epi16(a, b);
      }
      const __m256i ab_low = _mm256_unpacklo_epi32(words[0], words[1]);
      const __m256i ab_high = _mm256_unpackhi_epi32(words[0], words[1]);
      const __m256i cd_low = _mm256_unpacklo_epi32(words[2], words[3]);
      const __m256i cd_high = _mm256_unpackhi_epi32(words[2], words[3]);
      part[half][0] = _mm256_unpacklo_epi64(ab_low, cd_low);
      part[half][1] = _mm256_unpackhi_epi64(ab_low, cd_low);
      part[half][2] = _mm256_unpacklo_epi64(ab_high, cd_high);
      part[half][3] = _mm256_unpackhi_epi64(ab_high, cd_high);
    }
    for (int64_t i = 0; i < 4; ++i) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(column(first + i)),
                         _mm256_permute2x128_si256(part[0][i], part[1][i], 0x20));
      _mm256_store_si256(reinterpret_cast<__m256i*>(column(first + 8 + i)),
                         _mm256_permute2x128_si256(part[0][i], part[1][i], 0x31));
    }
  }
#else
  const hn::Rebind<uint16_t, D> half;
  const DU du;
  alignas(64) uint32_t words[kVec][kLanes];
  const float* rows[kVec];  // bits: moved, not computed with
  for (int64_t r = 0; r < kVec; ++r) {
    const auto a = hn::PromoteTo(du, hn::LoadU(half, low[r] + at));
    const auto b = hn::PromoteTo(du, hn::LoadU(half, high[r] + at));
    hn::Store(hn::Or(a, hn::ShiftLeft<16>(b)), du, words[r]);
    rows[r] = reinterpret_cast<const float*>(words[r]);
  }
  Transpose(rows, kLanes, [&](int64_t j) { return reinterpret_cast<float*>(column(j)); });
#endif
}

void PackPairs(const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
               uint32_t* packed) {
  const uint16_t* row[kPanelRows];
  for (int64_t r = 0; r < kPanelRows; ++r) {
    row[r] = reinterpret_cast<const uint16_t*>(rows + std::min(r, count - 1) * row_bytes);
  }
  const int64_t lane = PackedLaneDepth(k) * kVec;
  const int64_t whole = k / kLanes;
  for (int64_t i = 0; i < whole; ++i) {
    PairColumns(row, row + kVec, i * kLanes,
                [&](int64_t j) { return packed + kLaneNumber[j] * lane + i * kVec; });
  }
  if (whole * kLanes == k) return;
  uint16_t padded[kPanelRows][kLanes] = {};
  for (int64_t r = 0; r < kPanelRows; ++r) {
    std::copy(row[r] + whole * kLanes, row[r] + k, padded[r]);
    row[r] = padded[r];
  }
  PairColumns(row, row + kVec, 0,
              [&](int64_t j) { return packed + kLaneNumber[j] * lane + whole * kVec; });
}

// One step's weights of a panel.
struct PanelFloats {
  using T = float;
  static constexpr int64_t kStep = kPanelRows;
  static HWY_INLINE void Load(const float* p, VF (&w)[kPanelVectors]) {
    for (int v = 0; v < kPanelVectors; ++v) w[v] = hn::Load(D(), p + v * kVec);
  }
};

struct PanelPairs {
  using T = uint32_t;
  static constexpr int64_t kStep = kVec;
  static HWY_INLINE void Load(const uint32_t* p, VF (&w)[kPanelVectors]) {
    static_assert(kPanelVectors == 2);
    const DU du;
    const auto words = hn::Load(du, p);
    w[0] = hn::BitCast(D(), hn::ShiftLeft<16>(words));
    w[1] = hn::BitCast(D(), hn::And(words, hn::Set(du, 0xffff0000u)));
  }
};

// T tokens against all rows of a panel. kAhead: asks memory for a.next meanwhile.
template <typename W, int T, bool kAhead>
HWY_NOINLINE void PanelTile(const FloatPanel& a, const float* x, float* y) {
  const D d;
  VF acc[T][kPanelVectors];
  alignas(64) float partial[4][T][kPanelRows];
  int top = 0;
  const auto* rows = static_cast<const typename W::T*>(a.w);
  const int64_t depth = LaneDepth(a.k);
  const std::byte* ahead = a.next;
  const int64_t each = kAhead ? a.next_bytes / (kLanes * depth) : 0;
  const int64_t skip = PackedLaneDepth(a.k) - depth;
  for (int n = 0; n < kLanes; ++n) {
    for (int t = 0; t < T; ++t) {
      for (int v = 0; v < kPanelVectors; ++v) acc[t][v] = hn::Zero(d);
    }
    for (int64_t i = 0; i < depth; ++i) {
      VF w[kPanelVectors];
      W::Load(rows, w);
      if constexpr (kAhead) {
        for (int64_t b = 0; b < each; b += 64) __builtin_prefetch(ahead + b, 0, 2);
        ahead += each;
      }
      for (int t = 0; t < T; ++t) {
        const VF xv = hn::Set(d, x[t]);
        for (int v = 0; v < kPanelVectors; ++v) acc[t][v] = hn::MulAdd(xv, w[v], acc[t][v]);
      }
      x += kVec;
      rows += W::kStep;
    }
    x += skip * kVec;
    rows += skip * W::kStep;
    for (int done = n; (done & 1) != 0; done >>= 1) {
      --top;
      for (int t = 0; t < T; ++t) {
        for (int v = 0; v < kPanelVectors; ++v) {
          acc[t][v] = hn::Add(hn::Load(d, partial[top][t] + v * kVec), acc[t][v]);
        }
      }
    }
    if (n == kLanes - 1) break;
    for (int t = 0; t < T; ++t) {
      for (int v = 0; v < kPanelVectors; ++v) hn::Store(acc[t][v], d, partial[top][t] + v * kVec);
    }
    ++top;
  }
  if (a.bias != nullptr) {
    alignas(64) float bias[kPanelRows] = {};
    std::copy_n(a.bias, a.rows, bias);
    for (int t = 0; t < T; ++t) {
      for (int v = 0; v < kPanelVectors; ++v) {
        acc[t][v] = hn::Add(acc[t][v], hn::Load(d, bias + v * kVec));
      }
    }
  }
  const bool whole = a.rows == kPanelRows;
  for (int t = 0; t < T; ++t) {
    float* to = whole ? y + t * a.y_stride : partial[0][t];
    for (int v = 0; v < kPanelVectors; ++v) hn::StoreU(acc[t][v], d, to + v * kVec);
    if (!whole) std::copy_n(partial[0][t], a.rows, y + t * a.y_stride);
  }
}

template <typename W, bool kAhead, int... kTokens>
HWY_INLINE void PanelRest(const FloatPanel& a, const float* x, float* y, int64_t tokens,
                          std::integer_sequence<int, kTokens...>) {
  ((tokens == kTokens + 1 ? PanelTile<W, kTokens + 1, kAhead>(a, x, y) : void()), ...);
}

// Tokens t to the next group's, or to the last.
template <typename W, bool kAhead>
HWY_INLINE void PanelGroup(const FloatPanel& a, int64_t t) {
  const float* x = a.x + t / kPanelTokens * (kLanes * PackedLaneDepth(a.k) * kVec);
  float* y = a.y + t * a.y_stride;
  const int64_t tokens = std::min<int64_t>(kPanelTokens, a.tokens - t);
  PanelRest<W, kAhead>(a, x, y, tokens, std::make_integer_sequence<int, kPanelTokens>());
}

template <typename W>
HWY_INLINE void PanelGroups(const FloatPanel& a) {
  int64_t t = 0;
  if (a.next != nullptr) {
    PanelGroup<W, true>(a, 0);
    t = kPanelTokens;
  }
  for (; t < a.tokens; t += kPanelTokens) PanelGroup<W, false>(a, t);
}

void FloatPanelDot(const FloatPanel& a) {
  a.pairs ? PanelGroups<PanelPairs>(a) : PanelGroups<PanelFloats>(a);
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_FLOAT_PANEL_INL_H_
