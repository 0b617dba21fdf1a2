// Holds the answers of a request's samples to a grammar: thoughts are free, what follows is not.
#ifndef AHA_SERVER_ANSWER_CONSTRAINT_H_
#define AHA_SERVER_ANSWER_CONSTRAINT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "grammar/matcher.h"

namespace aha {

class AnswerConstraint : public TokenConstraint {
 public:
  // `opens_thought`: a token that may stand first and begins a thought; -1: none.
  AnswerConstraint(const std::shared_ptr<TokenGrammar>& grammar, int32_t samples, int64_t vocab,
                   bool in_thought, int32_t opens_thought);

  std::span<const uint64_t> Allowed(int32_t sample) override;
  // A token was given out; `answer` is the text it completed, where the thought ended with it.
  // Engine's thread, before the next Allowed of that sample.
  void Pushed(int32_t sample, int32_t id, bool before_in_thought, bool after_in_thought,
              std::string_view answer);

 private:
  struct Sample {
    GrammarMatcher matcher;
    std::vector<uint64_t> words;
    bool thinking = false;
    bool first = true;
  };
  std::vector<Sample> samples_;
  int32_t opens_thought_;
};

}  // namespace aha

#endif  // AHA_SERVER_ANSWER_CONSTRAINT_H_
