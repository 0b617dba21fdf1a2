// Storage owns the bytes of one tensor, aligned for any vector unit. Move-only.
#ifndef AHA_TENSOR_STORAGE_H_
#define AHA_TENSOR_STORAGE_H_

#include <cstdlib>
#include <cstring>
#include <memory>

#include "tensor/view.h"

namespace aha {

class Storage {
 public:
  static constexpr size_t kAlignment = 64;

  Storage() = default;
  // Zeroed bytes for `shape` values of `dtype`.
  Storage(DType dtype, Shape shape) : dtype_(dtype), shape_(shape) {
    const size_t bytes = static_cast<size_t>(BytesFor(dtype, shape.elements()));
    const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    data_.reset(static_cast<std::byte*>(
        std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded)));
    CHECK(data_ != nullptr, "out of memory");
    std::memset(data_.get(), 0, bytes);
  }

  std::byte* data() { return data_.get(); }
  float* floats() { return reinterpret_cast<float*>(data_.get()); }
  ConstView view() const { return {data_.get(), dtype_, shape_}; }
  const Shape& shape() const { return shape_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  DType dtype_ = DType::kF32;
  Shape shape_;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace aha

#endif  // AHA_TENSOR_STORAGE_H_
