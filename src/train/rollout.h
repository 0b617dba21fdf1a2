// Samples from the model that is being trained, through the engine that serves it.
#ifndef AHA_TRAIN_ROLLOUT_H_
#define AHA_TRAIN_ROLLOUT_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace aha {

struct Completion {
  std::vector<int32_t> ids;     // the end-of-sequence id included
  std::vector<float> logprobs;  // of each id at temperature 1, as the engine recorded them
  bool truncated = false;       // ended by the length cap
};

struct RolloutOptions {
  int32_t samples = 1;
  SamplingParams sampling;  // its seed is overwritten
  int64_t max_tokens = 256;
  std::vector<int32_t> stop_ids;
  // Prompt i draws from stream (seed, first_stream + i): a sample depends on neither its
  // neighbours nor how many prompts are asked at once.
  uint64_t seed = 0;
  uint64_t first_stream = 0;
};

// Rows of a cache that holds so many sequences at once, each `longest`, if a gigabyte holds them;
// the scheduler copes with less.
int64_t CacheTokens(const ModelInfo& info, int64_t sequences, int64_t longest);

// All prompts batched; result[prompt][sample]. `stop` is asked between engine steps and ends all
// with Cancelled. Errors: what the engine refuses; logits that are not finite.
Result<std::vector<std::vector<Completion>>> Rollout(Engine& engine,
                                                     std::span<const std::vector<int32_t>> prompts,
                                                     const RolloutOptions& options,
                                                     const std::function<bool()>& stop = {});

}  // namespace aha

#endif  // AHA_TRAIN_ROLLOUT_H_
