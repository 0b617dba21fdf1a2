// Follows one text through a Grammar, token by token, and says which tokens may come next.
//
//   auto shared = std::make_shared<TokenGrammar>(grammar, trie, stop_ids);  // trie: of the
//   tokenizer GrammarMatcher matcher(shared);                                        // one for
//   each sample matcher.Mask(words);                       // bit id % 64 of word id / 64, as
//   TokenConstraint wants if (!matcher.Accept(token)) ...            // a token the mask did not
//   allow
//
// A mask is never blank: some token goes on, or a stop id is allowed, or both. The matchers of one
// TokenGrammar share what was computed; each may be used on another thread.
#ifndef AHA_GRAMMAR_MATCHER_H_
#define AHA_GRAMMAR_MATCHER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "grammar/grammar.h"
#include "grammar/token_trie.h"

namespace aha {

namespace grammar {
class Machine;
}

// A grammar over a vocabulary, and the masks that were needed so far (bounded; forgotten when they
// are too many).
class TokenGrammar {
 public:
  // `stop_ids` are allowed exactly where the text may end.
  TokenGrammar(Grammar grammar, std::shared_ptr<const TokenTrie> trie,
               std::vector<int32_t> stop_ids);
  ~TokenGrammar();
  TokenGrammar(const TokenGrammar&) = delete;
  TokenGrammar& operator=(const TokenGrammar&) = delete;

  struct Stats {
    int64_t masks = 0;           // kept now
    int64_t configurations = 0;  // known now
    int64_t bytes = 0;           // about
  };
  Stats stats();

 private:
  friend class GrammarMatcher;
  // A machine and the masks of its configurations' twins.
  struct Memory;
  // The newest memory, with *config moved there when it is not *memory.
  Memory& Current(std::shared_ptr<Memory>* memory, int32_t* config) AHA_REQUIRES(mutex_);
  const std::vector<uint64_t>& MaskOf(Memory& memory, int32_t config) AHA_REQUIRES(mutex_);
  void Walk(Memory& memory, int32_t config, std::vector<uint64_t>* words) AHA_REQUIRES(mutex_);

  Grammar grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  std::vector<int32_t> stop_ids_;
  Mutex mutex_;
  std::shared_ptr<Memory> newest_ AHA_GUARDED_BY(mutex_);
  std::vector<int32_t> path_ AHA_GUARDED_BY(mutex_);  // scratch of Walk
};

// A copy goes on from the same place.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<TokenGrammar> grammar);

  // Reads a token: false, and nothing changes, when it may not come next. A stop id ends the text;
  // nothing is accepted after it.
  bool Accept(int32_t token);
  // The same for text, at any place in a token; all of it or nothing.
  bool AcceptText(std::string_view text);
  // Sets all words: a bit for each token that may come next. Ids past the last word are left out.
  void Mask(std::span<uint64_t> words);
  bool finished() const { return finished_; }            // the text may end here
  bool must_end() const { return finished_ && !more_; }  // and cannot go on

 private:
  void Settle(int32_t config);

  std::shared_ptr<TokenGrammar> grammar_;
  std::shared_ptr<TokenGrammar::Memory> memory_;
  int32_t config_ = 0;
  bool finished_ = false;
  bool more_ = false;
  bool ended_ = false;  // by a stop id
};

}  // namespace aha

#endif  // AHA_GRAMMAR_MATCHER_H_
