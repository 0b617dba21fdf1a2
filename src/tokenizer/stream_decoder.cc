#include <algorithm>

#include "tokenizer/tokenizer.h"

namespace aha {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

// The range of a character's second byte (Unicode 15, table 3-7), and its length; 0 for a byte that
// starts none.
struct Lead {
  int length;
  uint8_t low = 0x80, high = 0xBF;
};
Lead LeadOf(uint8_t b) {
  if (b < 0x80) return {1};
  if (b >= 0xC2 && b <= 0xDF) return {2};
  if (b == 0xE0) return {3, 0xA0};
  if (b == 0xED) return {3, 0x80, 0x9F};
  if (b >= 0xE1 && b <= 0xEF) return {3};
  if (b == 0xF0) return {4, 0x90};
  if (b >= 0xF1 && b <= 0xF3) return {4};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

// Moves what is complete from `pending` to the result. Broken bytes become U+FFFD, one for each
// maximal part of a character, as Python's errors="replace" does.
std::string TakeComplete(std::string* pending, bool at_end) {
  std::string out;
  size_t at = 0;
  const std::string& text = *pending;
  while (at < text.size()) {
    const Lead lead = LeadOf(static_cast<uint8_t>(text[at]));
    size_t good = lead.length == 0 ? 0 : 1;
    while (good > 0 && good < static_cast<size_t>(lead.length) && at + good < text.size()) {
      const auto next = static_cast<uint8_t>(text[at + good]);
      if (next < (good == 1 ? lead.low : 0x80) || next > (good == 1 ? lead.high : 0xBF)) break;
      ++good;
    }
    if (lead.length > 0 && good == static_cast<size_t>(lead.length)) {
      out.append(text, at, good);
      at += good;
      continue;
    }
    if (good > 0 && at + good == text.size() && !at_end) break;  // may still become a character
    out += kReplacement;
    at += good > 0 ? good : 1;
  }
  pending->erase(0, at);
  return out;
}

}  // namespace

std::string StreamDecoder::Push(int32_t id) {
  if (skip_special_ && tokenizer_.IsSpecial(id) &&
      std::ranges::find(visible_, id) == visible_.end()) {
    return {};
  }
  pending_ += tokenizer_.TokenBytes(id);
  return TakeComplete(&pending_, /*at_end=*/false);
}

std::string StreamDecoder::Finish() { return TakeComplete(&pending_, /*at_end=*/true); }

}  // namespace aha
