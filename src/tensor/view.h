// Non-owning views. A ConstView is stored weights of any dtype, rows contiguous; a Tensor is
// float32 activations, contiguous. Both are cheap values; whoever made them knows who owns the
// bytes.
#ifndef AHA_TENSOR_VIEW_H_
#define AHA_TENSOR_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace aha {

// Stored values, row-major, no gaps: `data` holds BytesFor(dtype, shape.elements()) bytes. Data of
// float types need not be aligned beyond its element size.
struct ConstView {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  bool empty() const { return data == nullptr; }
  int64_t rows() const { return shape.elements() / shape.back(); }
  int64_t cols() const { return shape.back(); }
  int64_t row_bytes() const { return BytesFor(dtype, shape.back()); }
  const std::byte* row(int64_t r) const { return data + r * row_bytes(); }
  int64_t bytes() const { return BytesFor(dtype, shape.elements()); }
};

// Float32 activations, row-major, no gaps.
struct Tensor {
  float* data = nullptr;
  Shape shape;

  int64_t rows() const { return shape.elements() / shape.back(); }
  int64_t cols() const { return shape.back(); }
  float* row(int64_t r) const { return data + r * cols(); }
  std::span<float> span() const { return {data, static_cast<size_t>(shape.elements())}; }
  // The same values seen as another shape of equal size.
  Tensor As(Shape other) const {
    CHECK(other.elements() == shape.elements(), other.ToString() + " from " + shape.ToString());
    return {data, other};
  }
};

}  // namespace aha

#endif  // AHA_TENSOR_VIEW_H_
