#include "base/rng.h"

#include <gtest/gtest.h>

#include <set>

namespace aha {
namespace {

// Known answers of Random123's kat_vectors for philox4x32-10.
TEST(Rng, PhiloxKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, EveryCoordinateMatters) {
  std::set<uint64_t> seen;
  for (uint64_t seed : {1u, 2u}) {
    for (uint64_t stream : {0u, 1u}) {
      for (uint64_t index = 0; index < 100; ++index) {
        for (uint32_t draw : {0u, 1u}) seen.insert(Rng(seed, stream).Bits(index, draw));
      }
    }
  }
  EXPECT_EQ(seen.size(), 2u * 2 * 100 * 2);
}

TEST(Rng, UniformHasTheRightMean) {
  double sum = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const double u = Rng(7, 3).Uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);
}

}  // namespace
}  // namespace aha
