#include "grammar/utf8_ranges.h"

#include <algorithm>
#include <string>

namespace aha::grammar {
namespace {

// first and last have encodings of one length. A range whose last bytes are not all of 80..BF is
// cut where they are.
void Split(uint32_t first, uint32_t last, std::vector<ByteSequence>* out) {
  for (int shift = 6; shift < 24; shift += 6) {
    const uint32_t mask = (1u << shift) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      Split(first, first | mask, out);
      return Split((first | mask) + 1, last, out);
    }
    if ((last & mask) != mask) {
      Split(first, (last & ~mask) - 1, out);
      return Split(last & ~mask, last, out);
    }
  }
  std::string low;
  std::string high;
  AppendUtf8(first, &low);
  AppendUtf8(last, &high);
  ByteSequence s;
  s.length = static_cast<int>(low.size());
  for (size_t i = 0; i < low.size(); ++i) {
    s.bytes[i] = {static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])};
  }
  out->push_back(s);
}

}  // namespace

void AppendByteSequences(CodeRange range, std::vector<ByteSequence>* out) {
  for (const CodeRange length :
       {CodeRange{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, 0x10FFFF}}) {
    const uint32_t first = std::max(range.first, length.first);
    const uint32_t last = std::min(range.last, length.last);
    if (first > last) continue;
    if (last < 0x80) {
      out->push_back({1, {{static_cast<uint8_t>(first), static_cast<uint8_t>(last)}}});
    } else {
      Split(first, last, out);
    }
  }
}

}  // namespace aha::grammar
