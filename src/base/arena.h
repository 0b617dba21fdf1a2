// Bump allocation for one forward pass: Reset() forgets everything and keeps the memory, so that a
// steady state allocates nothing from the heap. Not thread-safe.
#ifndef AHA_BASE_ARENA_H_
#define AHA_BASE_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace aha {

class Arena {
 public:
  static constexpr size_t kAlignment = 64;

  Arena() = default;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  // `count` uninitialised values of trivial type T, aligned to 64 bytes, valid until Reset.
  template <typename T>
  T* Allocate(int64_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return static_cast<T*>(AllocateBytes(static_cast<size_t>(count) * sizeof(T)));
  }
  void* AllocateBytes(size_t bytes);

  // Everything allocated since is given back by Rewind(mark).
  struct Mark {
    size_t block = 0;
    size_t used = 0;
  };
  Mark Save() const { return {block_, used_}; }
  void Rewind(Mark mark);
  // Forgets all; several blocks become one of their total size, so the next pass has a single
  // block.
  void Reset();
  size_t capacity() const;

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  struct Block {
    std::unique_ptr<std::byte, Free> data;
    size_t size = 0;
  };
  static Block NewBlock(size_t size);

  std::vector<Block> blocks_;
  size_t block_ = 0;  // index of the block in use
  size_t used_ = 0;   // bytes used in it
};

}  // namespace aha

#endif  // AHA_BASE_ARENA_H_
