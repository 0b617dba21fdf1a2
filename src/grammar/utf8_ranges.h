// A range of code points as ranges of UTF-8 bytes.
#ifndef AHA_GRAMMAR_UTF8_RANGES_H_
#define AHA_GRAMMAR_UTF8_RANGES_H_

#include <cstdint>
#include <vector>

#include "grammar/syntax.h"

namespace aha::grammar {

struct ByteRange {
  uint8_t low = 0, high = 0;  // both included
  bool operator==(const ByteRange&) const = default;
};

// One to four byte ranges after each other.
struct ByteSequence {
  int length = 0;
  ByteRange bytes[4];
};

// Appends sequences that together match the UTF-8 of the range's code points (no surrogates in it).
void AppendByteSequences(CodeRange range, std::vector<ByteSequence>* out);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_UTF8_RANGES_H_
