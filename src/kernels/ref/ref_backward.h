// The backward half of the scalar reference.
#ifndef AHA_KERNELS_REF_REF_BACKWARD_H_
#define AHA_KERNELS_REF_REF_BACKWARD_H_

#include "kernels/kernels.h"

namespace aha::kernels::ref {

inline constexpr int kLanes = 16;

// The 16 accumulators of a lane sum; the caller adds to lane i % 16 in order of i.
struct LaneSum {
  float lane[kLanes] = {};

  float Total() {
    for (int h = kLanes / 2; h >= 1; h /= 2) {
      for (int j = 0; j < h; ++j) lane[j] += lane[j + h];
    }
    return lane[0];
  }
};

class RefBackward : public Backend {
 public:
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
};

}  // namespace aha::kernels::ref

#endif  // AHA_KERNELS_REF_REF_BACKWARD_H_
