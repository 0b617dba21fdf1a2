#include "chat/loop_detector.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"

namespace aha {
namespace {

// Tokens until the loop is called certain; -1: never.
int64_t Fires(const std::vector<int32_t>& ids) {
  LoopDetector loop;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (loop.Push(ids[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

TEST(LoopDetector, FindsLoopsOfEveryPeriod) {
  for (const int period : {1, 2, 7, 31, 100, 256}) {
    std::vector<int32_t> ids;
    for (int i = 0; i < 500; ++i) ids.push_back(1000 + i);  // an honest beginning
    for (int i = 0; i < 4000; ++i) ids.push_back(i % period);
    const int64_t at = Fires(ids);
    ASSERT_GE(at, 500) << period;
    const int needed = std::max(LoopDetector::kRepeats * period, LoopDetector::kLeast);
    EXPECT_LE(at, 500 + needed) << period;
  }
}

TEST(LoopDetector, LetsHonestTextsBe) {
  // "step 17: x = 4" again and again, the number another one each time.
  std::vector<int32_t> list;
  for (int i = 0; i < 2000; ++i) {
    for (const int32_t id : {1, 2, 100 + i, 3, 4, 5, 100 + i % 10, 6}) list.push_back(id);
  }
  EXPECT_EQ(Fires(list), -1);
  std::vector<int32_t> text;
  const Rng rng(7, 0);
  for (uint64_t i = 0; i < 100'000; ++i) {
    text.push_back(static_cast<int32_t>(rng.Uniform(i) * 4));  // four tokens only
  }
  EXPECT_EQ(Fires(text), -1);
  // A rule of dashes, a sentence said three times.
  std::vector<int32_t> dashes(100, 9);
  EXPECT_EQ(Fires(dashes), -1);
  std::vector<int32_t> thrice;
  for (int i = 0; i < 3 * 40; ++i) thrice.push_back(i % 40);
  EXPECT_EQ(Fires(thrice), -1);
}

}  // namespace
}  // namespace aha
