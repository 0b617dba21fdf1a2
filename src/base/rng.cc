#include "base/rng.h"

namespace aha {

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

uint64_t Rng::Bits(uint64_t index, uint32_t draw) const {
  // Two blocks: the first folds the 64-bit stream and the draw into a key, the second counts.
  const auto key =
      Philox4x32({static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32), draw, 0},
                 {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
  const auto out =
      Philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), key[2], key[3]},
                 {key[0], key[1]});
  return (uint64_t{out[1]} << 32) | out[0];
}

}  // namespace aha
