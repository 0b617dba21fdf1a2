#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace aha {
namespace {

TEST(ThreadPool, RunsEveryIterationOnce) {
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool(threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<int> hits(static_cast<size_t>(round), 0);
      pool.ParallelFor(round, [&](int64_t i, int worker) {
        ASSERT_LT(worker, threads);
        ++hits[static_cast<size_t>(i)];
      });
      EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), 0), round);
      for (int hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, WhoeverIsDoneTakesWhatOthersHaveLeft) {
  ThreadPool pool(2);
  constexpr int kCount = 10;
  std::atomic<int> done{0};
  pool.ParallelFor(kCount, [&](int64_t i, int) {
    // Whoever takes the first stays here until the other has done all the rest.
    while (i == 0 && done.load() != kCount - 1) std::this_thread::yield();
    done.fetch_add(1);
  });
  EXPECT_EQ(done.load(), kCount);
}

TEST(ThreadPool, WakesSleepingWorkers) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> sum{0};
    pool.ParallelFor(100, [&](int64_t i, int) { sum += static_cast<int>(i); });
    EXPECT_EQ(sum.load(), 4950);
  }
}

}  // namespace
}  // namespace aha
