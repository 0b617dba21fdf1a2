// The grammars that a model's answers are held to, compiled once for each text.
#ifndef AHA_SERVER_MODEL_GRAMMARS_H_
#define AHA_SERVER_MODEL_GRAMMARS_H_

#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "grammar/matcher.h"
#include "tokenizer/tokenizer.h"

namespace aha {

// Any thread; a grammar takes a moment to compile, the first one of a model longer.
class ModelGrammars {
 public:
  // `tokenizer` outlives this.
  ModelGrammars(const Tokenizer& tokenizer, std::vector<int32_t> stop_ids)
      : tokenizer_(tokenizer), stop_ids_(std::move(stop_ids)) {}

  using Compiled = Result<std::shared_ptr<TokenGrammar>>;
  Compiled JsonObject();
  Compiled Schema(const Json& schema);
  Compiled Branches(std::span<const Grammar::Branch> branches);
  Compiled Gbnf(const std::string& text);

 private:
  Compiled Find(const std::string& key, const auto& compile);

  const Tokenizer& tokenizer_;
  std::vector<int32_t> stop_ids_;
  Mutex mutex_;
  std::shared_ptr<const TokenTrie> trie_ AHA_GUARDED_BY(mutex_);
  // The most recently used first.
  std::list<std::pair<std::string, std::shared_ptr<TokenGrammar>>> known_ AHA_GUARDED_BY(mutex_);
};

}  // namespace aha

#endif  // AHA_SERVER_MODEL_GRAMMARS_H_
