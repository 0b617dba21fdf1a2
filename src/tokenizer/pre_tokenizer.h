// Cuts text into words by regular expressions, as Hugging Face's pre-tokenizers do. Patterns are
// Oniguruma's in the files; here PCRE2 runs them, with \s, \S, \d and \w spelled out so that both
// mean the same characters.
#ifndef AHA_TOKENIZER_PRE_TOKENIZER_H_
#define AHA_TOKENIZER_PRE_TOKENIZER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace aha {

enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitRule {
  std::string pattern;   // Oniguruma's syntax, as in the file
  bool literal = false;  // the pattern is plain text
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};

// GPT-2's pattern: what ByteLevel with use_regex splits by.
extern const char* const kGpt2Pattern;
// Llama 3's: numbers fall into threes, a word takes one sign before it along.
extern const char* const kLlama3Pattern;
// Qwen2's: the same with each digit alone.
extern const char* const kQwen2Pattern;

class PreTokenizer {
 public:
  // Rules run one after the other, each inside the pieces of the one before. Errors name a pattern
  // that does not compile.
  static Result<PreTokenizer> Create(std::vector<SplitRule> rules);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // Words of `text`, which is valid UTF-8; they point into it. Error: the match limit was hit.
  Status Split(std::string_view text, std::vector<std::string_view>* words) const;
  const std::vector<SplitRule>& rules() const { return rules_; }

 private:
  class Regex;
  PreTokenizer();
  std::vector<SplitRule> rules_;
  std::vector<std::unique_ptr<Regex>> regexes_;
};

}  // namespace aha

#endif  // AHA_TOKENIZER_PRE_TOKENIZER_H_
