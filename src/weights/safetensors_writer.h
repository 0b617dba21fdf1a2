// Writes one safetensors file, tensor by tensor, atomically (temporary name, sync, rename).
//
//   SafetensorsWriter writer(path);
//   writer.Add("model.norm.weight", DType::kF32, {576}, bytes);   // copied out at Finish
//   AHA_RETURN_IF_ERROR(writer.Finish());
//
// The bytes given to Add must live until Finish. Only float dtypes (safetensors has no block
// types).
#ifndef AHA_WEIGHTS_SAFETENSORS_WRITER_H_
#define AHA_WEIGHTS_SAFETENSORS_WRITER_H_

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "weights/convert.h"

namespace aha {

class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(std::filesystem::path path) : path_(std::move(path)) {}
  void Add(std::string name, const ConstView& view) { AddAs(std::move(name), view, view.dtype); }
  // Converted while it is written.
  void AddAs(std::string name, const ConstView& view, DType dtype);
  // Made while it is written.
  void AddMade(std::string name, const Shape& shape, DType dtype, RowsFn rows);
  // Goes into the header's __metadata__ ({"format": "pt"} is always there).
  void SetMetadata(std::map<std::string, std::string> metadata) { metadata_ = std::move(metadata); }
  Status Finish(const ProgressFn& progress = {});

 private:
  struct Entry {
    std::string name;
    ConstView view;
    DType dtype;
    RowsFn rows = nullptr;  // in place of the view's bytes
  };
  std::filesystem::path path_;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace aha

#endif  // AHA_WEIGHTS_SAFETENSORS_WRITER_H_
