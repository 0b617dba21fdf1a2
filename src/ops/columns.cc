#include "ops/columns.h"

#include <algorithm>

namespace aha::ops {
namespace {

// Rows are copied in groups, so that a decode step does not wake the pool for a kilobyte.
constexpr int64_t kRowsPerTask = 64;

Shape WithLast(const Shape& shape, int64_t last) {
  Shape out;
  for (int i = 0; i + 1 < shape.rank(); ++i) out.Append(shape[i]);
  out.Append(last);
  return out;
}

template <typename CopyRow>
void ForRows(Context& cx, int64_t rows, const CopyRow& copy) {
  const int64_t tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  cx.kernels.pool->ParallelFor(tasks, [&](int64_t task, int) {
    const int64_t end = std::min(rows, (task + 1) * kRowsPerTask);
    for (int64_t r = task * kRowsPerTask; r < end; ++r) copy(r);
  });
}

// n columns of x from `from` on, added to those of y from `to` on.
void AddColumns(Context& cx, const Tensor& x, int64_t from, const Tensor& y, int64_t to,
                int64_t n) {
  ForRows(cx, x.rows(), [&](int64_t r) {
    for (int64_t c = 0; c < n; ++c) y.row(r)[to + c] += x.row(r)[from + c];
  });
}

}  // namespace

std::pair<Tensor, Tensor> SplitColumns(Context& cx, const Tensor& x, int64_t first) {
  const int64_t second = x.cols() - first;
  CHECK(first > 0 && second > 0, std::to_string(first) + " of " + x.shape.ToString());
  Tensor a = cx.New(WithLast(x.shape, first));
  Tensor b = cx.New(WithLast(x.shape, second));
  ForRows(cx, x.rows(), [&](int64_t r) {
    std::copy_n(x.row(r), first, a.row(r));
    std::copy_n(x.row(r) + first, second, b.row(r));
  });
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      const Tensor dx = cx.tape->Gradient(x);
      AddColumns(cx, cx.tape->Gradient(a), 0, dx, 0, first);
      AddColumns(cx, cx.tape->Gradient(b), 0, dx, first, second);
    });
  }
  return {a, b};
}

Tensor ConcatColumns(Context& cx, const Tensor& a, const Tensor& b) {
  CHECK(WithLast(a.shape, 1) == WithLast(b.shape, 1),
        a.shape.ToString() + " beside " + b.shape.ToString());
  Tensor y = cx.New(WithLast(a.shape, a.cols() + b.cols()));
  ForRows(cx, a.rows(), [&](int64_t r) {
    std::copy_n(a.row(r), a.cols(), y.row(r));
    std::copy_n(b.row(r), b.cols(), y.row(r) + a.cols());
  });
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      const Tensor dy = cx.tape->Gradient(y);
      AddColumns(cx, dy, 0, cx.tape->Gradient(a), 0, a.cols());
      AddColumns(cx, dy, a.cols(), cx.tape->Gradient(b), 0, b.cols());
    });
  }
  return y;
}

}  // namespace aha::ops
