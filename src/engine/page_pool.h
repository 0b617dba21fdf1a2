// Owns the memory of the paged cache: for each layer one array of rows for keys and one for values,
// cut into pages of `page_tokens` rows. Page p holds rows [p * page_tokens, (p + 1) * page_tokens)
// of every layer. Counts references; who may take an unreferenced page is PrefixCache's matter.
//
// The memory is mapped, not written: a page costs nothing until it first fills.
#ifndef AHA_ENGINE_PAGE_POOL_H_
#define AHA_ENGINE_PAGE_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "ops/attention.h"

namespace aha {

inline constexpr int32_t kNoPage = -1;

class PagePool {
 public:
  // Errors: more rows than an int32 counts, or more memory than there is address space (with the
  // size).
  static Result<PagePool> Create(const ops::KvLayout& layout, int64_t layers, int64_t page_tokens,
                                 int64_t pages, DType dtype = DType::kF32);

  // As ops::KvBatch wants them: [layers], row r at value r * k_width of k()[l]. v is null when
  // latent.
  std::span<void* const> k() const { return k_; }
  std::span<void* const> v() const { return v_; }
  DType dtype() const { return dtype_; }
  int64_t page_tokens() const { return page_tokens_; }
  int64_t pages() const { return static_cast<int64_t>(references_.size()); }

  int32_t references(int32_t page) const { return references_[static_cast<size_t>(page)]; }
  void Retain(int32_t page) { ++references_[static_cast<size_t>(page)]; }
  // The number of references left.
  int32_t Drop(int32_t page);
  // All layers of it: rows in a page may not lie apart (kernels::KvView::in_units).
  void CopyPage(int32_t from, int32_t to);

 private:
  struct Unmap {
    size_t bytes;
    void operator()(std::byte* p) const;
  };
  PagePool() = default;

  std::unique_ptr<std::byte, Unmap> memory_{nullptr, Unmap{0}};
  std::vector<void*> k_, v_;  // [layers]
  DType dtype_ = DType::kF32;
  int64_t k_row_bytes_ = 0, v_row_bytes_ = 0;
  int64_t page_tokens_ = 0;
  std::vector<int32_t> references_;  // [pages]
};

}  // namespace aha

#endif  // AHA_ENGINE_PAGE_POOL_H_
