// What this machine can do at most, measured: the yardstick of `aha bench` and of the plans that
// `aha models show` prints.
#ifndef AHA_KERNELS_MACHINE_LIMITS_H_
#define AHA_KERNELS_MACHINE_LIMITS_H_

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace aha::kernels {

struct MachineLimits {
  double read_bytes_per_s = 0;  // all threads reading memory far larger than the caches
  double fma_flops = 0;         // float32 multiply-adds in registers, two operations each
  double int8_dot_ops = 0;      // int8 dot products in registers, two operations a product
  double int8_tile_ops = 0;     // the same in tiles (AMX); 0 where the CPU has none
  double bf16_dot_flops = 0;    // the same of bf16; 0 where the CPU has no such instruction
};

// Takes about `seconds_budget`; each limit is the best of several rounds with all of the pool's
// threads.
MachineLimits MeasureMachineLimits(ThreadPool& pool, const Backend& backend, double seconds_budget);

}  // namespace aha::kernels

#endif  // AHA_KERNELS_MACHINE_LIMITS_H_
