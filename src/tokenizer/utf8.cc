#include "tokenizer/utf8.h"

#include <utf8proc.h>

#include <cstdint>

namespace aha {

size_t ValidUtf8Prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) < 128) {
      ++at;
      continue;
    }
    utf8proc_int32_t character = -1;
    const utf8proc_ssize_t n =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                         static_cast<utf8proc_ssize_t>(text.size() - at), &character);
    if (n <= 0) return at;
    at += static_cast<size_t>(n);
  }
  return at;
}

}  // namespace aha
