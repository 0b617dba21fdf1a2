// Byte pair encoding of one word (Sennrich et al. 2016): the pair with the lowest rank is merged
// until none is left; of equal pairs the leftmost first. Immutable, safe to share.
#ifndef AHA_TOKENIZER_BPE_H_
#define AHA_TOKENIZER_BPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "tokenizer/token_table.h"

namespace aha {

class Bpe {
 public:
  // `merges`: pairs of token bytes, best first. `ignore_merges`: a word that is a token is that
  // token. Errors name a merge whose parts or result are no tokens.
  static Result<Bpe> Create(const TokenTable& tokens,
                            const std::vector<std::pair<std::string, std::string>>& merges,
                            bool ignore_merges);

  // Appends the ids of `word`. Bytes without a token are left out, as Hugging Face does.
  void Encode(std::string_view word, std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // indices, -1 at the ends
  };
  static uint64_t Pair(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }
  const Merge* FindMerge(int32_t left, int32_t right) const;
  void MergeShort(std::vector<int32_t>* symbols) const;
  void MergeLong(std::vector<int32_t>* symbols) const;

  TokenTable whole_words_;  // only with ignore_merges
  int32_t byte_ids_[256];
  // Open addressing; the number of slots is a power of two.
  std::vector<uint64_t> keys_;
  std::vector<Merge> merges_;
};

}  // namespace aha

#endif  // AHA_TOKENIZER_BPE_H_
