#include "kernels/cpu/cpu_backend.h"

#include "kernels/cpu/chunked.h"

namespace aha::kernels::cpu {
std::string CpuBackend::description() const {
  std::string text = name_;
  const bool vnni = int8_->name != std::string_view("avx2");
  if (vnni) text += bf16_dot_ != nullptr ? " (vnni, bf16)" : " (vnni)";
  return text;
}

void CpuBackend::Embed(Context& cx, const ConstView& table, std::span<const int32_t> ids,
                       float* out) const {
  // Few values, each touched once: the scalar code is as fast as memory.
  Chunked(cx, static_cast<int64_t>(ids.size()), table.cols(), [&](int64_t first, int64_t last) {
    RefBackend().Embed(cx, table,
                       ids.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first)),
                       out + first * table.cols());
  });
}

void CpuBackend::RmsNorm(Context& cx, const RmsNormArgs& args) const {
  Chunked(cx, args.rows, args.cols,
          [&](int64_t first, int64_t last) { lanes_->rms_norm(args, first, last); });
}

void CpuBackend::Rope(Context& cx, const RopeArgs& args) const {
  Chunked(cx, args.rows, args.heads * args.dim,
          [&](int64_t first, int64_t last) { lanes_->rope(args, first, last); });
}

void CpuBackend::Narrow(Context& cx, const float* x, uint16_t* y, int64_t n) const {
  Chunked(cx, n, 1,
          [&](int64_t first, int64_t last) { lanes_->narrow(x + first, y + first, last - first); });
}

void CpuBackend::SiluMul(Context& cx, const float* gate, const float* up, float* y,
                         int64_t n) const {
  Chunked(cx, n, kExpCost, [&](int64_t first, int64_t last) {
    lanes_->silu_mul(gate + first, up + first, y + first, last - first);
  });
}

void CpuBackend::Add(Context& cx, const float* x, float* y, int64_t n) const {
  Chunked(cx, n, 1,
          [&](int64_t first, int64_t last) { lanes_->add(x + first, y + first, last - first); });
}

void CpuBackend::Sigmoid(Context& cx, const float* x, float* y, int64_t n) const {
  Chunked(cx, n, kExpCost, [&](int64_t first, int64_t last) {
    lanes_->sigmoid(x + first, y + first, last - first);
  });
}

void CpuBackend::AddWeightedRows(Context& cx, const float* x, const int32_t* rows,
                                 const float* weights, int64_t tokens, int64_t k, float* y,
                                 int64_t cols) const {
  Chunked(cx, tokens, k * cols, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      for (int64_t j = 0; j < k; ++j) {
        const int32_t row = rows[t * k + j];
        if (row >= 0) lanes_->add_scaled(x + row * cols, weights[t * k + j], y + t * cols, cols);
      }
    }
  });
}

void CpuBackend::LogSumExp(Context& cx, const float* x, int64_t rows, int64_t cols,
                           float* out) const {
  Chunked(cx, rows, cols, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) out[r] = lanes_->log_sum_exp(x + r * cols, cols);
  });
}

double CpuBackend::Run(Exercise what, std::span<const std::byte> memory, int64_t rounds) const {
  switch (what) {
    case Exercise::kRead: {
      double bytes = 0;
      for (int64_t r = 0; r < rounds; ++r) {
        bytes += lanes_->read(memory.data(), static_cast<int64_t>(memory.size()));
      }
      return bytes;
    }
    case Exercise::kFma:
      return lanes_->multiply_add(rounds);
    case Exercise::kInt8Dot:
      return int8_->exercise(rounds);
    case Exercise::kInt8Tile:
      return int8_->exercise_tiles == nullptr ? 0 : int8_->exercise_tiles(rounds);
    default:
      return bf16_dot_ == nullptr ? 0 : bf16_dot_->exercise(rounds);
  }
}

}  // namespace aha::kernels::cpu
