// A text cut where its tokens end, for showing them one by one.
#ifndef AHA_TRAIN_TOKEN_TEXTS_H_
#define AHA_TRAIN_TOKEN_TEXTS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aha {

// One string a token: `bytes` says how many each gave to `text`. A token that ends inside a UTF-8
// character gives the beginning to the one that completes it, so that each piece can be shown by
// itself; joined they are `text`. Bytes beyond the text are none, text beyond the bytes is the
// last token's.
std::vector<std::string> TokenTexts(std::string_view text, std::span<const size_t> bytes);

}  // namespace aha

#endif  // AHA_TRAIN_TOKEN_TEXTS_H_
