// A mutex that clang's -Wthread-safety checks: members name the mutex that guards them.
//
//   Mutex mutex_;
//   int count_ AHA_GUARDED_BY(mutex_) = 0;
//   { const MutexLock lock(mutex_); ++count_; }
#ifndef AHA_BASE_MUTEX_H_
#define AHA_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define AHA_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define AHA_THREAD_ATTRIBUTE(x)
#endif
#define AHA_GUARDED_BY(mutex) AHA_THREAD_ATTRIBUTE(guarded_by(mutex))
// Of a function: the caller holds the mutex.
#define AHA_REQUIRES(mutex) AHA_THREAD_ATTRIBUTE(requires_capability(mutex))

namespace aha {

class AHA_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  // Named as std::condition_variable_any wants them.
  void lock() AHA_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() AHA_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class AHA_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) AHA_THREAD_ATTRIBUTE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() AHA_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits may end early: ask for the condition in a loop.
class Condition {
 public:
  void NotifyAll() { condition_.notify_all(); }
  // May return for no reason: ask again what was waited for.
  void Wait(Mutex& mutex) AHA_REQUIRES(mutex) { condition_.wait(mutex); }
  // False: the deadline has passed.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline) AHA_REQUIRES(mutex) {
    return condition_.wait_until(mutex, deadline) == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable_any condition_;
};

}  // namespace aha

#endif  // AHA_BASE_MUTEX_H_
