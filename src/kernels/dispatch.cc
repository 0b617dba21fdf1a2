#include <string_view>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/kernels.h"

namespace aha::kernels {
namespace {

std::vector<const Backend*> MakeBackends() {
  // Immutable, and alive as long as the program.
  static const std::vector<cpu::CpuBackend> simd = [] {
    std::vector<cpu::CpuBackend> backends;
    for (const cpu::LaneKernels* lanes : cpu::AvailableLaneKernels()) {
      const bool avx512 = std::string_view(lanes->target) == "avx512";
      const cpu::Bf16DotKernel* bf16_dot = avx512 ? cpu::Avx512Bf16DotKernel() : nullptr;
      const cpu::Int8Kernels* amx = avx512 ? cpu::AmxInt8Kernels() : nullptr;
      if (amx != nullptr) backends.emplace_back("amx", lanes, amx, bf16_dot);
      const cpu::Int8Kernels* vnni = avx512 ? cpu::VnniInt8Kernels() : nullptr;
      backends.emplace_back(lanes->target, lanes, vnni != nullptr ? vnni : &cpu::Avx2Int8Kernels(),
                            bf16_dot);
    }
    return backends;
  }();
  std::vector<const Backend*> all;
  for (const cpu::CpuBackend& backend : simd) all.push_back(&backend);
  all.push_back(&RefBackend());
  return all;
}

}  // namespace

std::vector<const Backend*> AvailableBackends() { return MakeBackends(); }

Result<const Backend*> ChooseBackend(std::string_view forced) {
  const std::vector<const Backend*> available = AvailableBackends();
  if (forced.empty()) return available.front();
  std::string names;
  for (const Backend* backend : available) {
    if (backend->name() == forced) return backend;
    names += names.empty() ? "" : ", ";
    names += backend->name();
  }
  return InvalidArgument("AHA_CPU is '{}': this machine has {}", forced, names);
}

}  // namespace aha::kernels
