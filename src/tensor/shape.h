// Extents of a tensor, outermost first. A small value type: at most four dimensions, no allocation.
#ifndef AHA_TENSOR_SHAPE_H_
#define AHA_TENSOR_SHAPE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/check.h"

namespace aha {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    CHECK(dims.size() <= kMaxRank, "a shape has at most 4 dimensions");
    for (int64_t d : dims) dims_[rank_++] = d;
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[i]; }
  int64_t back() const { return dims_[rank_ - 1]; }
  void Append(int64_t dim) {
    CHECK(rank_ < kMaxRank, "a shape has at most 4 dimensions");
    dims_[rank_++] = dim;
  }
  int64_t elements() const {
    int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  // "[32, 128]"
  std::string ToString() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) {
      if (i > 0) text += ", ";
      text += std::to_string(dims_[i]);
    }
    return text + "]";
  }
  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ &&
           std::equal(a.dims_.begin(), a.dims_.begin() + a.rank_, b.dims_.begin());
  }

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace aha

#endif  // AHA_TENSOR_SHAPE_H_
