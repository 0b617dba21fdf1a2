// The time that answers carry.
#ifndef AHA_SERVER_UNIX_TIME_H_
#define AHA_SERVER_UNIX_TIME_H_

#include <chrono>
#include <cstdint>

namespace aha {

// Whole seconds since 1970.
inline int64_t UnixTime() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace aha

#endif  // AHA_SERVER_UNIX_TIME_H_
