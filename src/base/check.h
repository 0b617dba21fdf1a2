// CHECK(condition, message...): aborts on a bug, never on bad input. DCHECK is the same in debug
// builds and nothing in release builds.
#ifndef AHA_BASE_CHECK_H_
#define AHA_BASE_CHECK_H_

#include <string>

namespace aha::internal {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& message);
inline std::string CheckMessage() { return {}; }
inline std::string CheckMessage(std::string message) { return message; }

}  // namespace aha::internal

#define CHECK(condition, ...)                                                   \
  do {                                                                          \
    if (!(condition)) [[unlikely]]                                              \
      ::aha::internal::CheckFailed(__FILE__, __LINE__, #condition,              \
                                   ::aha::internal::CheckMessage(__VA_ARGS__)); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition, ...) \
  do {                         \
    if (false) {               \
      (void)(condition);       \
    }                          \
  } while (false)
#else
#define DCHECK(...) CHECK(__VA_ARGS__)
#endif

#endif  // AHA_BASE_CHECK_H_
