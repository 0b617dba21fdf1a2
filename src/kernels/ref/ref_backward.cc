#include "kernels/ref/ref_backward.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/portable_math.h"
#include "tensor/block_codes.h"

namespace aha::kernels::ref {
namespace {

// Row `l` of a product's b as float32.
std::vector<float> RowOfB(const ProductJob& job, int64_t l) {
  std::vector<float> row(static_cast<size_t>(job.n));
  const std::byte* bytes = job.b + l * job.b_row_bytes;
  if (!Info(job.b_dtype).quantized) {
    for (int64_t j = 0; j < job.n; ++j) {
      row[static_cast<size_t>(j)] = LoadFloat(job.b_dtype, bytes, j);
    }
    return row;
  }
  for (int64_t b = 0; b < job.n / 32; ++b) {
    BlockValues(UnpackBlock(job.b_dtype, bytes, b), HasMinimum(job.b_dtype), row.data() + 32 * b);
  }
  return row;
}

float Chain(const float* a, const float* b, int64_t n) {
  float acc = 0;
  for (int64_t i = 0; i < n; ++i) acc = std::fma(a[i], b[i], acc);
  return acc;
}

// acc[i] = fma(weight, x[i], acc[i])
void AddScaled(float weight, const float* x, int64_t n, float* acc) {
  for (int64_t i = 0; i < n; ++i) acc[i] = std::fma(weight, x[i], acc[i]);
}

// One block of queries of one head against one span of keys: p and ds [queries][span].
struct Tile {
  std::vector<float> p, ds;
};

class HeadGradient {
 public:
  HeadGradient(const AttentionBackwardArgs& args, const AttentionSequence& sequence, int64_t head)
      : args_(args), f_(args.forward), sequence_(sequence), head_(head) {
    kv_head_ = head / (f_.n_heads / f_.n_kv_heads);
  }

  void Run() {
    for (int64_t i = 0; i < sequence_.queries; i += kAttentionQueryBlock) {
      Block(i, std::min(sequence_.queries, i + kAttentionQueryBlock));
    }
  }

 private:
  int64_t QueryRow(int64_t i) const { return (sequence_.first_query + i) * f_.n_heads + head_; }
  const float* K(int64_t t) const {
    return static_cast<const float*>(f_.kv.k) + (sequence_.first_row + t) * f_.kv.k_row_stride +
           kv_head_ * f_.kv.k_head_stride;
  }
  const float* V(int64_t t) const {
    return static_cast<const float*>(f_.kv.v) + (sequence_.first_row + t) * f_.kv.v_row_stride +
           kv_head_ * f_.kv.v_head_stride;
  }
  float* DK(int64_t t) const {
    return args_.dk + (sequence_.first_row + t) * f_.kv.k_row_stride +
           kv_head_ * f_.kv.k_head_stride;
  }
  float* DV(int64_t t) const {
    return args_.dv + (sequence_.first_row + t) * f_.kv.v_row_stride +
           kv_head_ * f_.kv.v_head_stride;
  }

  void Block(int64_t first, int64_t last) const {
    const int64_t keys = sequence_.first_position + last;  // that the last query sees
    for (int64_t begin = 0; begin < keys; begin += kAttentionSpan) {
      Span(first, last, begin, std::min(keys, begin + kAttentionSpan));
    }
  }

  void Span(int64_t first, int64_t last, int64_t begin, int64_t end) const {
    const int64_t count = end - begin;
    std::vector<float> p(static_cast<size_t>((last - first) * count));
    std::vector<float> ds(p.size());
    for (int64_t i = first; i < last; ++i) {
      const float* dout = args_.dout + QueryRow(i) * f_.v_dim;
      const float* out = f_.out + QueryRow(i) * f_.v_dim;
      LaneSum delta;
      for (int64_t d = 0; d < f_.v_dim; ++d) {
        delta.lane[d % kLanes] = std::fma(dout[d], out[d], delta.lane[d % kLanes]);
      }
      const float row_delta = delta.Total();
      for (int64_t t = begin; t < end && t <= sequence_.first_position + i; ++t) {
        const auto at = static_cast<size_t>((i - first) * count + t - begin);
        const float score = Chain(f_.q + QueryRow(i) * f_.qk_dim, K(t), f_.qk_dim) * f_.scale;
        p[at] = portable::Exp(score - f_.lse[QueryRow(i)]);
        ds[at] = (p[at] * (Chain(dout, V(t), f_.v_dim) - row_delta)) * f_.scale;
      }
    }
    // Keys that a query of the block does not see stand in the chains with weight zero.
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = first; i < last; ++i) {
        const auto at = static_cast<size_t>((i - first) * count + t - begin);
        AddScaled(p[at], args_.dout + QueryRow(i) * f_.v_dim, f_.v_dim, DV(t));
      }
    }
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = first; i < last; ++i) {
        const auto at = static_cast<size_t>((i - first) * count + t - begin);
        AddScaled(ds[at], f_.q + QueryRow(i) * f_.qk_dim, f_.qk_dim, DK(t));
      }
    }
    for (int64_t i = first; i < last; ++i) {
      for (int64_t t = begin; t < end; ++t) {
        const auto at = static_cast<size_t>((i - first) * count + t - begin);
        AddScaled(ds[at], K(t), f_.qk_dim, args_.dq + QueryRow(i) * f_.qk_dim);
      }
    }
  }

  const AttentionBackwardArgs& args_;
  const AttentionArgs& f_;
  const AttentionSequence& sequence_;
  int64_t head_, kv_head_;
};

}  // namespace

void RefBackward::Product(Context& cx, std::span<const ProductJob> jobs) const {
  for (const ProductJob& job : jobs) {
    if (!job.accumulate) {
      for (int64_t i = 0; i < job.m; ++i) std::fill_n(job.c + i * job.c_row_stride, job.n, 0.0f);
    }
    for (int64_t l = 0; l < job.k; ++l) {
      const std::vector<float> b = RowOfB(job, l);
      for (int64_t i = 0; i < job.m; ++i) {
        AddScaled(job.a[i * job.a_row_stride + l * job.a_col_stride], b.data(), job.n,
                  job.c + i * job.c_row_stride);
      }
    }
  }
}

void RefBackward::RmsNormBackward(Context&, const RmsNormBackwardArgs& args) const {
  const RmsNormArgs& f = args.forward;
  const auto n = static_cast<float>(f.cols);
  for (int64_t r = 0; r < f.rows; ++r) {
    const float* x = f.x + r * f.x_stride;
    const float* dy = args.dy + r * f.cols;
    LaneSum squares;
    LaneSum along;  // of the gradient along x
    for (int64_t i = 0; i < f.cols; ++i) {
      squares.lane[i % kLanes] = std::fma(x[i], x[i], squares.lane[i % kLanes]);
      along.lane[i % kLanes] = std::fma(dy[i] * f.weight[i], x[i], along.lane[i % kLanes]);
    }
    const float scale = 1.0f / std::sqrt(squares.Total() / n + f.eps);
    const float back = ((scale * scale) * scale) * (along.Total() / n);
    for (int64_t i = 0; i < f.cols; ++i) {
      if (args.dx != nullptr) {
        float& dx = args.dx[r * f.cols + i];
        dx = dx + std::fma(dy[i] * f.weight[i], scale, -(x[i] * back));
      }
      if (args.dw != nullptr) args.dw[i] = std::fma(dy[i], x[i] * scale, args.dw[i]);
    }
  }
}

void RefBackward::AttentionBackward(Context& cx, const AttentionBackwardArgs& args) const {
  const AttentionArgs& f = args.forward;
  for (const AttentionSequence& sequence : args.forward.sequences) {
    for (int64_t h = 0; h < f.n_heads; ++h) HeadGradient(args, sequence, h).Run();
  }
}

void RefBackward::SiluMulBackward(Context&, const float* gate, const float* up, const float* dy,
                                  float* dgate, float* dup, int64_t n) const {
  for (int64_t i = 0; i < n; ++i) {
    const float s = 1.0f / (1.0f + portable::Exp(-gate[i]));
    const float silu = gate[i] * s;
    dup[i] = std::fma(dy[i], silu, dup[i]);
    dgate[i] = std::fma(dy[i] * up[i], std::fma(silu, 1.0f - s, s), dgate[i]);
  }
}

void RefBackward::AddToRows(Context&, const float* x, std::span<const int32_t> ids, float* table,
                            int64_t cols) const {
  for (size_t t = 0; t < ids.size(); ++t) {
    float* row = table + ids[t] * cols;
    for (int64_t c = 0; c < cols; ++c) row[c] += x[static_cast<int64_t>(t) * cols + c];
  }
}

void RefBackward::AddRowsTo(Context&, const float* x, int64_t rows, int64_t cols,
                            float* out) const {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[c] += x[r * cols + c];
  }
}

void RefBackward::LogProbs(Context&, const float* x, int64_t rows, int64_t cols,
                           const int32_t* targets, float inverse_temperature, float* logprob,
                           float* lse, float* entropy) const {
  std::vector<float> scaled(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      scaled[static_cast<size_t>(c)] = x[r * cols + c] * inverse_temperature;
    }
    const float largest = *std::max_element(scaled.begin(), scaled.end());
    LaneSum sum;
    for (int64_t c = 0; c < cols; ++c) {
      sum.lane[c % kLanes] += portable::Exp(scaled[static_cast<size_t>(c)] - largest);
    }
    lse[r] = largest + static_cast<float>(portable::Log(static_cast<double>(sum.Total())));
    logprob[r] = scaled[static_cast<size_t>(targets[r])] - lse[r];
    if (entropy == nullptr) continue;
    LaneSum mean;  // of the log-probability
    for (int64_t c = 0; c < cols; ++c) {
      const float lp = scaled[static_cast<size_t>(c)] - lse[r];
      mean.lane[c % kLanes] = std::fma(portable::Exp(lp), lp, mean.lane[c % kLanes]);
    }
    entropy[r] = -mean.Total();
  }
}

void RefBackward::LogProbsBackward(Context&, float* x, int64_t rows, int64_t cols,
                                   const int32_t* targets, float inverse_temperature,
                                   const float* lse, const float* entropy, const float* dlogprob,
                                   const float* dentropy) const {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      float& value = x[r * cols + c];
      const float lp = value * inverse_temperature - lse[r];
      const float p = portable::Exp(lp);
      float d = -(p * dlogprob[r]);
      if (dentropy != nullptr) d = std::fma(-(dentropy[r] * p), lp + entropy[r], d);
      if (c == targets[r]) d += dlogprob[r];
      value = d * inverse_temperature;
    }
  }
}

void RefBackward::AdamW(Context&, const AdamWArgs& a) const {
  const float keep = 1.0f - a.lr * a.weight_decay;
  for (int64_t i = 0; i < a.n; ++i) {
    const float g = a.gradient[i] * a.gradient_scale;
    a.m[i] = std::fma(a.beta1, a.m[i], (1.0f - a.beta1) * g);
    a.v[i] = std::fma(a.beta2, a.v[i], ((1.0f - a.beta2) * g) * g);
    const float step =
        (a.m[i] / a.bias_correction1) / (std::sqrt(a.v[i] / a.bias_correction2) + a.eps);
    a.weight[i] = std::fma(-a.lr, step, a.weight[i] * keep);
  }
}

double RefBackward::SumOfSquares(Context&, const float* x, int64_t n) const {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kSumChunk) {
    double lane[kLanes] = {};
    for (int64_t i = begin; i < std::min(n, begin + kSumChunk); ++i) {
      lane[i % kLanes] = std::fma(double{x[i]}, double{x[i]}, lane[i % kLanes]);
    }
    for (int h = kLanes / 2; h >= 1; h /= 2) {
      for (int j = 0; j < h; ++j) lane[j] += lane[j + h];
    }
    total += lane[0];
  }
  return total;
}

}  // namespace aha::kernels::ref
