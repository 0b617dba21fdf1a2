// One span of attention: keys are transposed, or lie so, that registers run over keys for the
// scores (a chain over the head dimension each), and over the head dimension for the values (a
// chain over keys each).
#if defined(AHA_KERNELS_CPU_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_ATTENTION_INL_H_
#undef AHA_KERNELS_CPU_ATTENTION_INL_H_
#else
#define AHA_KERNELS_CPU_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "kernels/cpu/elementwise-inl.h"
#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/transpose-inl.h"
#include "tensor/block_codes.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

void TransposeKeys(const KeySpan& span, int64_t dim, float* keys) {
  for (int64_t t = 0; t < span.count; t += kVec) {
    const float* rows[kVec];
    for (int64_t j = 0; j < kVec; ++j) {
      // Past the last key: any key's values; no query looks at them.
      const int64_t key = std::min(t + j, span.count - 1);
      rows[j] = static_cast<const float*>(span.k[key / kAttentionPageUnit]) +
                key % kAttentionPageUnit * span.k_row_stride;
    }
    Transpose(rows, dim, [&](int64_t i) { return keys + t + i * kAttentionSpan; });
  }
}

// Stored keys and values, T being float, or uint16_t for a half.
HWY_INLINE VF LoadStored(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE VF LoadStored(const uint16_t* p) {
  const hn::Rebind<hwy::float16_t, D> half;
  return hn::PromoteTo(D(), hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(p)));
}
inline float Stored(float value) { return value; }
inline float Stored(uint16_t half) { return HalfToFloat(half); }

// Transposed keys: value i of the 16 keys of group g at group[g] + i * stride.
template <typename T>
struct KeyColumns {
  const T* group[kAttentionSpan / kAttentionPageUnit];
  int64_t stride;
};

// `keys`: what TransposeKeys wrote, unless the span's keys lie in units.
template <typename T>
HWY_INLINE KeyColumns<T> ColumnsOf(const KeySpan& span, const float* keys) {
  KeyColumns<T> columns;
  columns.stride = span.k_in_units ? kAttentionPageUnit : kAttentionSpan;
  for (int64_t g = 0; g * kAttentionPageUnit < span.count; ++g) {
    const void* group = span.k_in_units ? span.k[g] : keys + g * kAttentionPageUnit;
    columns.group[g] = static_cast<const T*>(group);
  }
  return columns;
}

// scores[r][t] = scale * (q[r] . key[t]) for C registers of keys from `t` on.
template <int R, int C, typename T>
HWY_INLINE void ScoreTile(const QueryRows& a, int64_t row, const KeyColumns<T>& keys, int64_t t,
                          float* scores) {
  const D d;
  const T* column[C];
  for (int c = 0; c < C; ++c) {
    const int64_t at = t + c * kVec;
    column[c] = keys.group[at / kAttentionPageUnit] + at % kAttentionPageUnit;
  }
  VF acc[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) acc[r][c] = hn::Zero(d);
  }
  for (int64_t i = 0; i < a.qk_dim; ++i) {
    VF key[C];
    for (int c = 0; c < C; ++c) key[c] = LoadStored(column[c] + i * keys.stride);
    for (int r = 0; r < R; ++r) {
      const VF q = hn::Set(d, a.q[row + r][i]);
      for (int c = 0; c < C; ++c) acc[r][c] = hn::MulAdd(q, key[c], acc[r][c]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      hn::StoreU(hn::Mul(acc[r][c], hn::Set(d, a.scale)), d,
                 scores + r * kAttentionSpan + t + c * kVec);
    }
  }
}

// Scores become exp(score - maximum); gives the maximum and the lane sum.
HWY_INLINE SpanState SoftmaxRow(float* scores, int64_t count) {
  const D d;
  SpanState state;
  state.maximum = Maximum(scores, count);
  const VF m = hn::Set(d, state.maximum);
  // The rest of the last group of 16: exp(-inf) adds zero to its lanes.
  std::fill(scores + count, scores + (count + kLanes - 1) / kLanes * kLanes,
            -std::numeric_limits<float>::infinity());
  VF acc[kParts];
  for (int p = 0; p < kParts; ++p) acc[p] = hn::Zero(d);
  for (int64_t t = 0; t < count; t += kLanes) {
    for (int p = 0; p < kParts; ++p) {
      const VF e = Exp(hn::Sub(hn::LoadU(d, scores + t + p * kVec), m));
      hn::StoreU(e, d, scores + t + p * kVec);
      acc[p] = hn::Add(acc[p], e);
    }
  }
  state.sum = SumTree(acc);
  return state;
}

template <typename T>
HWY_INLINE const T* ValueRow(const KeySpan& span, int64_t t) {
  return static_cast<const T*>(span.v[t / kAttentionPageUnit]) +
         t % kAttentionPageUnit * span.v_row_stride;
}

// out[r][i..] = chain over keys [begin, end) from out itself, C registers wide.
template <typename T, int R, int C>
HWY_INLINE void ValueTile(const KeySpan& span, const float* scores, int64_t begin, int64_t end,
                          int64_t i, int64_t v_dim, float* out) {
  const D d;
  VF acc[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) acc[r][c] = hn::LoadU(d, out + r * v_dim + i + c * kVec);
  }
  for (int64_t t = begin; t < end; ++t) {
    const T* row = ValueRow<T>(span, t) + i;
    VF v[C];
    for (int c = 0; c < C; ++c) v[c] = LoadStored(row + c * kVec);
    for (int r = 0; r < R; ++r) {
      const VF p = hn::Set(d, scores[r * kAttentionSpan + t]);
      for (int c = 0; c < C; ++c) acc[r][c] = hn::MulAdd(p, v[c], acc[r][c]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) hn::StoreU(acc[r][c], d, out + r * v_dim + i + c * kVec);
  }
}

template <typename T, int R>
HWY_INLINE void Values(const KeySpan& span, const float* scores, int64_t begin, int64_t end,
                       int64_t v_dim, float* out) {
  if (begin >= end) return;
  // As many accumulators as there are registers for: AVX2 has sixteen.
  constexpr int kWide = R == 1 ? 8 : R == 2 || kParts == 1 ? 4 : 2;
  int64_t i = 0;
  for (; i + kWide * kVec <= v_dim; i += kWide * kVec) {
    ValueTile<T, R, kWide>(span, scores, begin, end, i, v_dim, out);
  }
  // A chain waits for itself at each key: few registers must not go one by one.
  if constexpr (kWide > 4) {
    for (; i + 4 * kVec <= v_dim; i += 4 * kVec) {
      ValueTile<T, R, 4>(span, scores, begin, end, i, v_dim, out);
    }
  }
  for (; i + 2 * kVec <= v_dim; i += 2 * kVec) {
    ValueTile<T, R, 2>(span, scores, begin, end, i, v_dim, out);
  }
  for (; i + kVec <= v_dim; i += kVec) ValueTile<T, R, 1>(span, scores, begin, end, i, v_dim, out);
  for (; i < v_dim; ++i) {
    for (int64_t t = begin; t < end; ++t) {
      const float v = Stored(ValueRow<T>(span, t)[i]);
      for (int r = 0; r < R; ++r) {
        float& o = out[r * v_dim + i];
        o = std::fma(scores[r * kAttentionSpan + t], v, o);
      }
    }
  }
}

template <int R, typename T>
HWY_NOINLINE void AttendRows(const QueryRows& a, const KeySpan& span, const KeyColumns<T>& keys,
                             int64_t row, float* scores, SpanState* states, float* out) {
  constexpr int kWide = R == 1 ? 8 : kParts == 1 ? 4 : 2;
  const int64_t most = a.counts[row + R - 1];
  const int64_t fewest = a.counts[row];
  int64_t t = 0;
  for (; t + kWide * kVec <= most; t += kWide * kVec) ScoreTile<R, kWide>(a, row, keys, t, scores);
  if constexpr (kWide > 4) {
    for (; t + 4 * kVec <= most; t += 4 * kVec) ScoreTile<R, 4>(a, row, keys, t, scores);
  }
  for (; t < most; t += kVec) ScoreTile<R, 1>(a, row, keys, t, scores);
  for (int r = 0; r < R; ++r) {
    states[row + r] = SoftmaxRow(scores + r * kAttentionSpan, a.counts[row + r]);
  }
  out += row * a.v_dim;
  std::fill(out, out + R * a.v_dim, 0.0f);
  // Keys that all rows see together, then each row's own last ones: a chain never meets a key
  // beyond its query, not even with weight zero.
  Values<T, R>(span, scores, 0, fewest, a.v_dim, out);
  for (int r = 0; r < R; ++r) {
    Values<T, 1>(span, scores + r * kAttentionSpan, fewest, a.counts[row + r], a.v_dim,
                 out + r * a.v_dim);
  }
}

template <typename T>
HWY_INLINE void AttendSpanOf(const QueryRows& a, const KeySpan& span, const float* keys,
                             float* scratch, SpanState* states, float* out) {
  const KeyColumns<T> columns = ColumnsOf<T>(span, keys);
  int64_t row = 0;
  for (; row + 4 <= a.rows; row += 4) AttendRows<4>(a, span, columns, row, scratch, states, out);
  // Three at once for the groups of three and seven heads that many models have.
  for (; row + 3 <= a.rows; row += 3) AttendRows<3>(a, span, columns, row, scratch, states, out);
  for (; row + 2 <= a.rows; row += 2) AttendRows<2>(a, span, columns, row, scratch, states, out);
  for (; row < a.rows; ++row) AttendRows<1>(a, span, columns, row, scratch, states, out);
}

void AttendSpan(const QueryRows& a, const KeySpan& span, const float* keys, float* scratch,
                SpanState* states, float* out) {
  if (span.half) return AttendSpanOf<uint16_t>(a, span, keys, scratch, states, out);
  AttendSpanOf<float>(a, span, keys, scratch, states, out);
}

void MergeSpan(SpanState* state, float* out, const SpanState& span_state, const float* span_out,
               int64_t v_dim) {
  const D d;
  const float largest = std::max(state->maximum, span_state.maximum);
  const float old_weight = portable::Exp(state->maximum - largest);
  const float new_weight = portable::Exp(span_state.maximum - largest);
  state->maximum = largest;
  state->sum = std::fma(span_state.sum, new_weight, state->sum * old_weight);
  ForEachVector<2>({out, span_out}, out, v_dim, [&](const VF(&v)[2]) {
    return hn::MulAdd(v[1], hn::Set(d, new_weight), hn::Mul(v[0], hn::Set(d, old_weight)));
  });
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_ATTENTION_INL_H_
