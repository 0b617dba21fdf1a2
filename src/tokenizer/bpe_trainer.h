// Learns a byte-level BPE vocabulary (Sennrich et al. 2016) from texts: merge for merge what
// Hugging Face's BpeTrainer learns from the same words.
//
//   AHA_ASSIGN_OR_RETURN(BpeTrainer trainer, BpeTrainer::Create({.vocab_size = 4096}));
//   for (text) AHA_RETURN_IF_ERROR(trainer.Add(text));
//   AHA_ASSIGN_OR_RETURN(std::string tokenizer_json, trainer.Train());
//
// The result depends on how often each word was seen and on nothing else: not on the order of the
// texts, not on threads, not on a hash.
#ifndef AHA_TOKENIZER_BPE_TRAINER_H_
#define AHA_TOKENIZER_BPE_TRAINER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/pre_tokenizer.h"

namespace aha {

struct BpeTrainerOptions {
  int64_t vocab_size = 1024;  // added tokens and the 256 bytes among them
  // They get the first ids, in this order; `id` is not read. Where their text stands in what is
  // added it is cut out, and no merge ever spells one: plain text cannot become one.
  std::vector<AddedToken> added;
  std::string pattern = kQwen2Pattern;
  int64_t min_frequency = 2;  // pairs seen less often are not merged
};

class BpeTrainer {
 public:
  // Errors: a vocabulary too small for the added tokens and the bytes; an added token that is
  // empty, there twice or a byte's own spelling; a pattern that does not compile.
  static Result<BpeTrainer> Create(BpeTrainerOptions options);

  // Counts the words of `text`. Errors: not valid UTF-8; the pattern's match limit was hit.
  Status Add(std::string_view text);

  // tokenizer.json, with fewer than vocab_size tokens where the texts do not give as many. Error:
  // no words were added.
  Result<std::string> Train() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Counts = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;

  BpeTrainer(BpeTrainerOptions options, PreTokenizer pre);

  BpeTrainerOptions options_;
  AddedTokenMatcher matcher_;
  PreTokenizer pre_;
  Counts counts_;
  std::vector<const Counts::value_type*> words_;  // in the order they were first seen
};

}  // namespace aha

#endif  // AHA_TOKENIZER_BPE_TRAINER_H_
