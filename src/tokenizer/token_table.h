// Ids of tokens by their bytes.
#ifndef AHA_TOKENIZER_TOKEN_TABLE_H_
#define AHA_TOKENIZER_TOKEN_TABLE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aha {

// Open addressing over the tokens themselves, which are not copied and must outlive it: a
// vocabulary of 150,000 is indexed in a few milliseconds.
class TokenTable {
 public:
  TokenTable() = default;
  // `tokens`: bytes of each id; an empty one is a hole. Of equal ones the first is found.
  explicit TokenTable(std::span<const std::string> tokens);

  int32_t Find(std::string_view bytes) const;  // -1: no token

 private:
  struct Slot {
    uint32_t tag = 0;  // of the hash; most other tokens are told apart by it
    int32_t id = -1;
  };
  // Where `bytes` are, or would be.
  size_t SlotOf(std::string_view bytes, uint64_t hash) const;

  const std::string* tokens_ = nullptr;
  std::vector<Slot> slots_;  // a power of two of them, or none
};

}  // namespace aha

#endif  // AHA_TOKENIZER_TOKEN_TABLE_H_
