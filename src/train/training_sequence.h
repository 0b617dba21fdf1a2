// What a pass of training runs on, and how neighbours share what they begin with.
#ifndef AHA_TRAIN_TRAINING_SEQUENCE_H_
#define AHA_TRAIN_TRAINING_SEQUENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/packed_batch.h"

namespace aha {

// One document or sampled output: some of its tokens are predicted.
struct TrainingSequence {
  std::vector<int32_t> ids;
  std::vector<int32_t> positions;  // empty: 0, 1, ...
  std::vector<int32_t> targets;    // indices into ids, each > 0, ascending
  // So many first ids are a prompt, of which nothing is predicted. Neighbours with the same prompt,
  // as the outputs of a group are, compute it once.
  int32_t prompt = 0;
};

// Sequences [first, last): alone, or with a prompt that is computed once for them. What is in one
// group depends on the sequences alone, never on the micro-batch: gradients of a prompt are summed
// over its group before they go further back, so how groups are made is part of the bits.
struct PromptGroup {
  size_t first = 0, last = 0;
  int64_t prompt = 0;   // tokens; 0: nothing is shared
  int64_t tokens = 0;   // computed
  int64_t longest = 0;  // positions
};

// Tokens that follow the prompt in one group, at most, as long as there are several outputs: the
// more of them, the smaller is what sharing still saves, and a group is never cut by a micro-batch.
inline constexpr int64_t kPromptGroupTokens = 512;

std::vector<PromptGroup> PromptGroups(std::span<const TrainingSequence> sequences);

// Groups as one packed pass: rows of the hidden states that a loss looks at, and the tokens that
// follow them.
struct TargetRows {
  std::vector<int32_t> rows, ids;
  std::vector<size_t> first;  // of each sequence of the groups, and the end

  TargetRows(std::span<const TrainingSequence> sequences, std::span<const PromptGroup> groups,
             PackedBatch* batch);
  size_t sequences() const { return first.size() - 1; }
  std::span<float> Of(size_t sequence, const Tensor& t) const {
    if (t.data == nullptr) return {};
    return t.span().subspan(first[sequence], first[sequence + 1] - first[sequence]);
  }
};

}  // namespace aha

#endif  // AHA_TRAIN_TRAINING_SEQUENCE_H_
