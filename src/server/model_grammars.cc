#include "server/model_grammars.h"

#include <algorithm>

#include "server/limits.h"

namespace aha {

ModelGrammars::Compiled ModelGrammars::Find(const std::string& key, const auto& compile) {
  const MutexLock lock(mutex_);
  const auto it = std::ranges::find(known_, key, [](const auto& entry) { return entry.first; });
  if (it != known_.end()) {
    known_.splice(known_.begin(), known_, it);
    return known_.front().second;
  }
  Result<Grammar> grammar = compile();
  if (!grammar.ok()) return grammar.status();
  if (!trie_) trie_ = std::make_shared<const TokenTrie>(TokenTrie::FromTokenizer(tokenizer_));
  known_.emplace_front(key, std::make_shared<TokenGrammar>(*std::move(grammar), trie_, stop_ids_));
  if (known_.size() > limits::kKnownGrammars) known_.pop_back();
  return known_.front().second;
}

ModelGrammars::Compiled ModelGrammars::JsonObject() {
  return Find("object", [] { return Result<Grammar>(Grammar::JsonObject()); });
}

ModelGrammars::Compiled ModelGrammars::Schema(const Json& schema) {
  return Find("schema " + DumpJson(schema), [&] { return Grammar::FromJsonSchema(schema); });
}

ModelGrammars::Compiled ModelGrammars::Branches(std::span<const Grammar::Branch> branches) {
  Json key = Json::array();
  for (const Grammar::Branch& b : branches) key.push_back({b.before, b.schema, b.after});
  return Find("branches " + DumpJson(key), [&] { return Grammar::FromBranches(branches); });
}

ModelGrammars::Compiled ModelGrammars::Gbnf(const std::string& text) {
  return Find("gbnf " + text, [&] { return Grammar::FromGbnf(text); });
}

}  // namespace aha
