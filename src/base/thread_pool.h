// A fixed set of threads that run one loop at a time together with the caller.
//
//   pool.ParallelFor(rows, [&](int64_t row, int worker) { ... });
//
// Each worker has a stretch of iterations of its own, which it takes in order, so that what lies
// side by side is read by one core; whoever is done takes what others have left, one at a time.
// Results must not depend on which worker ran what. Calls do not nest and come from one thread at a
// time. After a loop the workers spin for a moment before they sleep: a decode step is hundreds of
// short loops.
#ifndef AHA_BASE_THREAD_POOL_H_
#define AHA_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace aha {

class ThreadPool {
 public:
  // `threads` >= 1, the caller included.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs body(i, worker) for i in [0, count), worker in [0, threads()). Returns when all are done.
  template <typename Body>
  void ParallelFor(int64_t count, const Body& body) {
    Run(
        count, [](const void* b, int64_t i, int w) { (*static_cast<const Body*>(b))(i, w); },
        &body);
  }

 private:
  using Call = void (*)(const void* body, int64_t index, int worker);
  void Run(int64_t count, Call call, const void* body);
  void WorkerLoop(int worker);
  void TakeIterations(int worker);

  std::vector<std::thread> workers_;
  // One loop's description, written by the caller before `generation_` moves.
  Call call_ = nullptr;
  const void* body_ = nullptr;
  struct alignas(64) Stretch {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Stretch> stretches_;  // one for each worker
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace aha

#endif  // AHA_BASE_THREAD_POOL_H_
