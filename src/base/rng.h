// Counter-based random numbers: a pure function of a key and a counter, so that a draw depends on
// what it is for and never on how many were drawn before it.
//
//   double u = Rng(seed, sequence).Uniform(position);
#ifndef AHA_BASE_RNG_H_
#define AHA_BASE_RNG_H_

#include <array>
#include <cstdint>

namespace aha {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

class Rng {
 public:
  Rng(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  // 64 random bits for `index`; `draw` tells several uses at one index apart.
  uint64_t Bits(uint64_t index, uint32_t draw = 0) const;
  // In [0, 1), 53 bits.
  double Uniform(uint64_t index, uint32_t draw = 0) const {
    return static_cast<double>(Bits(index, draw) >> 11) * 0x1.0p-53;
  }

 private:
  uint64_t seed_;
  uint64_t stream_;
};

}  // namespace aha

#endif  // AHA_BASE_RNG_H_
