// Rows of a table by id.
#ifndef AHA_OPS_EMBEDDING_H_
#define AHA_OPS_EMBEDDING_H_

#include <cstdint>
#include <span>

#include "ops/context.h"

namespace aha::ops {

// table [vocab, hidden], any dtype; ids in [0, vocab) -> [ids, hidden]. `ids` must live until the
// tape has run.
Tensor Embedding(Context& cx, const ConstView& table, std::span<const int32_t> ids);

}  // namespace aha::ops

#endif  // AHA_OPS_EMBEDDING_H_
