// A tokenizer of given symbols: each word and each character is one token. What tiny models read.
// Words in angle brackets are tags: added tokens, which a user's text cannot forge.
#ifndef AHA_TRAIN_SYMBOLS_H_
#define AHA_TRAIN_SYMBOLS_H_

#include <string>

#include "base/status.h"
#include "train/recipe.h"

namespace aha {

// tokenizer.json of `recipe`'s pad, eos, words and characters, in that order; Hugging Face's
// library reads it to the same ids. Errors: no symbols, one twice, a character beyond ASCII.
Result<std::string> SymbolTokenizerJson(const TokenizerRecipe& recipe);

}  // namespace aha

#endif  // AHA_TRAIN_SYMBOLS_H_
