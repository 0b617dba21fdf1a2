#include "kernels/machine_limits.h"

#include <gtest/gtest.h>

namespace aha::kernels {
namespace {

TEST(MachineLimits, ArePlausible) {
  ThreadPool pool(2);
  for (const Backend* backend : AvailableBackends()) {
    const MachineLimits limits = MeasureMachineLimits(pool, *backend, 0.2);
    // Slow sanitised builds included; a wrong count of work is off by far more.
    EXPECT_GT(limits.read_bytes_per_s, 1e7) << backend->name();
    EXPECT_LT(limits.read_bytes_per_s, 1e13) << backend->name();
    EXPECT_GT(limits.fma_flops, 1e6) << backend->name();
    EXPECT_LT(limits.fma_flops, 1e13) << backend->name();
    EXPECT_GT(limits.int8_dot_ops, 1e6) << backend->name();
    EXPECT_LT(limits.int8_dot_ops, 1e14) << backend->name();
    EXPECT_EQ(limits.int8_tile_ops > 0, backend->name() == "amx") << backend->name();
    EXPECT_LT(limits.int8_tile_ops, 1e15) << backend->name();
  }
}

}  // namespace
}  // namespace aha::kernels
