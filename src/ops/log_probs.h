// Log-probabilities of given tokens: what every loss here is a function of.
#ifndef AHA_OPS_LOG_PROBS_H_
#define AHA_OPS_LOG_PROBS_H_

#include <cstdint>
#include <span>

#include "ops/context.h"

namespace aha::ops {

struct LogProbsResult {
  Tensor logprob;  // [rows]
  Tensor entropy;  // [rows]; empty (null data) when not asked for
};

// logits [rows, vocab], targets [rows] -> log softmax(logits / temperature)[target]. At temperature
// 1 the same bits as the engine's log-probabilities. Backward turns the logits into their gradient
// in place, so that [rows, vocab] exists once; nobody may read them after it. `targets` must live
// until the tape has run.
LogProbsResult LogProbs(Context& cx, const Tensor& logits, std::span<const int32_t> targets,
                        float temperature = 1, bool with_entropy = false);

}  // namespace aha::ops

#endif  // AHA_OPS_LOG_PROBS_H_
