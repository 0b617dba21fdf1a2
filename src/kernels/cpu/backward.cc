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

// Rows of c and depth of k that one packed panel of b serves: the panel stays in the second cache.
constexpr int64_t kRowBlock = 192;
constexpr int64_t kDepth = 256;
// Rows of logits a thread takes at once.
constexpr int64_t kLogProbRows = 16;

// Columns [first, first + count) of b's row as float32.
void RowOfB(const ProductJob& job, int64_t l, int64_t first, int64_t count, float* out) {
  const std::byte* bytes = job.b + l * job.b_row_bytes;
  if (job.b_dtype == DType::kF32) {
    std::memcpy(out, bytes + first * 4, static_cast<size_t>(count) * 4);
  } else if (!Info(job.b_dtype).quantized) {
    for (int64_t j = 0; j < count; ++j) out[j] = LoadFloat(job.b_dtype, bytes, first + j);
  } else {
    for (int64_t b = 0; b < count / 32; ++b) {
      BlockValues(UnpackBlock(job.b_dtype, bytes, first / 32 + b), HasMinimum(job.b_dtype),
                  out + 32 * b);
    }
  }
}

// Columns [column, column + kProductPanel) of rows [row, last) of c.
void ProductBlock(const LaneKernels& lanes, const ProductJob& job, int64_t row, int64_t last,
                  int64_t column, Arena& arena) {
  const Arena::Mark mark = arena.Save();
  const int64_t n = std::min(kProductPanel, job.n - column);
  auto* panel = arena.Allocate<float>(kDepth * kProductPanel);
  ProductPanel p = {.b = panel,
                    .m = last - row,
                    .n = n,
                    .c = job.c + row * job.c_row_stride + column,
                    .c_row_stride = job.c_row_stride,
                    .scratch = arena.Allocate<float>(kDepth * kProductRows)};
  if (job.k == 0 && !job.accumulate) {
    for (int64_t i = 0; i < p.m; ++i) std::fill_n(p.c + i * p.c_row_stride, n, 0.0f);
  }
  for (int64_t l = 0; l < job.k; l += kDepth) {
    p.k = std::min(kDepth, job.k - l);
    for (int64_t i = 0; i < p.k; ++i) {
      float* out = panel + i * kProductPanel;
      RowOfB(job, l + i, column, n, out);
      std::fill(out + n, out + kProductPanel, 0.0f);
    }
    p.a = job.a + row * job.a_row_stride + l * job.a_col_stride;
    p.a_row_stride = job.a_row_stride;
    p.a_col_stride = job.a_col_stride;
    p.accumulate = job.accumulate || l > 0;
    lanes.product_panel(p);
  }
  arena.Rewind(mark);
}

void SerialProduct(const LaneKernels& lanes, const ProductJob& job, Arena& arena) {
  for (int64_t column = 0; column < job.n; column += kProductPanel) {
    ProductBlock(lanes, job, 0, job.m, column, arena);
  }
}

int64_t Blocks(const ProductJob& job, int64_t rows) {
  return ((job.m + rows - 1) / rows) * ((job.n + kProductPanel - 1) / kProductPanel);
}

// The gradients of one kv head of one sequence.
class HeadGradients {
 public:
  HeadGradients(const LaneKernels& lanes, const AttentionBackwardArgs& args,
                const AttentionSequence& sequence, int64_t kv_head, Arena& arena)
      : lanes_(lanes), args_(args), f_(args.forward), s_(sequence), arena_(arena) {
    const int64_t k_at = s_.first_row * f_.kv.k_row_stride + kv_head * f_.kv.k_head_stride;
    const int64_t v_at = s_.first_row * f_.kv.v_row_stride + kv_head * f_.kv.v_head_stride;
    k_ = f_.kv.k + k_at;
    v_ = f_.kv.v + v_at;
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
    keys_ = keys;
    p_ = arena_.Allocate<float>(kAttentionQueryBlock * kAttentionSpan);
    ds_ = arena_.Allocate<float>(kAttentionQueryBlock * kAttentionSpan);
    for (int64_t h = first_head_; h < first_head_ + group_; ++h) {
      for (int64_t i = 0; i < s_.queries; i += kAttentionQueryBlock) {
        Block(h, i, std::min(s_.queries, i + kAttentionQueryBlock));
      }
    }
    arena_.Rewind(mark);
  }

 private:
  // [dim, keys]
  float* Transposed(const float* rows, int64_t stride, int64_t dim, int64_t keys) {
    auto* out = arena_.Allocate<float>(dim * keys);
    for (int64_t t = 0; t < keys; ++t) {
      for (int64_t d = 0; d < dim; ++d) out[d * keys + t] = rows[t * stride + d];
    }
    return out;
  }

  void Multiply(const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t b_row,
                int64_t m, int64_t n, int64_t k, float* c, int64_t c_row, bool accumulate) {
    SerialProduct(lanes_,
                  {.a = a,
                   .a_row_stride = a_row,
                   .a_col_stride = a_col,
                   .b = reinterpret_cast<const std::byte*>(b),
                   .b_dtype = DType::kF32,
                   .b_row_bytes = b_row * 4,
                   .m = m,
                   .n = n,
                   .k = k,
                   .c = c,
                   .c_row_stride = c_row,
                   .accumulate = accumulate},
                  arena_);
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
    Multiply(q, q_row, 1, k_t_ + begin, keys_, queries, count, f_.qk_dim, p_, count, false);
    Multiply(dout, o_row, 1, v_t_ + begin, keys_, queries, count, f_.v_dim, ds_, count, false);
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t seen = std::clamp<int64_t>(s_.first_position + first + i + 1 - begin, 0, count);
      lanes_.softmax_gradient(p_ + i * count, ds_ + i * count, seen, f_.scale,
                              f_.lse[at + i * f_.n_heads], delta[i]);
      std::fill(p_ + i * count + seen, p_ + (i + 1) * count, 0.0f);
      std::fill(ds_ + i * count + seen, ds_ + (i + 1) * count, 0.0f);
    }
    const int64_t k_stride = f_.kv.k_row_stride;
    const int64_t v_stride = f_.kv.v_row_stride;
    Multiply(p_, 1, count, dout, o_row, count, f_.v_dim, queries, dv_ + begin * v_stride, v_stride,
             true);
    Multiply(ds_, 1, count, q, q_row, count, f_.qk_dim, queries, dk_ + begin * k_stride, k_stride,
             true);
    Multiply(ds_, count, 1, k_ + begin * k_stride, k_stride, queries, f_.qk_dim, count,
             args_.dq + at * f_.qk_dim, q_row, true);
  }

  const LaneKernels& lanes_;
  const AttentionBackwardArgs& args_;
  const AttentionArgs& f_;
  const AttentionSequence& s_;
  Arena& arena_;
  const float *k_, *v_;
  float *dk_, *dv_;
  int64_t group_, first_head_, keys_ = 0;
  float *k_t_ = nullptr, *v_t_ = nullptr, *p_ = nullptr, *ds_ = nullptr;
};

}  // namespace

void CpuBackend::Product(Context& cx, std::span<const ProductJob> jobs) const {
  // Smaller blocks when there would be fewer than a few for each thread.
  int64_t rows = kRowBlock;
  const auto count = [&] {
    int64_t all = 0;
    for (const ProductJob& job : jobs) all += Blocks(job, rows);
    return all;
  };
  while (rows > 4 * kProductRows && count() < 4 * cx.pool->threads()) rows /= 2;
  cx.pool->ParallelFor(count(), [&](int64_t i, int worker) {
    const ProductJob* job = jobs.data();
    while (i >= Blocks(*job, rows)) i -= Blocks(*job++, rows);
    const int64_t panels = (job->n + kProductPanel - 1) / kProductPanel;
    const int64_t row = i / panels * rows;
    ProductBlock(*lanes_, *job, row, std::min(job->m, row + rows), i % panels * kProductPanel,
                 cx.worker[static_cast<size_t>(worker)]);
  });
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
      // Doubles in the reference's order; memory is the limit.
      partial[i] = RefBackend().SumOfSquares(cx, x + begin, std::min(kSumChunk, n - begin));
    }
  });
  double total = 0;
  for (int64_t i = 0; i < chunks; ++i) total += partial[i];
  cx.shared.Rewind(mark);
  return total;
}

}  // namespace aha::kernels::cpu
