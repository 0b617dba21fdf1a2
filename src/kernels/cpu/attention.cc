// Attention of the CPU backend: which rows, which spans, which thread.
//
// A row is one (query, head). The rows of a sequence that share a kv head are cut into tiles; a
// work item takes one tile over a run of spans. With enough tiles the run is all of them (prefill);
// with few (decode) each span is an item of its own and the states are merged afterwards, in the
// same order with the same operations.
#include <algorithm>
#include <cstring>

#include "base/portable_math.h"
#include "kernels/cpu/cpu_backend.h"

namespace aha::kernels::cpu {
namespace {

constexpr int64_t kRowTile = 64;
constexpr int64_t kRowsOfHalfs = 4;  // that read a float16 span as it is

struct Item {
  int32_t sequence = 0;
  int32_t kv_head = 0;
  int64_t first_row = 0, rows = 0;  // of the sequence's queries * group rows
  int64_t first_span = 0, spans = 0;
  SpanState* states = nullptr;  // where a lone span's result goes; null: merge all and write `out`
  float* partial = nullptr;     // [rows, v_dim]
};

// Rows of one tile, whose states must be merged: the items before it hold its spans.
struct Merge {
  int64_t first_item = 0, spans = 0;
};

class AttentionRun {
 public:
  AttentionRun(Context& cx, const LaneKernels& lanes, const AttentionArgs& args)
      : cx_(cx), lanes_(lanes), args_(args), group_(args.n_heads / args.n_kv_heads) {
    int64_t tiles = 0;
    int64_t spans = 0;
    for (const AttentionSequence& s : args.sequences) {
      const int64_t count = (s.queries * group_ + kRowTile - 1) / kRowTile * args.n_kv_heads;
      tiles += count;
      spans += count * Spans(s.first_position + s.queries);
    }
    const bool split = tiles < 4 * cx.pool->threads();
    items_ = cx.shared.Allocate<Item>(split ? spans : tiles);
    merges_ = cx.shared.Allocate<Merge>(tiles);
    for (size_t s = 0; s < args.sequences.size(); ++s) AddSequence(static_cast<int32_t>(s), split);
  }

  void Run() {
    cx_.pool->ParallelFor(item_count_, [this](int64_t i, int worker) {
      Arena& scratch = cx_.worker[static_cast<size_t>(worker)];
      const Arena::Mark mark = scratch.Save();
      RunItem(items_[i], scratch);
      scratch.Rewind(mark);
    });
    cx_.pool->ParallelFor(merge_count_, [this](int64_t i, int) { MergeItems(merges_[i]); });
  }

 private:
  static int64_t Spans(int64_t keys) { return (keys + kAttentionSpan - 1) / kAttentionSpan; }

  // Keys that row `r` of a sequence sees.
  int64_t Keys(const AttentionSequence& s, int64_t r) const {
    return s.first_position + r / group_ + 1;
  }

  void AddSequence(int32_t index, bool split) {
    const AttentionSequence& s = args_.sequences[static_cast<size_t>(index)];
    const int64_t rows = s.queries * group_;
    for (int64_t first = 0; first < rows; first += kRowTile) {
      const int64_t count = std::min(kRowTile, rows - first);
      const int64_t spans = Spans(Keys(s, first + count - 1));
      for (int32_t head = 0; head < args_.n_kv_heads; ++head) {
        Item item = {.sequence = index,
                     .kv_head = head,
                     .first_row = first,
                     .rows = count,
                     .first_span = 0,
                     .spans = spans};
        if (!split || spans == 1) {
          new (&items_[item_count_++]) Item(item);
          continue;
        }
        new (&merges_[merge_count_++]) Merge{item_count_, spans};
        for (int64_t span = 0; span < spans; ++span) {
          item.first_span = span;
          item.spans = 1;
          item.states = cx_.shared.Allocate<SpanState>(count);
          item.partial = cx_.shared.Allocate<float>(count * args_.v_dim);
          new (&items_[item_count_++]) Item(item);
        }
      }
    }
  }

  KeySpan SpanOf(const Item& item, int64_t begin, int64_t count) const {
    const AttentionSequence& s = args_.sequences[static_cast<size_t>(item.sequence)];
    const KvView& kv = args_.kv;
    KeySpan span;
    span.count = count;
    span.k_in_units = kv.in_units;
    span.half = kv.dtype == DType::kF16;
    span.k_row_stride = kv.k_row_stride;
    span.v_row_stride = kv.in_units ? args_.v_dim : kv.v_row_stride;
    const int64_t head = item.kv_head * (kv.in_units ? kAttentionPageUnit : 1);
    for (int64_t g = 0; g * kAttentionPageUnit < count; ++g) {
      const int64_t t = begin + g * kAttentionPageUnit;
      const int64_t row = s.pages == nullptr
                              ? s.first_row + t
                              : s.pages[t / kv.page_tokens] * kv.page_tokens + t % kv.page_tokens;
      span.k[g] = kv.K(row * kv.k_row_stride + head * kv.k_head_stride);
      span.v[g] = kv.V(row * kv.v_row_stride + head * kv.v_head_stride);
    }
    return span;
  }

  // Whether an item's spans are made floats before they are attended to. Each tile of rows reads
  // them: halfs are widened once for many, and on the way for few.
  bool Widens(const Item& item) const {
    return args_.kv.dtype == DType::kF16 && (!args_.kv.in_units || item.rows > kRowsOfHalfs);
  }
  int64_t WideFloats() const {
    return kAttentionSpan * (args_.qk_dim + (args_.kv.v == args_.kv.k ? 0 : args_.v_dim));
  }

  // The span as floats in `wide`, of WideFloats().
  void Widen(KeySpan* span, float* wide) const {
    const KvView& kv = args_.kv;
    const auto widen = [&](const void** group, int64_t dim, int64_t row_stride) {
      for (int64_t g = 0; g * kAttentionPageUnit < span->count; ++g) {
        const auto* from = static_cast<const std::byte*>(group[g]);
        group[g] = wide;
        if (kv.in_units) {
          lanes_.widen(DType::kF16, from, dim * kAttentionPageUnit, wide);
          wide += dim * kAttentionPageUnit;
          continue;
        }
        const int64_t rows = std::min(kAttentionPageUnit, span->count - g * kAttentionPageUnit);
        for (int64_t r = 0; r < rows; ++r, wide += dim) {
          lanes_.widen(DType::kF16, from + r * row_stride * 2, dim, wide);
        }
      }
    };
    const int64_t groups = (span->count + kAttentionPageUnit - 1) / kAttentionPageUnit;
    widen(span->k, args_.qk_dim, kv.k_row_stride);
    span->k_row_stride = args_.qk_dim;
    if (kv.v == kv.k) {
      std::copy_n(span->k, groups, span->v);
      span->v_row_stride = args_.qk_dim;
    } else {
      widen(span->v, args_.v_dim, kv.v_row_stride);
      span->v_row_stride = args_.v_dim;
    }
    span->half = false;
  }

  int64_t OutputRow(const Item& item, int64_t row) const {
    const AttentionSequence& s = args_.sequences[static_cast<size_t>(item.sequence)];
    return (s.first_query + row / group_) * args_.n_heads + item.kv_head * group_ + row % group_;
  }

  void RunItem(const Item& item, Arena& scratch) const {
    const AttentionSequence& s = args_.sequences[static_cast<size_t>(item.sequence)];
    const int64_t v_dim = args_.v_dim;
    auto* keys =
        args_.kv.in_units ? nullptr : scratch.Allocate<float>(args_.qk_dim * kAttentionSpan);
    auto* wide = Widens(item) ? scratch.Allocate<float>(WideFloats()) : nullptr;
    auto* scores = scratch.Allocate<float>(4 * kAttentionSpan);
    auto* q = scratch.Allocate<const float*>(item.rows);
    auto* counts = scratch.Allocate<int64_t>(item.rows);
    SpanState* states = item.states;
    float* total = item.partial;
    if (states == nullptr) {
      states = scratch.Allocate<SpanState>(item.rows);
      total = scratch.Allocate<float>(item.rows * v_dim);
    }
    auto* span_states = scratch.Allocate<SpanState>(item.rows);
    auto* span_out = item.spans > 1 ? scratch.Allocate<float>(item.rows * v_dim) : nullptr;
    for (int64_t i = 0; i < item.spans; ++i) {
      const int64_t begin = (item.first_span + i) * kAttentionSpan;
      // Counts do not decrease: rows that end before this span stand first.
      int64_t skip = 0;
      while (Keys(s, item.first_row + skip) <= begin) ++skip;
      for (int64_t r = skip; r < item.rows; ++r) {
        q[r] = args_.q + OutputRow(item, item.first_row + r) * args_.qk_dim;
        counts[r] = std::min(kAttentionSpan, Keys(s, item.first_row + r) - begin);
      }
      KeySpan span = SpanOf(item, begin, counts[item.rows - 1]);
      if (wide != nullptr) Widen(&span, wide);
      if (keys != nullptr) lanes_.transpose_keys(span, args_.qk_dim, keys);
      const QueryRows rows = {q + skip,     counts + skip, item.rows - skip,
                              args_.qk_dim, v_dim,         args_.scale};
      if (i == 0) {
        lanes_.attend_span(rows, span, keys, scores, states + skip, total + skip * v_dim);
        // Only a lone later span can have rows that end before it.
        for (int64_t r = 0; r < skip; ++r) states[r].sum = 0;
        continue;
      }
      lanes_.attend_span(rows, span, keys, scores, span_states + skip, span_out + skip * v_dim);
      for (int64_t r = skip; r < item.rows; ++r) {
        lanes_.merge_span(&states[r], total + r * v_dim, span_states[r], span_out + r * v_dim,
                          v_dim);
      }
    }
    if (item.states == nullptr) Write(item, states, total);
  }

  void MergeItems(const Merge& merge) const {
    const Item& first = items_[merge.first_item];
    for (int64_t i = 1; i < merge.spans; ++i) {
      const Item& next = items_[merge.first_item + i];
      for (int64_t r = 0; r < first.rows; ++r) {
        if (next.states[r].sum == 0) continue;  // the row ends before this span
        lanes_.merge_span(&first.states[r], first.partial + r * args_.v_dim, next.states[r],
                          next.partial + r * args_.v_dim, args_.v_dim);
      }
    }
    Write(first, first.states, first.partial);
  }

  void Write(const Item& item, const SpanState* states, const float* total) const {
    for (int64_t r = 0; r < item.rows; ++r) {
      lanes_.divide(total + r * args_.v_dim, states[r].sum,
                    args_.out + OutputRow(item, item.first_row + r) * args_.v_dim, args_.v_dim);
      if (args_.lse != nullptr) {
        args_.lse[OutputRow(item, item.first_row + r)] =
            states[r].maximum +
            static_cast<float>(portable::Log(static_cast<double>(states[r].sum)));
      }
    }
  }

  Context& cx_;
  const LaneKernels& lanes_;
  const AttentionArgs& args_;
  int64_t group_;
  Item* items_ = nullptr;
  Merge* merges_ = nullptr;
  int64_t item_count_ = 0;
  int64_t merge_count_ = 0;
};

}  // namespace

void CpuBackend::Attention(Context& cx, const AttentionArgs& args) const {
  cx.shared.Reset();
  AttentionRun(cx, *lanes_, args).Run();
}

}  // namespace aha::kernels::cpu
