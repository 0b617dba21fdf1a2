#include "ops/attention.h"

#include <algorithm>

#include "ops/rows.h"

namespace aha::ops {
namespace {

// Copies each token's row of `x` to its slot of `cache`. T: float, or uint16_t for a half.
template <typename T>
void StoreRows(const T* x, int64_t width, std::span<const int32_t> slots, T* cache) {
  for (size_t t = 0; t < slots.size(); ++t) {
    std::copy_n(x + static_cast<int64_t>(t) * width, width, cache + slots[t] * width);
  }
}

constexpr int64_t kUnit = kernels::kAttentionPageUnit;

// The same for keys in units (kernels::KvView::in_units). Tokens that fill a unit go together: each
// line of the cache is written once.
template <typename T>
void StoreKeysInUnits(const T* k, int64_t width, std::span<const int32_t> slots, T* cache) {
  for (size_t t = 0; t < slots.size();) {
    const int64_t row = slots[t] % kUnit;
    T* unit = cache + (slots[t] - row) * width + row;
    int64_t together = 1;
    while (row + together < kUnit && t + static_cast<size_t>(together) < slots.size() &&
           slots[t + static_cast<size_t>(together)] == slots[t] + together) {
      ++together;
    }
    const T* from = k + static_cast<int64_t>(t) * width;
    for (int64_t i = 0; i < width; ++i) {
      for (int64_t j = 0; j < together; ++j) unit[i * kUnit + j] = from[j * width + i];
    }
    t += static_cast<size_t>(together);
  }
}

template <typename T>
void StoreValuesInUnits(const T* v, int64_t heads, int64_t dim, std::span<const int32_t> slots,
                        T* cache) {
  const T* from = v;
  for (const int32_t slot : slots) {
    const int64_t row = slot % kUnit;
    T* unit = cache + (slot - row) * heads * dim + row * dim;
    for (int64_t h = 0; h < heads; ++h, from += dim) {
      std::copy_n(from, dim, unit + h * kUnit * dim);
    }
  }
}

void CheckShapes(const KvBatch& kv, int layer, const KvLayout& layout, const Tensor& q,
                 const Tensor& k, const Tensor& v) {
  const auto tokens = static_cast<int64_t>(kv.slots.size());
  CHECK(q.shape.rank() == 3 && q.shape[0] == tokens && q.shape[2] == layout.k_dim,
        "q " + q.shape.ToString() + " for " + std::to_string(tokens) + " slots");
  CHECK(q.shape[1] % layout.n_kv_heads == 0, "q " + q.shape.ToString());
  CHECK(k.shape.elements() == tokens * layout.k_width(), "k " + k.shape.ToString());
  CHECK(layout.latent ? v.data == nullptr : v.shape.elements() == tokens * layout.v_width(),
        "v " + v.shape.ToString());
  CHECK(layer >= 0 && layer < static_cast<int>(kv.k.size()),
        "layer " + std::to_string(layer) + " of a cache of " + std::to_string(kv.k.size()));
  CHECK(kv.page_tokens % kernels::kAttentionPageUnit == 0, std::to_string(kv.page_tokens));
  int64_t queries = 0;
  for (const kernels::AttentionSequence& sequence : kv.sequences) {
    CHECK((sequence.pages != nullptr) == (kv.page_tokens > 0), "pages and rows are mixed");
    CHECK(sequence.first_query == queries, "a sequence's queries are not where the last ended");
    queries += sequence.queries;
  }
  CHECK(queries == tokens,
        std::to_string(queries) + " queries, " + std::to_string(tokens) + " tokens");
  for (int32_t slot : kv.slots) CHECK(slot >= 0, "slot " + std::to_string(slot));
}

// Latent keys are values too, which are read by rows.
bool InUnits(const KvBatch& kv, const KvLayout& layout) {
  return kv.page_tokens > 0 && !layout.latent;
}

template <typename T>
void Store(const KvBatch& kv, int layer, const KvLayout& layout, const T* k, const T* v) {
  T* keys = static_cast<T*>(kv.k[static_cast<size_t>(layer)]);
  T* values = layout.latent ? nullptr : static_cast<T*>(kv.v[static_cast<size_t>(layer)]);
  if (InUnits(kv, layout)) {
    StoreKeysInUnits(k, layout.k_width(), kv.slots, keys);
    StoreValuesInUnits(v, layout.n_kv_heads, layout.v_dim, kv.slots, values);
    return;
  }
  StoreRows(k, layout.k_width(), kv.slots, keys);
  if (!layout.latent) StoreRows(v, layout.v_width(), kv.slots, values);
}

void StoreNarrowed(Context& cx, const KvBatch& kv, int layer, const KvLayout& layout,
                   const Tensor& k, const Tensor& v) {
  const Arena::Mark mark = cx.activations.Save();
  const auto narrow = [&cx](const Tensor& x) -> const uint16_t* {
    if (x.data == nullptr) return nullptr;
    auto* half = cx.activations.Allocate<uint16_t>(x.shape.elements());
    cx.backend().Narrow(cx.kernels, x.data, half, x.shape.elements());
    return half;
  };
  Store(kv, layer, layout, narrow(k), narrow(v));
  cx.activations.Rewind(mark);
}

// Training reads keys and values from the pass's own tensors, so that the cache rows need not be
// kept: every document must be whole and lie in order.
void CheckPacked(const KvBatch& kv) {
  CHECK(kv.page_tokens == 0, "a tape over pages");
  CHECK(kv.dtype == DType::kF32, "a tape over rounded keys and values");
  for (const kernels::AttentionSequence& s : kv.sequences) {
    if (kv.key_tokens.empty()) {
      CHECK(s.first_position == 0 && s.first_row == s.first_query,
            "a tape over a part of a document");
      continue;
    }
    for (int64_t i = 0; i < s.queries; ++i) {
      const int64_t row = s.first_row + s.first_position + i;
      CHECK(row < static_cast<int64_t>(kv.key_tokens.size()) &&
                kv.key_tokens[static_cast<size_t>(row)] == s.first_query + i,
            "a query that does not see itself");
    }
  }
}

}  // namespace

Tensor Attend(Context& cx, const KvBatch& kv, int layer, const KvLayout& layout, const Tensor& q,
              const Tensor& k, const Tensor& v, float scale) {
  CheckShapes(kv, layer, layout, q, k, v);
  const void* keys = nullptr;
  const void* values = nullptr;
  // What the sequences see of this pass: its tokens in order, or as key_tokens says.
  Tensor seen_k = k;
  Tensor seen_v = v;
  if (!kv.key_tokens.empty()) {
    const int64_t tokens = q.shape[0];
    seen_k = Rows(cx, k.As({tokens, layout.k_width()}), kv.key_tokens);
    if (!layout.latent) seen_v = Rows(cx, v.As({tokens, layout.v_width()}), kv.key_tokens);
    keys = seen_k.data;
    values = layout.latent ? keys : seen_v.data;
  } else {
    if (kv.dtype == DType::kF16) {
      StoreNarrowed(cx, kv, layer, layout, k, v);
    } else {
      Store(kv, layer, layout, k.data, v.data);
    }
    keys = kv.k[static_cast<size_t>(layer)];
    values = layout.latent ? keys : kv.v[static_cast<size_t>(layer)];
  }

  Tensor out = cx.New({q.shape[0], q.shape[1] * layout.v_dim});
  kernels::AttentionArgs args = {
      .q = q.data,
      .out = out.data,
      .n_heads = q.shape[1],
      .n_kv_heads = layout.n_kv_heads,
      .qk_dim = layout.k_dim,
      .v_dim = layout.v_dim,
      .scale = scale,
      .kv = {.k = keys,
             .k_row_stride = layout.k_width(),
             .k_head_stride = layout.k_dim,
             .v = values,
             .v_row_stride = layout.latent ? layout.k_width() : layout.v_width(),
             .v_head_stride = layout.latent ? layout.k_dim : layout.v_dim,
             .dtype = kv.dtype,
             .page_tokens = kv.page_tokens,
             .in_units = InUnits(kv, layout)},
      .sequences = kv.sequences};
  if (cx.tape != nullptr) {
    CheckPacked(kv);
    args.lse = cx.New({q.shape[0], q.shape[1]}).data;
  }
  cx.backend().Attention(cx.kernels, args);
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      kernels::AttentionBackwardArgs back = {.forward = args,
                                             .dout = cx.tape->Gradient(out).data,
                                             .dq = cx.tape->Gradient(q).data,
                                             .dk = cx.tape->Gradient(seen_k).data};
      back.dv = layout.latent ? back.dk : cx.tape->Gradient(seen_v).data;
      back.forward.kv.k = seen_k.data;
      back.forward.kv.v = layout.latent ? seen_k.data : seen_v.data;
      cx.backend().AttentionBackward(cx.kernels, back);
    });
  }
  return out;
}

}  // namespace aha::ops
