// The SIMD backend: one object for each set of kernels. Partitions work over threads by output
// element (rows of weights, tokens, heads, spans) and never splits a sum.
#ifndef AHA_KERNELS_CPU_CPU_BACKEND_H_
#define AHA_KERNELS_CPU_CPU_BACKEND_H_

#include "kernels/cpu/bf16_dot.h"
#include "kernels/cpu/int8_kernels.h"
#include "kernels/cpu/lane_kernels.h"
#include "kernels/kernels.h"

namespace aha::kernels::cpu {

class CpuBackend : public Backend {
 public:
  // `bf16_dot` may be null: then fast numerics are the portable ones.
  CpuBackend(const char* name, const LaneKernels* lanes, const Int8Kernels* int8,
             const Bf16DotKernel* bf16_dot)
      : name_(name), lanes_(lanes), int8_(int8), bf16_dot_(bf16_dot) {}

  std::string_view name() const override { return name_; }
  std::string description() const override;

  void MatMul(Context& cx, std::span<const MatMulJob> jobs) const override;
  void Embed(Context& cx, const ConstView& table, std::span<const int32_t> ids,
             float* out) const override;
  void RmsNorm(Context& cx, const RmsNormArgs& args) const override;
  void Rope(Context& cx, const RopeArgs& args) const override;
  void Attention(Context& cx, const AttentionArgs& args) const override;
  void Narrow(Context& cx, const float* x, uint16_t* y, int64_t n) const override;
  void SiluMul(Context& cx, const float* gate, const float* up, float* y, int64_t n) const override;
  void Add(Context& cx, const float* x, float* y, int64_t n) const override;
  void Sigmoid(Context& cx, const float* x, float* y, int64_t n) const override;
  void AddWeightedRows(Context& cx, const float* x, const int32_t* rows, const float* weights,
                       int64_t tokens, int64_t k, float* y, int64_t cols) const override;
  void LogSumExp(Context& cx, const float* x, int64_t rows, int64_t cols,
                 float* out) const override;
  void Product(Context& cx, std::span<const ProductJob> jobs) const override;
  void RmsNormBackward(Context& cx, const RmsNormBackwardArgs& args) const override;
  void AttentionBackward(Context& cx, const AttentionBackwardArgs& args) const override;
  void SiluMulBackward(Context& cx, const float* gate, const float* up, const float* dy,
                       float* dgate, float* dup, int64_t n) const override;
  void AddToRows(Context& cx, const float* x, std::span<const int32_t> ids, float* table,
                 int64_t cols) const override;
  void AddRowsTo(Context& cx, const float* x, int64_t rows, int64_t cols,
                 float* out) const override;
  void LogProbs(Context& cx, const float* x, int64_t rows, int64_t cols, const int32_t* targets,
                float inverse_temperature, float* logprob, float* lse,
                float* entropy) const override;
  void LogProbsBackward(Context& cx, float* x, int64_t rows, int64_t cols, const int32_t* targets,
                        float inverse_temperature, const float* lse, const float* entropy,
                        const float* dlogprob, const float* dentropy) const override;
  void AdamW(Context& cx, const AdamWArgs& args) const override;
  double SumOfSquares(Context& cx, const float* x, int64_t n) const override;
  double Run(Exercise what, std::span<const std::byte> memory, int64_t rounds) const override;

 private:
  const char* name_;
  const LaneKernels* lanes_;
  const Int8Kernels* int8_;
  const Bf16DotKernel* bf16_dot_;
};

}  // namespace aha::kernels::cpu

#endif  // AHA_KERNELS_CPU_CPU_BACKEND_H_
