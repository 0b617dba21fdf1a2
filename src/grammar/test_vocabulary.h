// Vocabularies for the grammar's tests: small ones made here, and real ones.
#ifndef AHA_GRAMMAR_TEST_VOCABULARY_H_
#define AHA_GRAMMAR_TEST_VOCABULARY_H_

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "grammar/matcher.h"

namespace aha {

// All single bytes (id = byte), then `more`, then a stop id.
struct TestVocabulary {
  std::shared_ptr<const TokenTrie> trie;
  int32_t stop = 0;

  explicit TestVocabulary(const std::vector<std::string>& more = {}) {
    std::vector<std::string> tokens;
    for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
    tokens.insert(tokens.end(), more.begin(), more.end());
    stop = static_cast<int32_t>(tokens.size());
    tokens.emplace_back();
    trie = std::make_shared<const TokenTrie>(std::move(tokens));
  }
  GrammarMatcher Match(const Grammar& grammar) const {
    return GrammarMatcher(
        std::make_shared<TokenGrammar>(grammar, trie, std::vector<int32_t>{stop}));
  }
};

inline bool Accepts(const Grammar& grammar, std::string_view text) {
  static const TestVocabulary vocabulary;
  GrammarMatcher matcher = vocabulary.Match(grammar);
  return matcher.AcceptText(text) && matcher.finished();
}

// A text of the grammar: a walk that takes random allowed tokens, and after `length` of them ends
// as soon as it may, preferring tokens that close things. "" with *ended false when it did not end.
inline std::string RandomText(const std::shared_ptr<TokenGrammar>& grammar, const TokenTrie& trie,
                              uint64_t seed, int length, bool* ended) {
  GrammarMatcher matcher(grammar);
  std::vector<uint64_t> words(static_cast<size_t>((trie.vocab() + 63) / 64));
  std::string text;
  *ended = false;
  for (uint64_t i = 0; i < 4000; ++i) {
    const Rng rng(seed, i);
    if (matcher.finished() &&
        (matcher.must_end() || static_cast<int>(i) >= length || rng.Uniform(0) < 0.1)) {
      *ended = true;
      return text;
    }
    matcher.Mask(words);
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < trie.vocab(); ++id) {
      if ((words[static_cast<size_t>(id / 64)] >> (id % 64) & 1) != 0 && !trie.Bytes(id).empty()) {
        allowed.push_back(id);
      }
    }
    if (allowed.empty()) return text;
    int32_t id = allowed[rng.Bits(1) % allowed.size()];
    if (static_cast<int>(i) >= length) {
      for (const char c : {'"', '}', ']', '0'}) {
        const int32_t close = static_cast<uint8_t>(c);
        if (std::ranges::find(allowed, close) != allowed.end() && rng.Uniform(2) < 0.7) {
          id = close;
          break;
        }
      }
    }
    if (!matcher.Accept(id)) return text;
    text += trie.Bytes(id);
  }
  return text;
}

}  // namespace aha

#endif  // AHA_GRAMMAR_TEST_VOCABULARY_H_
