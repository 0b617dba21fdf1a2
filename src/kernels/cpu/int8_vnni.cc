// int8_kernels-inl.h for AVX-512 with VNNI.
#include <immintrin.h>

#include <limits>

#include <hwy/base.h>

#include "kernels/cpu/int8_kernels.h"

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
namespace aha::kernels::cpu {
namespace {

// In this order: the second is written in terms of the first.
#include "kernels/cpu/int8_avx512-inl.h"

#include "kernels/cpu/int8_kernels-inl.h"

}  // namespace
}  // namespace aha::kernels::cpu
HWY_POP_ATTRIBUTES

namespace aha::kernels::cpu {

const Int8Kernels* VnniInt8Kernels() {
  static constexpr Int8Kernels kTable = KernelTable("vnni");
  __builtin_cpu_init();
  const bool there = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  return there ? &kTable : nullptr;
}

}  // namespace aha::kernels::cpu
