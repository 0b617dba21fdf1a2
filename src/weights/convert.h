// Stored values written in another dtype, a few rows at a time: memory does not grow with the
// tensor.
#ifndef AHA_WEIGHTS_CONVERT_H_
#define AHA_WEIGHTS_CONVERT_H_

#include <cstdint>
#include <functional>
#include <span>

#include "base/status.h"
#include "tensor/view.h"
#include "weights/output_file.h"

namespace aha {

// Called with (bytes done, bytes in all); may be empty.
using ProgressFn = std::function<void(uint64_t, uint64_t)>;

// Appends view's values as `dtype`; the same dtype is copied byte for byte. Error: rows that do not
// fill blocks, a dtype that is only read, the disk.
Status WriteAs(const ConstView& view, DType dtype, OutputFile* out);

// Makes `count` rows from `first` on.
using RowsFn = std::function<void(int64_t first, int64_t count, std::span<float> out)>;
// The same for values that are made while they are written.
Status WriteRowsAs(const Shape& shape, const RowsFn& rows, DType dtype, OutputFile* out);

}  // namespace aha

#endif  // AHA_WEIGHTS_CONVERT_H_
