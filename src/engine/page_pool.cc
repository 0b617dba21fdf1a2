#include "engine/page_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <limits>

namespace aha {

void PagePool::Unmap::operator()(std::byte* p) const { ::munmap(p, bytes); }

Result<PagePool> PagePool::Create(const ops::KvLayout& layout, int64_t layers, int64_t page_tokens,
                                  int64_t pages) {
  CHECK(layers >= 1 && page_tokens >= 1 && layout.k_width() >= 1, "an empty cache layout");
  constexpr int64_t kMostRows = std::numeric_limits<int32_t>::max();
  if (pages < 1 || pages > kMostRows / page_tokens) {
    return InvalidArgument("cache of {} pages of {} tokens: from 1 to {} rows are possible", pages,
                           page_tokens, kMostRows);
  }
  PagePool pool;
  pool.k_width_ = layout.k_width();
  pool.v_width_ = layout.v_width();
  pool.page_tokens_ = page_tokens;
  const int64_t rows = pages * page_tokens;
  // Each array starts on a cache line of its own. Sizes are checked: widths come from a file.
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(float));
  const auto floats = [rows](int64_t width) {
    const __int128 n = static_cast<__int128>(rows) * width;
    return (n + kLine - 1) / kLine * kLine;
  };
  const __int128 wanted =
      (floats(pool.k_width_) + floats(pool.v_width_)) * layers * static_cast<int>(sizeof(float));
  void* memory = MAP_FAILED;
  if (wanted < std::numeric_limits<int64_t>::max()) {
    memory = ::mmap(nullptr, static_cast<size_t>(wanted), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (memory == MAP_FAILED) {
    return ResourceExhausted("cannot reserve a cache of {} tokens: {:.1f} GiB", rows,
                             static_cast<double>(wanted) / (1 << 30));
  }
  // A head's rows are a few lines here and a few there: without large pages each is a walk of the
  // page tables. Where the system has none this changes nothing.
  ::madvise(memory, static_cast<size_t>(wanted), MADV_HUGEPAGE);
  pool.memory_ = {static_cast<std::byte*>(memory), Unmap{static_cast<size_t>(wanted)}};
  const auto k_floats = static_cast<int64_t>(floats(pool.k_width_));
  const auto v_floats = static_cast<int64_t>(floats(pool.v_width_));
  float* next = static_cast<float*>(memory);
  for (int64_t l = 0; l < layers; ++l) {
    pool.k_.push_back(next);
    next += k_floats;
    pool.v_.push_back(pool.v_width_ == 0 ? nullptr : next);
    next += v_floats;
  }
  pool.references_.assign(static_cast<size_t>(pages), 0);
  return pool;
}

int32_t PagePool::Drop(int32_t page) {
  int32_t& count = references_[static_cast<size_t>(page)];
  CHECK(count > 0, "page " + std::to_string(page) + " is dropped more often than it was taken");
  return --count;
}

void PagePool::CopyPage(int32_t from, int32_t to) {
  const auto copy = [&](float* layer, int64_t width) {
    const int64_t page = page_tokens_ * width;
    std::copy_n(layer + from * page, page, layer + to * page);
  };
  for (size_t l = 0; l < k_.size(); ++l) {
    copy(k_[l], k_width_);
    if (v_width_ > 0) copy(v_[l], v_width_);
  }
}

}  // namespace aha
