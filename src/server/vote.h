// Many samples of one question to one answer: who said what, and how many agree.
#ifndef AHA_SERVER_VOTE_H_
#define AHA_SERVER_VOTE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace aha {

struct VoteSample {
  std::string thought, content;
  std::string finish_reason;
  int64_t tokens = 0;
};

struct VoteAnswer {
  std::string answer;  // as its first sample wrote it
  std::vector<size_t> samples;
};

struct VoteResult {
  std::vector<VoteAnswer> answers;  // most samples first, then by first sample
  std::optional<size_t> winner;     // of answers; none when no sample has one
  std::vector<VoteSample> samples;
  std::vector<std::string> extracted;  // of each sample; "" : none

  // The sample whose answer is given: the winner's first, or the first of all.
  size_t chosen() const { return winner ? answers[*winner].samples[0] : 0; }
  Json ToJson() const;
};

// Samples that were cut off, or say nothing, have no vote. `as_numbers`: answers that are equal as
// exact numbers are one ("0.5", "1/2", "\frac{1}{2}", "2 + 3 = 5").
VoteResult TallyVotes(const std::vector<VoteSample>& samples, bool as_numbers);

}  // namespace aha

#endif  // AHA_SERVER_VOTE_H_
