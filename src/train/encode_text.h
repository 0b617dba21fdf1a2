// Training text to ids, with how much each of them weighs in the loss.
#ifndef AHA_TRAIN_ENCODE_TEXT_H_
#define AHA_TRAIN_ENCODE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "tokenizer/tokenizer.h"
#include "train/documents.h"
#include "train/learner.h"

namespace aha {

struct WeightedSequence {
  TrainingSequence sequence;   // its targets are the tokens that weigh something
  std::vector<float> weights;  // of the targets
  size_t prompt_tokens = 0;    // up to the end of the last segment that is a prompt
};

// Each segment is encoded by itself, as the prompt and the answer to it are when the model is
// asked. Behind the last comes `eos`, where a chat template has not written its own end. Error: the
// tokenizer's match limit was hit.
Result<WeightedSequence> EncodeText(const Tokenizer& tokenizer, int32_t eos,
                                    const TrainingText& text);

}  // namespace aha

#endif  // AHA_TRAIN_ENCODE_TEXT_H_
