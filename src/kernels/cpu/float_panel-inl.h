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

// T tokens against all rows of a panel.
template <int T>
HWY_NOINLINE void PanelTile(const FloatPanel& a, const float* x, float* y) {
  const D d;
  VF acc[T][kPanelVectors];
  alignas(64) float partial[4][T][kPanelRows];
  int top = 0;
  const float* rows = a.w;
  const int64_t depth = LaneDepth(a.k);
  const int64_t skip = PackedLaneDepth(a.k) - depth;
  for (int n = 0; n < kLanes; ++n) {
    for (int t = 0; t < T; ++t) {
      for (int v = 0; v < kPanelVectors; ++v) acc[t][v] = hn::Zero(d);
    }
    for (int64_t i = 0; i < depth; ++i) {
      VF w[kPanelVectors];
      for (int v = 0; v < kPanelVectors; ++v) w[v] = hn::Load(d, rows + v * kVec);
      for (int t = 0; t < T; ++t) {
        const VF xv = hn::Set(d, x[t]);
        for (int v = 0; v < kPanelVectors; ++v) acc[t][v] = hn::MulAdd(xv, w[v], acc[t][v]);
      }
      x += kVec;
      rows += kPanelRows;
    }
    x += skip * kVec;
    rows += skip * kPanelRows;
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

template <int... kTokens>
HWY_INLINE void PanelRest(const FloatPanel& a, const float* x, float* y, int64_t tokens,
                          std::integer_sequence<int, kTokens...>) {
  ((tokens == kTokens + 1 ? PanelTile<kTokens + 1>(a, x, y) : void()), ...);
}

void FloatPanelDot(const FloatPanel& a) {
  const int64_t group = kLanes * PackedLaneDepth(a.k) * kVec;
  int64_t t = 0;
  for (; t + kPanelTokens <= a.tokens; t += kPanelTokens) {
    PanelTile<kPanelTokens>(a, a.x + t / kPanelTokens * group, a.y + t * a.y_stride);
  }
  PanelRest(a, a.x + t / kPanelTokens * group, a.y + t * a.y_stride, a.tokens - t,
            std::make_integer_sequence<int, kPanelTokens - 1>());
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_FLOAT_PANEL_INL_H_
