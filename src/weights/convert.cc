#include "weights/convert.h"

#include <algorithm>
#include <string>
#include <vector>

#include "weights/dequantize.h"

namespace aha {

Status WriteAs(const ConstView& view, DType dtype, OutputFile* out) {
  if (view.dtype == dtype) {
    return out->Write(
        {reinterpret_cast<const char*>(view.data), static_cast<size_t>(view.bytes())});
  }
  const auto rows = [&view](int64_t first, int64_t count, std::span<float> values) {
    Dequantize({view.row(first), view.dtype, {count, view.cols()}}, values);
  };
  return WriteRowsAs(view.shape, rows, dtype, out);
}

Status WriteRowsAs(const Shape& shape, const RowsFn& make, DType dtype, OutputFile* out) {
  constexpr int64_t kValuesAtOnce = 1 << 20;
  const int64_t cols = shape.back();
  const int64_t rows = shape.elements() / cols;
  const int64_t step = std::clamp<int64_t>(kValuesAtOnce / cols, 1, rows);
  std::vector<float> values;
  for (int64_t row = 0; row < rows; row += step) {
    const int64_t count = std::min(step, rows - row);
    values.resize(static_cast<size_t>(count * cols));
    make(row, count, values);
    AHA_ASSIGN_OR_RETURN(const std::string bytes, Quantize(values, dtype));
    AHA_RETURN_IF_ERROR(out->Write(bytes));
  }
  return OkStatus();
}

}  // namespace aha
