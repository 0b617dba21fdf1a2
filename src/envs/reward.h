// What a completion is worth: a weighted list of named parts, each of which is logged.
#ifndef AHA_ENVS_REWARD_H_
#define AHA_ENVS_REWARD_H_

#include <span>
#include <string>
#include <vector>

#include "envs/environment.h"

namespace aha {

struct RewardPart {
  enum class Kind {
    kCorrect,   // Score::correct
    kFormat,    // 1 when the thought ends and one answer follows it
    kLanguage,  // R1's consistency: share of the thought's words that are of `alphabet` alone
    kLength     // 0 up to `from` tokens, then linearly down to -1 at `to`
  };
  Kind kind = Kind::kCorrect;
  std::string name;
  double weight = 1;
  std::string alphabet;      // kLanguage; empty: ASCII letters
  int64_t from = 0, to = 0;  // kLength
};

// `list` is null (correct alone) or an array of {name, weight, ...}. Errors name unknown parts and
// keys.
Result<std::vector<RewardPart>> ReadRewards(const Json& list);

// The part's value before its weight.
double RewardOf(const RewardPart& part, const Score& score, std::string_view completion,
                int64_t tokens);

// Occurrences of the ten words that R1's paper counts as reflection (wait, mistake, however, but,
// retry, error, verify, wrong, evaluate, check), and of " no, ", their like in a Countdown thought.
int64_t ReflectionWords(std::string_view text);

}  // namespace aha

#endif  // AHA_ENVS_REWARD_H_
