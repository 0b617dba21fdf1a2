#include "grammar/token_trie.h"

#include <algorithm>

namespace aha {

TokenTrie TokenTrie::FromTokenizer(const Tokenizer& tokenizer) {
  std::vector<std::string> tokens(static_cast<size_t>(tokenizer.vocab_size()));
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.IsAdded(id)) tokens[static_cast<size_t>(id)] = tokenizer.TokenBytes(id);
  }
  return TokenTrie(std::move(tokens));
}

TokenTrie::TokenTrie(std::vector<std::string> tokens) : bytes_(std::move(tokens)) {
  for (size_t id = 0; id < bytes_.size(); ++id) {
    if (!bytes_[id].empty()) order_.push_back(static_cast<int32_t>(id));
    most_bytes_ = std::max(most_bytes_, static_cast<int32_t>(bytes_[id].size()));
  }
  std::ranges::stable_sort(order_, [&](int32_t a, int32_t b) { return Bytes(a) < Bytes(b); });
  std::vector<size_t> path;  // the nodes of the last token's bytes
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      nodes_[path.back()].next = static_cast<int32_t>(nodes_.size());
    }
  };
  std::string_view last;
  for (size_t i = 0; i < order_.size(); ++i) {
    const std::string_view bytes = Bytes(order_[i]);
    const auto common = static_cast<size_t>(std::ranges::mismatch(bytes, last).in1 - bytes.begin());
    if (i > 0 && bytes.size() == last.size() && common == bytes.size()) continue;  // a double
    close(common);
    while (path.size() < bytes.size()) {
      path.push_back(nodes_.size());
      // Nodes on the way have no tokens: their list is as empty as it begins, at this token.
      nodes_.push_back({static_cast<uint8_t>(bytes[path.size() - 1]),
                        static_cast<int32_t>(path.size()), 0, static_cast<int32_t>(i)});
    }
    last = bytes;
  }
  close(0);
  nodes_.push_back({0, 0, 0, static_cast<int32_t>(order_.size())});
}

}  // namespace aha
