#include "weights/safetensors_writer.h"

#include <algorithm>

#include "base/json.h"
#include "weights/output_file.h"

namespace aha {
namespace {

constexpr uint64_t kAlignment = 8;

const char* SafetensorsName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    default:
      return nullptr;
  }
}

}  // namespace

void SafetensorsWriter::AddAs(std::string name, const ConstView& view, DType dtype) {
  entries_.push_back({std::move(name), view, dtype});
}

void SafetensorsWriter::AddMade(std::string name, const Shape& shape, DType dtype, RowsFn rows) {
  entries_.push_back({std::move(name), {nullptr, dtype, shape}, dtype, std::move(rows)});
}

Status SafetensorsWriter::Finish(const ProgressFn& progress) {
  // Wide types first, as the reference implementation orders them: every tensor is aligned to its
  // element.
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    const int wide = Info(a.dtype).block_bytes;
    const int narrow = Info(b.dtype).block_bytes;
    return wide != narrow ? wide > narrow : a.name < b.name;
  });
  metadata_["format"] = "pt";
  // Text, entry by entry: an ordered object looks through all its keys for each new one.
  std::string text = R"({"__metadata__":)" + DumpJson(Json(metadata_));
  uint64_t offset = 0;
  for (const Entry& e : entries_) {
    const char* dtype = SafetensorsName(e.dtype);
    if (dtype == nullptr) {
      return InvalidArgument("tensor '{}' is {}, which safetensors cannot hold", e.name,
                             Info(e.dtype).name);
    }
    Json shape = Json::array();
    for (int i = 0; i < e.view.shape.rank(); ++i) shape.push_back(e.view.shape[i]);
    const uint64_t end = offset + static_cast<uint64_t>(BytesFor(e.dtype, e.view.shape.elements()));
    const Json entry = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {offset, end}}};
    text += "," + DumpJson(Json(e.name)) + ":" + DumpJson(entry);
    offset = end;
  }
  text += "}";
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  AHA_ASSIGN_OR_RETURN(OutputFile out, OutputFile::Create(path_));
  AHA_RETURN_IF_ERROR(out.WriteValue(static_cast<uint64_t>(text.size())));
  AHA_RETURN_IF_ERROR(out.Write(text));
  const uint64_t head = out.size();
  for (const Entry& e : entries_) {
    const Status status =
        e.rows ? WriteRowsAs(e.view.shape, e.rows, e.dtype, &out) : WriteAs(e.view, e.dtype, &out);
    AHA_RETURN_IF_ERROR(status.Within("tensor '" + e.name + "'"));
    if (progress) progress(out.size() - head, offset);
  }
  return out.Commit();
}

}  // namespace aha
