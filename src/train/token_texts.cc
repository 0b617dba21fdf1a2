#include "train/token_texts.h"

#include <algorithm>

namespace aha {

std::vector<std::string> TokenTexts(std::string_view text, std::span<const size_t> bytes) {
  std::vector<std::string> out;
  size_t begin = 0;
  size_t end = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    end += std::min(bytes[i], text.size() - end);
    if (i + 1 == bytes.size()) end = text.size();
    size_t cut = end;
    const auto continues = [&](size_t at) {
      return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    };
    // A character has at most three bytes after its first.
    while (continues(cut) && cut > begin && end - cut < 3) --cut;
    if (continues(cut)) cut = end;  // no UTF-8 at all
    out.emplace_back(text.substr(begin, cut - begin));
    begin = cut;
  }
  return out;
}

}  // namespace aha
