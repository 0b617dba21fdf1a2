// How much memory this machine has.
#ifndef AHA_BASE_MACHINE_MEMORY_H_
#define AHA_BASE_MACHINE_MEMORY_H_

#include <cstdint>

namespace aha {

// Bytes, cut to what the control group allows; 2 GiB where the system does not say.
int64_t TotalMemory();
// What programs can still take without swapping.
int64_t AvailableMemory();

}  // namespace aha

#endif  // AHA_BASE_MACHINE_MEMORY_H_
