// The contract of docs/numerics.md in scalar code. Slow, obvious, and the oracle of every backend.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/portable_math.h"
#include "kernels/kernels.h"
#include "kernels/ref/ref_backward.h"
#include "tensor/block_codes.h"

namespace aha::kernels {
namespace ref {
namespace {

int64_t RoundUp(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

float FloatDot(const float* x, const ConstView& w, int64_t row) {
  const int64_t k = w.cols();
  const std::byte* bytes = w.row(row);
  LaneSum sum;
  for (int64_t i = 0; i < RoundUp(k); ++i) {
    const float a = i < k ? x[i] : 0.0f;
    const float b = i < k ? LoadFloat(w.dtype, bytes, i) : 0.0f;
    sum.lane[i % kLanes] = std::fma(a, b, sum.lane[i % kLanes]);
  }
  return sum.Total();
}

struct QuantizedBlock {
  int32_t q[32];
  float d;
};

QuantizedBlock QuantizeBlock(const float* x) {
  // As integers the largest magnitude is found without asking what max(NaN, x) is.
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits = std::max(bits, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFFu);
  const float largest = std::bit_cast<float>(bits);
  QuantizedBlock out{};
  out.d = largest / 127.0f;
  if (largest == 0 || !std::isfinite(largest)) return out;
  const float inverse = 127.0f / largest;
  // A largest value so small that its inverse overflows: the block is zero for us.
  if (!std::isfinite(inverse)) return out;
  for (int i = 0; i < 32; ++i) out.q[i] = static_cast<int32_t>(std::nearbyint(x[i] * inverse));
  return out;
}

float QuantizedDot(const float* x, const ConstView& w, int64_t row) {
  const std::byte* bytes = w.row(row);
  const bool has_minimum = HasMinimum(w.dtype);
  float acc = 0;
  for (int64_t b = 0; b < w.cols() / 32; ++b) {
    const QuantizedBlock xq = QuantizeBlock(x + 32 * b);
    const BlockCodes wq = UnpackBlock(w.dtype, bytes, b);
    int32_t half_sum[2] = {0, 0};
    int32_t xsum = 0;
    for (int i = 0; i < 32; ++i) {
      half_sum[i / 16] += wq.code[i] * xq.q[i];
      xsum += xq.q[i];
    }
    const int32_t isum = half_sum[0] * wq.scale[0] + half_sum[1] * wq.scale[1];
    acc = std::fma(static_cast<float>(isum), wq.ws * xq.d, acc);
    if (has_minimum) acc = std::fma(wq.wm, xq.d * static_cast<float>(xsum), acc);
  }
  return acc;
}

// One query row and head of attention, span by span, then merged.
class AttentionRow {
 public:
  AttentionRow(const AttentionArgs& args, const AttentionSequence& sequence, int64_t query,
               int64_t head)
      : args_(args), sequence_(sequence), kv_head_(head / (args.n_heads / args.n_kv_heads)) {
    const int64_t row = (sequence.first_query + query) * args.n_heads + head;
    q_ = args.q + row * args.qk_dim;
    out_ = args.out + row * args.v_dim;
    lse_ = args.lse == nullptr ? nullptr : args.lse + row;
    keys_ = sequence.first_position + query + 1;
  }

  void Run(Arena& arena) {
    const int64_t v_dim = args_.v_dim;
    float* o = arena.Allocate<float>(v_dim);
    float maximum = 0;
    float total = 0;
    Span(0, &maximum, &total, out_);
    for (int64_t s = 1; s * kAttentionSpan < keys_; ++s) {
      float span_maximum = 0;
      float span_sum = 0;
      Span(s, &span_maximum, &span_sum, o);
      const float largest = std::max(maximum, span_maximum);
      const float old_weight = portable::Exp(maximum - largest);
      const float new_weight = portable::Exp(span_maximum - largest);
      total = std::fma(span_sum, new_weight, total * old_weight);
      for (int64_t d = 0; d < v_dim; ++d)
        out_[d] = std::fma(o[d], new_weight, out_[d] * old_weight);
      maximum = largest;
    }
    for (int64_t d = 0; d < v_dim; ++d) out_[d] /= total;
    if (lse_ != nullptr) {
      *lse_ = maximum + static_cast<float>(portable::Log(static_cast<double>(total)));
    }
  }

 private:
  int64_t Row(int64_t t) const {
    if (sequence_.pages == nullptr) return sequence_.first_row + t;
    return sequence_.pages[t / args_.kv.page_tokens] * args_.kv.page_tokens +
           t % args_.kv.page_tokens;
  }

  // Value d of a token's key or value is [d].
  struct Stored {
    const std::byte* first;
    int64_t stride;
    DType dtype;
    float operator[](int64_t d) const { return LoadFloat(dtype, first, d * stride); }
  };
  Stored Key(int64_t t) const {
    const KvView& kv = args_.kv;
    const int64_t row = Row(t);
    if (!kv.in_units) {
      return {kv.K(row * kv.k_row_stride + kv_head_ * kv.k_head_stride), 1, kv.dtype};
    }
    const int64_t in_unit = row % kAttentionPageUnit;
    return {kv.K((row - in_unit) * kv.k_row_stride +
                 kv_head_ * kAttentionPageUnit * kv.k_head_stride + in_unit),
            kAttentionPageUnit, kv.dtype};
  }
  Stored Value(int64_t t) const {
    const KvView& kv = args_.kv;
    const int64_t row = Row(t);
    if (!kv.in_units) {
      return {kv.V(row * kv.v_row_stride + kv_head_ * kv.v_head_stride), 1, kv.dtype};
    }
    const int64_t in_unit = row % kAttentionPageUnit;
    return {kv.V((row - in_unit) * kv.v_row_stride +
                 kv_head_ * kAttentionPageUnit * kv.v_head_stride + in_unit * args_.v_dim),
            1, kv.dtype};
  }

  void Span(int64_t span, float* maximum, float* sum, float* o) const {
    const int64_t begin = span * kAttentionSpan;
    const int64_t count = std::min(kAttentionSpan, keys_ - begin);
    float p[kAttentionSpan];
    float largest = -std::numeric_limits<float>::infinity();
    for (int64_t t = 0; t < count; ++t) {
      const Stored k = Key(begin + t);
      float acc = 0;
      for (int64_t d = 0; d < args_.qk_dim; ++d) acc = std::fma(q_[d], k[d], acc);
      p[t] = acc * args_.scale;
      largest = std::max(largest, p[t]);
    }
    LaneSum lanes;
    std::fill(o, o + args_.v_dim, 0.0f);
    for (int64_t t = 0; t < count; ++t) {
      p[t] = portable::Exp(p[t] - largest);
      lanes.lane[t % kLanes] += p[t];
      const Stored v = Value(begin + t);
      for (int64_t d = 0; d < args_.v_dim; ++d) o[d] = std::fma(p[t], v[d], o[d]);
    }
    *maximum = largest;
    *sum = lanes.Total();
  }

  const AttentionArgs& args_;
  const AttentionSequence& sequence_;
  int64_t kv_head_;
  const float* q_;
  float* out_;
  float* lse_;
  int64_t keys_;
};

class RefBackend : public RefBackward {
 public:
  std::string_view name() const override { return "ref"; }

  void MatMul(Context& cx, std::span<const MatMulJob> jobs) const override {
    for (const MatMulJob& job : jobs) {
      cx.pool->ParallelFor(job.w.rows(), [&](int64_t n, int) {
        for (int64_t m = 0; m < job.m; ++m) {
          const float* x = job.x + m * job.x_stride;
          float y = Info(job.w.dtype).quantized ? QuantizedDot(x, job.w, n) : FloatDot(x, job.w, n);
          if (job.bias != nullptr) y += job.bias[n];
          job.y[m * job.y_stride + n] = y;
        }
      });
    }
  }

  void Embed(Context&, const ConstView& table, std::span<const int32_t> ids,
             float* out) const override {
    const int64_t cols = table.cols();
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::byte* row = table.row(ids[i]);
      float* y = out + static_cast<int64_t>(i) * cols;
      if (!Info(table.dtype).quantized) {
        for (int64_t c = 0; c < cols; ++c) y[c] = LoadFloat(table.dtype, row, c);
        continue;
      }
      for (int64_t b = 0; b < cols / 32; ++b) {
        BlockValues(UnpackBlock(table.dtype, row, b), HasMinimum(table.dtype), y + 32 * b);
      }
    }
  }

  void RmsNorm(Context&, const RmsNormArgs& a) const override {
    for (int64_t r = 0; r < a.rows; ++r) {
      const float* x = a.x + r * a.x_stride;
      LaneSum squares;
      for (int64_t i = 0; i < RoundUp(a.cols); ++i) {
        const float value = i < a.cols ? x[i] : 0.0f;
        squares.lane[i % kLanes] = std::fma(value, value, squares.lane[i % kLanes]);
      }
      const float mean = squares.Total() / static_cast<float>(a.cols);
      const float scale = 1.0f / std::sqrt(mean + a.eps);
      for (int64_t i = 0; i < a.cols; ++i) a.y[r * a.y_stride + i] = (x[i] * scale) * a.weight[i];
    }
  }

  void Rope(Context&, const RopeArgs& a) const override {
    const int64_t half = a.dim / 2;
    for (int64_t r = 0; r < a.rows; ++r) {
      const float* cos = a.cos + a.positions[r] * half;
      const float* sin = a.sin + a.positions[r] * half;
      for (int64_t h = 0; h < a.heads; ++h) {
        float* x = a.x + r * a.row_stride + h * a.head_stride;
        for (int64_t i = 0; i < half; ++i) {
          float& first = a.layout == RopeLayout::kHalf ? x[i] : x[2 * i];
          float& second = a.layout == RopeLayout::kHalf ? x[i + half] : x[2 * i + 1];
          const float u = first;
          const float v = second;
          const float s = a.inverse ? -sin[i] : sin[i];
          first = std::fma(u, cos[i], -(v * s));
          second = std::fma(v, cos[i], u * s);
        }
      }
    }
  }

  void Attention(Context& cx, const AttentionArgs& args) const override {
    for (const AttentionSequence& sequence : args.sequences) {
      cx.pool->ParallelFor(sequence.queries * args.n_heads, [&](int64_t i, int worker) {
        Arena& arena = cx.worker[static_cast<size_t>(worker)];
        const Arena::Mark mark = arena.Save();
        AttentionRow(args, sequence, i / args.n_heads, i % args.n_heads).Run(arena);
        arena.Rewind(mark);
      });
    }
  }

  void Narrow(Context&, const float* x, uint16_t* y, int64_t n) const override {
    for (int64_t i = 0; i < n; ++i) y[i] = FloatToFiniteHalf(x[i]);
  }

  void SiluMul(Context&, const float* gate, const float* up, float* y, int64_t n) const override {
    for (int64_t i = 0; i < n; ++i) y[i] = (gate[i] / (1.0f + portable::Exp(-gate[i]))) * up[i];
  }

  void Add(Context&, const float* x, float* y, int64_t n) const override {
    for (int64_t i = 0; i < n; ++i) y[i] += x[i];
  }

  void Sigmoid(Context&, const float* x, float* y, int64_t n) const override {
    for (int64_t i = 0; i < n; ++i) y[i] = 1.0f / (1.0f + portable::Exp(-x[i]));
  }

  void AddWeightedRows(Context&, const float* x, const int32_t* rows, const float* weights,
                       int64_t tokens, int64_t k, float* y, int64_t cols) const override {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t j = 0; j < k; ++j) {
        if (rows[t * k + j] < 0) continue;
        const float* from = x + rows[t * k + j] * cols;
        for (int64_t c = 0; c < cols; ++c) {
          y[t * cols + c] = std::fma(weights[t * k + j], from[c], y[t * cols + c]);
        }
      }
    }
  }

  void LogSumExp(Context&, const float* x, int64_t rows, int64_t cols, float* out) const override {
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = x + r * cols;
      const float largest = *std::max_element(row, row + cols);
      LaneSum sum;
      for (int64_t i = 0; i < cols; ++i) sum.lane[i % kLanes] += portable::Exp(row[i] - largest);
      out[r] = largest + static_cast<float>(portable::Log(static_cast<double>(sum.Total())));
    }
  }

  double Run(Exercise what, std::span<const std::byte> memory, int64_t rounds) const override {
    if (what == Exercise::kBf16Dot || what == Exercise::kInt8Tile) return 0;
    volatile float sink = 0;
    float sum = 1;
    if (what == Exercise::kRead) {
      for (int64_t r = 0; r < rounds; ++r) {
        for (const std::byte b : memory) sum += static_cast<float>(b);
      }
      sink = sum;
      return static_cast<double>(rounds) * static_cast<double>(memory.size());
    }
    for (int64_t r = 0; r < rounds; ++r) sum = std::fma(sum, 0.5f, 1.0f);
    sink = sum;
    static_cast<void>(sink);
    return 2.0 * static_cast<double>(rounds);
  }
};

}  // namespace
}  // namespace ref

const Backend& RefBackend() {
  static const ref::RefBackend backend;
  return backend;
}

}  // namespace aha::kernels
