// The bytes of a vocabulary's tokens as one tree, so that what many tokens begin with is looked at
// once.
//
//   const TokenTrie trie = TokenTrie::FromTokenizer(tokenizer);
//
// Immutable; safe to share between threads. Added tokens (special ones, thought and tool tags) and
// ids without bytes are not in it: no grammar's text is spelled with them.
#ifndef AHA_GRAMMAR_TOKEN_TRIE_H_
#define AHA_GRAMMAR_TOKEN_TRIE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace aha {

class TokenTrie {
 public:
  static TokenTrie FromTokenizer(const Tokenizer& tokenizer);
  // `tokens` by id; "" for an id that is left out.
  explicit TokenTrie(std::vector<std::string> tokens);

  // Nodes in depth-first order, the root left out; children in order of their byte.
  struct Node {
    uint8_t byte = 0;
    int32_t depth = 1;   // bytes from the root
    int32_t next = 0;    // the node after this one's children
    int32_t tokens = 0;  // of `tokens()`, the first that ends here
  };
  std::span<const Node> nodes() const { return std::span(nodes_).first(nodes_.size() - 1); }
  // The ids that end at node i.
  std::span<const int32_t> TokensAt(int32_t i) const {
    const auto at = static_cast<size_t>(i);
    return std::span(order_).subspan(
        static_cast<size_t>(nodes_[at].tokens),
        static_cast<size_t>(nodes_[at + 1].tokens - nodes_[at].tokens));
  }
  // "" for an id that is not in the tree.
  std::string_view Bytes(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < bytes_.size() ? bytes_[static_cast<size_t>(id)]
                                                              : std::string_view();
  }
  int32_t vocab() const { return static_cast<int32_t>(bytes_.size()); }
  int32_t most_bytes() const { return most_bytes_; }  // of the longest token

 private:
  std::vector<std::string> bytes_;  // by id
  std::vector<Node> nodes_;         // and one past the end
  std::vector<int32_t> order_;      // ids, by their bytes
  int32_t most_bytes_ = 0;
};

}  // namespace aha

#endif  // AHA_GRAMMAR_TOKEN_TRIE_H_
