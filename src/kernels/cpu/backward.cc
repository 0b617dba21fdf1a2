// Backward of the CPU backend: work is split by output element (columns of a product, rows of x,
// columns of dw, kv heads), never a sum.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/portable_math.h"
#include "kernels/cpu/chunked.h"
#include "kernels/cpu/cpu_backend.h"
#include "tensor/block_codes.h"

namespace aha::kernels::cpu {
namespace {

// Rows of c and depth of k that one packed panel of b serves. A row-major a streams past the panel
// and many rows share it; a packed a stays in the second cache.
constexpr int64_t kRowBlock = 960;
constexpr int64_t kPackedRowBlock = 192;
constexpr int64_t kDepth = 256;
// Rows of logits a thread takes at once.
constexpr int64_t kLogProbRows = 16;
// Panels of columns that share one packed block of a, when a is transposed.
constexpr int64_t kPanelsOfBlock = 4;

// p.b <- rows [l, l + p.k) of columns [first, first + p.n) of b.
void PackPanelOfB(const LaneKernels& lanes, const ProductJob& job, int64_t l, int64_t first,
                  const ProductPanel& p, float* panel) {
  const std::byte* rows = job.b + l * job.b_row_bytes;
  if (!Info(job.b_dtype).quantized) {
    lanes.pack_columns(job.b_dtype, rows + BytesFor(job.b_dtype, first), job.b_row_bytes, p.k, p.n,
                       p.b_tile_stride, panel);
    return;
  }
  for (int64_t i = 0; i < p.k; ++i) {
    float row[kProductPanel];
    for (int64_t b = 0; b < p.n / 32; ++b) {
      BlockValues(UnpackBlock(job.b_dtype, rows + i * job.b_row_bytes, first / 32 + b),
                  HasMinimum(job.b_dtype), row + 32 * b);
    }
    lanes.pack_columns(DType::kF32, reinterpret_cast<const std::byte*>(row), 0, 1, p.n,
                       p.b_tile_stride, panel + i * p.b_row_stride);
  }
}

// An a that is not row-major as groups [depth][kProductRows]: read row of memory by row of memory,
// so that no line is read twice, however far apart the rows lie.
void PackDown(const float* a, int64_t a_row_stride, int64_t a_col_stride, int64_t rows,
              int64_t depth, float* packed) {
  constexpr size_t kBytes = kProductRows * sizeof(float);
  const int64_t whole = a_row_stride == 1 ? rows / kProductRows : 0;
  for (int64_t l = 0; l < depth; ++l) {
    const float* from = a + l * a_col_stride;
    float* to = packed + l * kProductRows;
    for (int64_t g = 0; g < whole; ++g) {
      std::memcpy(to + g * kProductRows * depth, from + g * kProductRows, kBytes);
    }
    for (int64_t r = whole * kProductRows; r < rows; ++r) {
      to[r / kProductRows * kProductRows * depth + r % kProductRows] = from[r * a_row_stride];
    }
  }
}

// How a product is cut into work items: blocks of rows of c by runs of panels.
struct ProductCut {
  int64_t rows = 0, panels = 0;

  explicit ProductCut(const ProductJob& job)
      : rows(job.a_col_stride == 1 ? kRowBlock : kPackedRowBlock),
        panels(job.a_col_stride == 1 ? 1 : kPanelsOfBlock) {}
  int64_t columns() const { return panels * kProductPanel; }
  int64_t Items(const ProductJob& job) const {
    return ((job.m + rows - 1) / rows) * ((job.n + columns() - 1) / columns());
  }
  // False when already as small as pays.
  bool Halve() {
    if (panels > 1) {
      panels /= 2;
    } else if (rows > 4 * kProductRows) {
      rows = (rows / 2 + kProductRows - 1) / kProductRows * kProductRows;
    } else {
      return false;
    }
    return true;
  }
};

// Work item `item` of a job.
void ProductItem(const LaneKernels& lanes, const ProductJob& job, const ProductCut& cut,
                 int64_t item, Arena& arena) {
  const Arena::Mark mark = arena.Save();
  const int64_t runs = (job.n + cut.columns() - 1) / cut.columns();
  const int64_t row = item / runs * cut.rows;
  const int64_t first = item % runs * cut.columns();
  const int64_t last = std::min(job.n, first + cut.columns());
  const bool down = job.a_col_stride != 1;
  auto* panel = arena.Allocate<float>(kDepth * kProductPanel);
  ProductPanel p = {.b = panel,
                    .b_row_stride = lanes.product_columns,
                    .b_tile_stride = kDepth * lanes.product_columns,
                    .m = std::min(cut.rows, job.m - row),
                    .c_row_stride = job.c_row_stride};
  float* packed =
      down ? arena.Allocate<float>((p.m + kProductRows - 1) / kProductRows * kProductRows * kDepth)
           : nullptr;
  for (int64_t l = 0; l < job.k || l == 0; l += kDepth) {
    p.k = std::min(kDepth, job.k - l);
    p.accumulate = job.accumulate || l > 0;
    p.a = job.a + row * job.a_row_stride + l * job.a_col_stride;
    p.a_group_stride = kProductRows * job.a_row_stride;
    p.a_row_stride = job.a_row_stride;
    p.a_col_stride = job.a_col_stride;
    if (down) {
      PackDown(p.a, job.a_row_stride, job.a_col_stride, p.m, p.k, packed);
      p.a = packed;
      p.a_group_stride = kProductRows * p.k;
      p.a_row_stride = 1;
      p.a_col_stride = kProductRows;
    }
    for (int64_t column = first; column < last; column += kProductPanel) {
      p.n = std::min(kProductPanel, last - column);
      p.c = job.c + row * job.c_row_stride + column;
      PackPanelOfB(lanes, job, l, column, p, panel);
      lanes.product_panel(p);
    }
  }
  arena.Rewind(mark);
}

// The gradients of one kv head of one sequence.
class HeadGradients {
 public:
  HeadGradients(const LaneKernels& lanes, const AttentionBackwardArgs& args,
                const AttentionSequence& sequence, int64_t kv_head, Arena& arena)
      : lanes_(lanes), args_(args), f_(args.forward), s_(sequence), arena_(arena) {
    const int64_t k_at = s_.first_row * f_.kv.k_row_stride + kv_head * f_.kv.k_head_stride;
    const int64_t v_at = s_.first_row * f_.kv.v_row_stride + kv_head * f_.kv.v_head_stride;
    k_ = static_cast<const float*>(f_.kv.k) + k_at;
    v_ = static_cast<const float*>(f_.kv.v) + v_at;
    dk_ = args.dk + k_at;
    dv_ = args.dv + v_at;
    group_ = f_.n_heads / f_.n_kv_heads;
    first_head_ = kv_head * group_;
  }

  void Run() {
    const Arena::Mark mark = arena_.Save();
    const int64_t keys = s_.first_position + s_.queries;
    k_t_ = Transposed(k_, f_.kv.k_row_stride, f_.qk_dim, keys);
    v_t_ = Transposed(v_, f_.kv.v_row_stride, f_.v_dim, keys);
    p_ = arena_.Allocate<float>(kAttentionQueryBlock * kAttentionSpan);
    ds_ = arena_.Allocate<float>(kAttentionQueryBlock * kAttentionSpan);
    panel_ = arena_.Allocate<float>(kAttentionSpan * kProductPanel);
    for (int64_t h = first_head_; h < first_head_ + group_; ++h) {
      for (int64_t i = 0; i < s_.queries; i += kAttentionQueryBlock) {
        Block(h, i, std::min(s_.queries, i + kAttentionQueryBlock));
      }
    }
    arena_.Rewind(mark);
  }

 private:
  // Span by span [dim][kAttentionSpan].
  float* Transposed(const float* rows, int64_t stride, int64_t dim, int64_t keys) {
    const int64_t spans = (keys + kAttentionSpan - 1) / kAttentionSpan;
    auto* out = arena_.Allocate<float>(spans * dim * kAttentionSpan);
    for (int64_t i = 0; i < spans; ++i) {
      const float* first = rows + i * kAttentionSpan * stride;
      KeySpan span;
      span.count = std::min(kAttentionSpan, keys - i * kAttentionSpan);
      span.k_row_stride = stride;
      for (int64_t g = 0; g * kAttentionPageUnit < span.count; ++g) {
        span.k[g] = first + g * kAttentionPageUnit * stride;
      }
      lanes_.transpose_keys(span, dim, out + i * dim * kAttentionSpan);
    }
    return out;
  }

  // p.n columns, p.k <= kAttentionSpan. `padded`: b's rows may be read up to a multiple of 16.
  void Multiply(ProductPanel p, bool padded) {
    p.a_group_stride = kProductRows * p.a_row_stride;
    p.b_tile_stride = lanes_.product_columns;
    if (padded || p.n % 16 == 0) return lanes_.product_panel(p);
    const float* b = p.b;
    const int64_t stride = p.b_row_stride;
    const int64_t columns = p.n;
    float* c = p.c;
    for (int64_t at = 0; at < columns; at += kProductPanel) {
      p.n = std::min(kProductPanel, columns - at);
      for (int64_t l = 0; l < p.k; ++l) {
        std::memcpy(panel_ + l * kProductPanel, b + l * stride + at,
                    static_cast<size_t>(p.n) * sizeof(float));
        std::fill(panel_ + l * kProductPanel + p.n, panel_ + (l + 1) * kProductPanel, 0.0f);
      }
      p.b = panel_;
      p.b_row_stride = kProductPanel;
      p.c = c + at;
      lanes_.product_panel(p);
    }
  }

  void Block(int64_t h, int64_t first, int64_t last) {
    const int64_t keys = s_.first_position + last;
    float delta[kAttentionQueryBlock];
    const int64_t at = (s_.first_query + first) * f_.n_heads + h;
    for (int64_t i = 0; i < last - first; ++i) {
      const int64_t row = at + i * f_.n_heads;
      delta[i] = lanes_.dot(args_.dout + row * f_.v_dim, f_.out + row * f_.v_dim, f_.v_dim);
    }
    for (int64_t begin = 0; begin < keys; begin += kAttentionSpan) {
      Span(at, first, last - first, begin, std::min(kAttentionSpan, keys - begin), delta);
    }
  }

  void Span(int64_t at, int64_t first, int64_t queries, int64_t begin, int64_t count,
            const float* delta) {
    const int64_t q_row = f_.n_heads * f_.qk_dim;
    const int64_t o_row = f_.n_heads * f_.v_dim;
    const float* q = f_.q + at * f_.qk_dim;
    const float* dout = args_.dout + at * f_.v_dim;
    Multiply({.a = q,
              .a_row_stride = q_row,
              .a_col_stride = 1,
              .b = k_t_ + begin * f_.qk_dim,
              .b_row_stride = kAttentionSpan,
              .m = queries,
              .n = count,
              .k = f_.qk_dim,
              .c = p_,
              .c_row_stride = kAttentionSpan},
             true);
    Multiply({.a = dout,
              .a_row_stride = o_row,
              .a_col_stride = 1,
              .b = v_t_ + begin * f_.v_dim,
              .b_row_stride = kAttentionSpan,
              .m = queries,
              .n = count,
              .k = f_.v_dim,
              .c = ds_,
              .c_row_stride = kAttentionSpan},
             true);
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t seen = std::clamp<int64_t>(s_.first_position + first + i + 1 - begin, 0, count);
      float* p = p_ + i * kAttentionSpan;
      float* ds = ds_ + i * kAttentionSpan;
      lanes_.softmax_gradient(p, ds, seen, f_.scale, f_.lse[at + i * f_.n_heads], delta[i]);
      std::fill(p + seen, p + count, 0.0f);
      std::fill(ds + seen, ds + count, 0.0f);
    }
    const int64_t k_stride = f_.kv.k_row_stride;
    const int64_t v_stride = f_.kv.v_row_stride;
    Multiply({.a = p_,
              .a_row_stride = 1,
              .a_col_stride = kAttentionSpan,
              .b = dout,
              .b_row_stride = o_row,
              .m = count,
              .n = f_.v_dim,
              .k = queries,
              .c = dv_ + begin * v_stride,
              .c_row_stride = v_stride,
              .accumulate = true},
             false);
    Multiply({.a = ds_,
              .a_row_stride = 1,
              .a_col_stride = kAttentionSpan,
              .b = q,
              .b_row_stride = q_row,
              .m = count,
              .n = f_.qk_dim,
              .k = queries,
              .c = dk_ + begin * k_stride,
              .c_row_stride = k_stride,
              .accumulate = true},
             false);
    Multiply({.a = ds_,
              .a_row_stride = kAttentionSpan,
              .a_col_stride = 1,
              .b = k_ + begin * k_stride,
              .b_row_stride = k_stride,
              .m = queries,
              .n = f_.qk_dim,
              .k = count,
              .c = args_.dq + at * f_.qk_dim,
              .c_row_stride = q_row,
              .accumulate = true},
             false);
  }

  const LaneKernels& lanes_;
  const AttentionBackwardArgs& args_;
  const AttentionArgs& f_;
  const AttentionSequence& s_;
  Arena& arena_;
  const float *k_, *v_;
  float *dk_, *dv_;
  int64_t group_, first_head_;
  float *k_t_ = nullptr, *v_t_ = nullptr;  // transposed, see Transposed
  float *p_ = nullptr, *ds_ = nullptr;     // [kAttentionQueryBlock][kAttentionSpan]
  float* panel_ = nullptr;                 // rows of b that end within a register
};

}  // namespace

void CpuBackend::Product(Context& cx, std::span<const ProductJob> jobs) const {
  const Arena::Mark mark = cx.shared.Save();
  auto* cuts = cx.shared.Allocate<ProductCut>(static_cast<int64_t>(jobs.size()));
  for (size_t j = 0; j < jobs.size(); ++j) new (&cuts[j]) ProductCut(jobs[j]);
  const auto count = [&] {
    int64_t all = 0;
    for (size_t j = 0; j < jobs.size(); ++j) all += cuts[j].Items(jobs[j]);
    return all;
  };
  // Smaller items when there would be fewer than a few for each thread.
  const int threads = cx.pool->threads();
  for (bool more = threads > 1; more && count() < 4 * threads;) {
    more = false;
    for (size_t j = 0; j < jobs.size(); ++j) more |= cuts[j].Halve();
  }
  cx.pool->ParallelFor(count(), [&](int64_t i, int worker) {
    size_t j = 0;
    for (; i >= cuts[j].Items(jobs[j]); ++j) i -= cuts[j].Items(jobs[j]);
    ProductItem(*lanes_, jobs[j], cuts[j], i, cx.worker[static_cast<size_t>(worker)]);
  });
  cx.shared.Rewind(mark);
}

void CpuBackend::RmsNormBackward(Context& cx, const RmsNormBackwardArgs& args) const {
  const RmsNormArgs& f = args.forward;
  const Arena::Mark mark = cx.shared.Save();
  auto* scales = cx.shared.Allocate<float>(f.rows);
  Chunked(cx, f.rows, f.cols, [&](int64_t first, int64_t last) {
    lanes_->rms_norm_backward_rows(args, first, last, scales);
  });
  if (args.dw != nullptr) {
    ChunkedColumns(cx, f.cols, f.rows, [&](int64_t first, int64_t last) {
      lanes_->rms_norm_backward_columns(args, first, last, scales);
    });
  }
  cx.shared.Rewind(mark);
}

void CpuBackend::AttentionBackward(Context& cx, const AttentionBackwardArgs& args) const {
  const AttentionArgs& f = args.forward;
  const auto sequences = static_cast<int64_t>(f.sequences.size());
  cx.pool->ParallelFor(sequences * f.n_kv_heads, [&](int64_t i, int worker) {
    const AttentionSequence& sequence = f.sequences[static_cast<size_t>(i / f.n_kv_heads)];
    HeadGradients(*lanes_, args, sequence, i % f.n_kv_heads, cx.worker[static_cast<size_t>(worker)])
        .Run();
  });
}

void CpuBackend::SiluMulBackward(Context& cx, const float* gate, const float* up, const float* dy,
                                 float* dgate, float* dup, int64_t n) const {
  Chunked(cx, n, 1, [&](int64_t first, int64_t last) {
    lanes_->silu_mul_backward(gate + first, up + first, dy + first, dgate + first, dup + first,
                              last - first);
  });
}

void CpuBackend::AddToRows(Context& cx, const float* x, std::span<const int32_t> ids, float* table,
                           int64_t cols) const {
  const auto rows = static_cast<int64_t>(ids.size());
  ChunkedColumns(cx, cols, rows, [&](int64_t first, int64_t last) {
    for (int64_t t = 0; t < rows; ++t) {
      lanes_->add(x + t * cols + first, table + ids[static_cast<size_t>(t)] * cols + first,
                  last - first);
    }
  });
}

void CpuBackend::AddRowsTo(Context& cx, const float* x, int64_t rows, int64_t cols,
                           float* out) const {
  ChunkedColumns(cx, cols, rows, [&](int64_t first, int64_t last) {
    for (int64_t r = 0; r < rows; ++r) lanes_->add(x + r * cols + first, out + first, last - first);
  });
}

void CpuBackend::LogProbs(Context& cx, const float* x, int64_t rows, int64_t cols,
                          const int32_t* targets, float inverse_temperature, float* logprob,
                          float* lse, float* entropy) const {
  const int64_t groups = (rows + kLogProbRows - 1) / kLogProbRows;
  cx.pool->ParallelFor(groups, [&](int64_t group, int worker) {
    Arena& arena = cx.worker[static_cast<size_t>(worker)];
    const Arena::Mark mark = arena.Save();
    auto* scaled = arena.Allocate<float>(cols);
    const int64_t last = std::min(rows, (group + 1) * kLogProbRows);
    for (int64_t r = group * kLogProbRows; r < last; ++r) {
      const float* row = x + r * cols;
      if (inverse_temperature != 1.0f) {
        lanes_->scale(row, inverse_temperature, scaled, cols);
        row = scaled;
      }
      lse[r] = lanes_->log_sum_exp(row, cols);
      logprob[r] = row[targets[r]] - lse[r];
      if (entropy != nullptr) entropy[r] = -lanes_->negative_entropy(row, lse[r], cols);
    }
    arena.Rewind(mark);
  });
}

void CpuBackend::LogProbsBackward(Context& cx, float* x, int64_t rows, int64_t cols,
                                  const int32_t* targets, float inverse_temperature,
                                  const float* lse, const float* entropy, const float* dlogprob,
                                  const float* dentropy) const {
  const bool with_entropy = dentropy != nullptr;
  Chunked(cx, rows, cols, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      float* row = x + r * cols;
      lanes_->log_probs_backward(row, cols, inverse_temperature, lse[r], dlogprob[r], with_entropy,
                                 with_entropy ? dentropy[r] : 0.0f,
                                 with_entropy ? entropy[r] : 0.0f);
      row[targets[r]] += dlogprob[r];
      if (inverse_temperature != 1.0f) lanes_->scale(row, inverse_temperature, row, cols);
    }
  });
}

void CpuBackend::AdamW(Context& cx, const AdamWArgs& args) const {
  Chunked(cx, args.n, 1, [&](int64_t first, int64_t last) { lanes_->adam_w(args, first, last); });
}

double CpuBackend::SumOfSquares(Context& cx, const float* x, int64_t n) const {
  const int64_t chunks = (n + kSumChunk - 1) / kSumChunk;
  const Arena::Mark mark = cx.shared.Save();
  auto* partial = cx.shared.Allocate<double>(chunks);
  Chunked(cx, chunks, kSumChunk, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i * kSumChunk;
      partial[i] = lanes_->sum_of_squares(x + begin, std::min(kSumChunk, n - begin));
    }
  });
  double total = 0;
  for (int64_t i = 0; i < chunks; ++i) total += partial[i];
  cx.shared.Rewind(mark);
  return total;
}

}  // namespace aha::kernels::cpu
