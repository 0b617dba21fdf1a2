#include "base/thread_pool.h"

#include "base/check.h"

namespace aha {
namespace {

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// About 20 us: longer than the gap between two loops of a forward pass, short enough to leave the
// core to others when the engine waits.
constexpr int kSpins = 2000;

}  // namespace

ThreadPool::ThreadPool(int threads) {
  CHECK(threads >= 1, "a pool has at least the calling thread");
  stretches_ = std::vector<Stretch>(static_cast<size_t>(threads));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { WorkerLoop(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::TakeIterations(int worker) {
  const size_t own = static_cast<size_t>(worker);
  for (size_t i = 0; i < stretches_.size(); ++i) {
    Stretch& stretch = stretches_[(own + i) % stretches_.size()];
    while (true) {
      const int64_t index = stretch.next.fetch_add(1, std::memory_order_relaxed);
      if (index >= stretch.end) break;
      call_(body_, index, worker);
    }
  }
}

void ThreadPool::WorkerLoop(int worker) {
  uint32_t seen = 0;
  while (true) {
    for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen;
         ++spin) {
      Pause();
    }
    generation_.wait(seen, std::memory_order_acquire);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    TakeIterations(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::Run(int64_t count, Call call, const void* body) {
  if (workers_.empty() || count <= 1) {
    for (int64_t i = 0; i < count; ++i) call(body, i, 0);
    return;
  }
  call_ = call;
  body_ = body;
  const auto workers = static_cast<int64_t>(stretches_.size());
  for (int64_t i = 0; i < workers; ++i) {
    Stretch& stretch = stretches_[static_cast<size_t>(i)];
    stretch.next.store(count * i / workers, std::memory_order_relaxed);
    stretch.end = count * (i + 1) / workers;
  }
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  TakeIterations(0);
  for (int spin = 0; spin < kSpins && busy_.load(std::memory_order_acquire) != 0; ++spin) Pause();
  for (int left = busy_.load(std::memory_order_acquire); left != 0;
       left = busy_.load(std::memory_order_acquire)) {
    busy_.wait(left, std::memory_order_acquire);
  }
}

}  // namespace aha
