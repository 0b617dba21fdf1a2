// Replaces a test program's operator new by one that counts. Included by one file of a program.
//
// Not under TSan, whose runtime has an operator new that cannot be replaced: then
// AHA_NO_ALLOCATION_TEST is defined and nothing else.
#ifndef AHA_BASE_TEST_ALLOCATIONS_H_
#define AHA_BASE_TEST_ALLOCATIONS_H_

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AHA_NO_ALLOCATION_TEST
#endif
#endif
#ifndef AHA_NO_ALLOCATION_TEST

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace aha {
inline std::atomic<int64_t> test_allocations{0};  // since the program began
}  // namespace aha

// The plain and the nothrow form both (std::stable_sort asks for the latter): ASan holds each
// release to how its memory was taken.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  aha::test_allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new(std::size_t bytes) {
  if (void* p = operator new(bytes, std::nothrow)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

#endif  // AHA_NO_ALLOCATION_TEST

#endif  // AHA_BASE_TEST_ALLOCATIONS_H_
