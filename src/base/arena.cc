#include "base/arena.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

namespace aha {
namespace {
constexpr size_t kSmallestBlock = size_t{1} << 20;
}  // namespace

void Arena::Free::operator()(std::byte* p) const { std::free(p); }

Arena::Block Arena::NewBlock(size_t size) {
  Block block;
  block.size = (std::max(size, kSmallestBlock) + kAlignment - 1) / kAlignment * kAlignment;
  block.data.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, block.size)));
  CHECK(block.data != nullptr, "out of memory: arena of " + std::to_string(block.size) + " bytes");
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
