#include "base/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

namespace aha {
namespace {
constexpr size_t kSmallestBlock = size_t{1} << 20;
// Activations are met by rows that lie pages apart: large pages, where the system has them, save
// walks of the page tables.
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

void Arena::Free::operator()(std::byte* p) const { std::free(p); }

Arena::Block Arena::NewBlock(size_t size) {
  Block block;
  const size_t alignment = size >= kHugePage ? kHugePage : kAlignment;
  block.size = (std::max(size, kSmallestBlock) + alignment - 1) / alignment * alignment;
  block.data.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, block.size)));
  CHECK(block.data != nullptr, "out of memory: arena of " + std::to_string(block.size) + " bytes");
  if (alignment == kHugePage) ::madvise(block.data.get(), block.size, MADV_HUGEPAGE);
  return block;
}

void* Arena::AllocateBytes(size_t bytes) {
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) blocks_.push_back(NewBlock(std::max(bytes, capacity())));
  void* p = blocks_[block_].data.get() + used_;
  used_ += bytes;
  return p;
}

void Arena::Rewind(Mark mark) {
  block_ = mark.block;
  used_ = mark.used;
}

void Arena::Reset() {
  if (blocks_.size() > 1) {
    const size_t total = capacity();
    blocks_.clear();
    blocks_.push_back(NewBlock(total));
  }
  Rewind({});
}

size_t Arena::capacity() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

}  // namespace aha
