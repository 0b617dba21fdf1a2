// How well a model answers an environment's problems.
#ifndef AHA_TRAIN_EVALUATE_H_
#define AHA_TRAIN_EVALUATE_H_

#include <functional>
#include <string>
#include <vector>

#include "chat/chat_template.h"
#include "engine/engine.h"
#include "envs/environment.h"
#include "tokenizer/tokenizer.h"
#include "train/rollout.h"

namespace aha {

struct EvalOptions {
  int64_t problems = 256;
  int32_t samples = 1;  // of each problem, at `sampling`; one more is greedy
  bool greedy = true;
  SamplingParams sampling;
  int64_t max_tokens = 256;
  std::vector<int32_t> stop_ids;
  uint64_t seed = 0;
  Split split = Split::kHeldOut;
  const ChatTemplate* chat = nullptr;  // the model's, for problems that want it
};

// Sampled unless said otherwise.
struct EvalResult {
  int64_t problems = 0, samples = 0;
  double pass_at_1 = 0, low = 0, high = 0;  // with its 95% confidence interval (over problems)
  double pass_at_k = 0, majority_at_k = 0;
  double greedy = 0, greedy_length = 0;
  double mean_length = 0, think_share = 0, truncated = 0, reflection_words = 0;
  double thinks_accuracy = 0, short_accuracy = 0;        // of samples that think, that do not
  int64_t tokens = 0;                                    // generated, sampled ones
  std::vector<std::pair<std::string, double>> measures;  // the environment's, means
  Json ToJson() const;
};

struct EvalSample {
  const Problem& problem;
  int32_t sample;  // -1: greedy
  const std::string& text;
  const Score& score;
  int64_t tokens;
};

// `hear` (may be empty) gets every completion. The text that is graded has the special tokens left
// out.
Result<EvalResult> Evaluate(Engine& engine, const Tokenizer& tokenizer, const Environment& env,
                            const EvalOptions& options,
                            const std::function<Status(const EvalSample&)>& hear = {},
                            const std::function<bool()>& stop = {});

// What a problem with `chat` says to the model: [system,] user.
Json MessagesOf(const Problem& problem);
// A problem's prompt as the model reads it. Error: a text that the tokenizer cannot write; a chat
// without a template.
Result<std::vector<int32_t>> EncodeProblem(const Tokenizer& tokenizer, const ChatTemplate* chat,
                                           const Problem& problem);

}  // namespace aha

#endif  // AHA_TRAIN_EVALUATE_H_
