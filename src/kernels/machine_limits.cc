#include "kernels/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace aha::kernels {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

constexpr int64_t kReadBytes = int64_t{256} << 20;  // past any cache we know of on a desktop
constexpr int64_t kSlice = 1 << 20;

// Best rate over rounds until `budget` seconds have gone; round() gives the work done.
template <typename Round>
double BestRate(double budget, const Round& round) {
  double best = 0;
  const double start = Seconds();
  do {
    const double begin = Seconds();
    const double work = round();
    best = std::max(best, work / (Seconds() - begin));
  } while (Seconds() - start < budget);
  return best;
}

double Dense(ThreadPool& pool, const Backend& backend, Exercise what, double budget) {
  constexpr int64_t kRounds = 200000;
  return BestRate(budget, [&] {
    std::vector<double> work(static_cast<size_t>(pool.threads()));
    pool.ParallelFor(pool.threads(), [&](int64_t i, int) {
      work[static_cast<size_t>(i)] = backend.Run(what, {}, kRounds);
    });
    double sum = 0;
    for (const double w : work) sum += w;
    return sum;
  });
}

}  // namespace

MachineLimits MeasureMachineLimits(ThreadPool& pool, const Backend& backend,
                                   double seconds_budget) {
  MachineLimits limits;
  const double each = seconds_budget / 5;
  const std::unique_ptr<std::byte[]> memory(new std::byte[kReadBytes]);
  pool.ParallelFor(kReadBytes / kSlice,
                   [&](int64_t i, int) { std::memset(memory.get() + i * kSlice, 1, kSlice); });
  limits.read_bytes_per_s = BestRate(each, [&] {
    pool.ParallelFor(kReadBytes / kSlice, [&](int64_t i, int) {
      backend.Run(Exercise::kRead, {memory.get() + i * kSlice, kSlice}, 1);
    });
    return static_cast<double>(kReadBytes);
  });
  limits.fma_flops = Dense(pool, backend, Exercise::kFma, each);
  limits.int8_dot_ops = Dense(pool, backend, Exercise::kInt8Dot, each);
  limits.int8_tile_ops = Dense(pool, backend, Exercise::kInt8Tile, each);
  limits.bf16_dot_flops = Dense(pool, backend, Exercise::kBf16Dot, each);
  return limits;
}

}  // namespace aha::kernels
