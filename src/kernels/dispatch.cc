#include "kernels/kernels.h"

namespace aha::kernels {

std::vector<const Backend*> AvailableBackends() { return {&RefBackend()}; }

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
