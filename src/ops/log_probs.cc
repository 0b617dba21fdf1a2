#include "ops/log_probs.h"

namespace aha::ops {

LogProbsResult LogProbs(Context& cx, const Tensor& logits, std::span<const int32_t> targets,
                        float temperature, bool with_entropy) {
  const int64_t rows = logits.rows();
  CHECK(logits.shape.rank() == 2 && rows == static_cast<int64_t>(targets.size()),
        logits.shape.ToString() + " for " + std::to_string(targets.size()) + " targets");
  for (const int32_t id : targets) {
    CHECK(id >= 0 && id < logits.cols(), "target " + std::to_string(id));
  }
  LogProbsResult out;
  out.logprob = cx.New({rows});
  if (with_entropy) out.entropy = cx.New({rows});
  const Tensor lse = cx.New({rows});
  const float inverse = 1.0f / temperature;
  cx.backend().LogProbs(cx.kernels, logits.data, rows, logits.cols(), targets.data(), inverse,
                        out.logprob.data, lse.data, out.entropy.data);
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      const float* dentropy = with_entropy ? cx.tape->Gradient(out.entropy).data : nullptr;
      cx.backend().LogProbsBackward(cx.kernels, logits.data, rows, logits.cols(), targets.data(),
                                    inverse, lse.data, out.entropy.data,
                                    cx.tape->Gradient(out.logprob).data, dentropy);
      cx.tape->SetGradient(logits, logits);
    });
  }
  return out;
}

}  // namespace aha::ops
