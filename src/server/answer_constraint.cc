#include "server/answer_constraint.h"

namespace aha {

AnswerConstraint::AnswerConstraint(const std::shared_ptr<TokenGrammar>& grammar, int32_t samples,
                                   int64_t vocab, bool in_thought, int32_t opens_thought)
    : opens_thought_(opens_thought) {
  for (int32_t i = 0; i < samples; ++i) {
    samples_.push_back({.matcher = GrammarMatcher(grammar),
                        .words = std::vector<uint64_t>(static_cast<size_t>((vocab + 63) / 64)),
                        .thinking = in_thought});
  }
}

std::span<const uint64_t> AnswerConstraint::Allowed(int32_t index) {
  Sample& sample = samples_[static_cast<size_t>(index)];
  if (sample.thinking) return {};
  sample.matcher.Mask(sample.words);
  if (sample.first && opens_thought_ >= 0) {
    sample.words[static_cast<size_t>(opens_thought_ / 64)] |= uint64_t{1} << (opens_thought_ % 64);
  }
  return sample.words;
}

void AnswerConstraint::Pushed(int32_t index, int32_t id, bool before_in_thought,
                              bool after_in_thought, std::string_view answer) {
  Sample& sample = samples_[static_cast<size_t>(index)];
  sample.first = false;
  sample.thinking = after_in_thought;
  if (after_in_thought) return;
  if (before_in_thought) {
    sample.matcher.AcceptText(answer);
  } else {
    sample.matcher.Accept(id);
  }
}

}  // namespace aha
