#include "ops/embedding.h"

namespace aha::ops {

Tensor Embedding(Context& cx, const ConstView& table, std::span<const int32_t> ids) {
  CHECK(table.shape.rank() == 2, table.shape.ToString());
  for (int32_t id : ids) {
    CHECK(id >= 0 && id < table.rows(),
          "id " + std::to_string(id) + " in a table of " + std::to_string(table.rows()));
  }
  Tensor out = cx.New({static_cast<int64_t>(ids.size()), table.cols()});
  cx.backend().Embed(cx.kernels, table, ids, out.data);
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      float* dtable = cx.tape->Parameter(table).data;
      if (dtable == nullptr) return;
      cx.tape->AddRowsAtEnd(dtable, ids, cx.tape->Gradient(out));
    });
  }
  return out;
}

}  // namespace aha::ops
