// Where text stops being UTF-8.
#ifndef AHA_TOKENIZER_UTF8_H_
#define AHA_TOKENIZER_UTF8_H_

#include <cstddef>
#include <string_view>

namespace aha {

// Bytes of the valid UTF-8 at the start of `text`.
size_t ValidUtf8Prefix(std::string_view text);

}  // namespace aha

#endif  // AHA_TOKENIZER_UTF8_H_
