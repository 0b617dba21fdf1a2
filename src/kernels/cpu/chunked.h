// Elementwise work in pieces for the threads.
#ifndef AHA_KERNELS_CPU_CHUNKED_H_
#define AHA_KERNELS_CPU_CHUNKED_H_

#include <algorithm>

#include "kernels/kernels.h"

namespace aha::kernels::cpu {

// Values worth handing to a second thread: below, waking it costs more than it saves.
inline constexpr int64_t kParallelValues = 32 << 10;

// What an exponential costs, in values that are merely touched.
inline constexpr int64_t kExpCost = 4;

// body(first, last) over [0, count) of items of `size` values each.
template <typename Body>
void Chunked(Context& cx, int64_t count, int64_t size, const Body& body) {
  if (count * size < kParallelValues || cx.pool->threads() == 1) return body(int64_t{0}, count);
  const int64_t chunk = std::max<int64_t>(1, kParallelValues / 4 / std::max<int64_t>(1, size));
  cx.pool->ParallelFor((count + chunk - 1) / chunk,
                       [&](int64_t i, int) { body(i * chunk, std::min(count, (i + 1) * chunk)); });
}

// body(first, last) over columns of `rows` rows: whole cache lines, so that no two threads write to
// one.
template <typename Body>
void ChunkedColumns(Context& cx, int64_t columns, int64_t rows, const Body& body) {
  constexpr int64_t kLine = 16;
  const int64_t lines = (columns + kLine - 1) / kLine;
  const int64_t pieces = columns * rows < kParallelValues
                             ? 1
                             : std::clamp<int64_t>(lines / 4, 1, 2 * cx.pool->threads());
  const int64_t each = (lines + pieces - 1) / pieces * kLine;
  cx.pool->ParallelFor((columns + each - 1) / each,
                       [&](int64_t i, int) { body(i * each, std::min(columns, (i + 1) * each)); });
}

}  // namespace aha::kernels::cpu

#endif  // AHA_KERNELS_CPU_CHUNKED_H_
