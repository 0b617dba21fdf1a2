#include "engine/page_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <limits>

namespace aha {

void PagePool::Unmap::operator()(std::byte* p) const { ::munmap(p, bytes); }

Result<PagePool> PagePool::Create(const ops::KvLayout& layout, int64_t layers, int64_t page_tokens,
                                  int64_t pages, DType dtype) {
  CHECK(layers >= 1 && page_tokens >= 1 && layout.k_width() >= 1, "an empty cache layout");
  constexpr int64_t kMostRows = std::numeric_limits<int32_t>::max();
  if (pages < 1 || pages > kMostRows / page_tokens) {
    return InvalidArgument("cache of {} pages of {} tokens: from 1 to {} rows are possible", pages,
                           page_tokens, kMostRows);
  }
  PagePool pool;
  pool.dtype_ = dtype;
  pool.k_row_bytes_ = BytesFor(dtype, layout.k_width());
  pool.v_row_bytes_ = BytesFor(dtype, layout.v_width());
  pool.page_tokens_ = page_tokens;
  const int64_t rows = pages * page_tokens;
  // Each array starts on a cache line of its own. Sizes are checked: widths come from a file.
  constexpr int64_t kLine = 64;
  const auto array_bytes = [rows](int64_t row_bytes) {
    const __int128 n = static_cast<__int128>(rows) * row_bytes;
    return (n + kLine - 1) / kLine * kLine;
  };
  const __int128 wanted =
      (array_bytes(pool.k_row_bytes_) + array_bytes(pool.v_row_bytes_)) * layers;
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
  std::byte* next = static_cast<std::byte*>(memory);
  for (int64_t l = 0; l < layers; ++l) {
    pool.k_.push_back(next);
    next += static_cast<int64_t>(array_bytes(pool.k_row_bytes_));
    pool.v_.push_back(pool.v_row_bytes_ == 0 ? nullptr : next);
    next += static_cast<int64_t>(array_bytes(pool.v_row_bytes_));
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
  const auto copy = [&](void* layer, int64_t row_bytes) {
    const int64_t page = page_tokens_ * row_bytes;
    auto* pages = static_cast<std::byte*>(layer);
    std::copy_n(pages + from * page, page, pages + to * page);
  };
  for (size_t l = 0; l < k_.size(); ++l) {
    copy(k_[l], k_row_bytes_);
    if (v_row_bytes_ > 0) copy(v_[l], v_row_bytes_);
  }
}

}  // namespace aha
