// Attention over stored keys and values: the one seam between the engine (paged cache) and training
// (packed rows). A KvBatch says where this pass's tokens are stored and which rows each query sees.
#ifndef AHA_OPS_ATTENTION_H_
#define AHA_OPS_ATTENTION_H_

#include <cstdint>
#include <span>

#include "ops/context.h"

namespace aha::ops {

// How one layer's keys and values lie in a cache row.
struct KvLayout {
  int64_t n_kv_heads = 0;
  int64_t k_dim = 0;    // per head
  int64_t v_dim = 0;    // per head
  bool latent = false;  // MLA: v is the first v_dim values of k; no v rows are stored

  int64_t k_width() const { return n_kv_heads * k_dim; }
  int64_t v_width() const { return latent ? 0 : n_kv_heads * v_dim; }
  int64_t row_bytes(DType dtype) const {
    return (k_width() + v_width()) * (dtype == DType::kF16 ? 2 : 4);
  }
};

// One forward pass's view of the cache, or on packed rows (page_tokens 0) of the pass's own keys.
// Row r of layer l's keys is k[l] + r * k_width; in pages of a layout that is not latent they lie
// in units (kernels::KvView::in_units). Every sequence of the pass stands once in `sequences`; its
// queries are consecutive tokens of the batch.
struct KvBatch {
  std::span<void* const> k;        // [layers]
  std::span<void* const> v;        // [layers]; null for latent layouts
  DType dtype = DType::kF32;       // of both; or kF16, which holds them rounded (never on a tape)
  int64_t page_tokens = 0;         // 0: sequences are contiguous rows
  std::span<const int32_t> slots;  // [tokens] row where each token's key and value are stored
  std::span<const kernels::AttentionSequence> sequences;
  // Packed sequences that begin alike may share what is computed of their beginning: row r of what
  // they see is then the key and value of the pass's token key_tokens[r]. Empty: of token r.
  std::span<const int32_t> key_tokens;
};

// With a tape the batch must be packed: each document whole, its rows and queries at one place, but
// for a beginning that it shares.
// Stores k [tokens, n_kv_heads * k_dim] and v [tokens, n_kv_heads * v_dim] (null data when latent)
// at the batch's slots of `layer`, then returns softmax(scale q k^T) v over each query's sequence
// so far: q [tokens, n_heads, k_dim] -> [tokens, n_heads * v_dim].
Tensor Attend(Context& cx, const KvBatch& kv, int layer, const KvLayout& layout, const Tensor& q,
              const Tensor& k, const Tensor& v, float scale);

}  // namespace aha::ops

#endif  // AHA_OPS_ATTENTION_H_
