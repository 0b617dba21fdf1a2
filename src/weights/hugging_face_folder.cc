// WriteHuggingFaceFolder: any model that we read, as a folder that transformers loads.
#include <algorithm>
#include <vector>

#include "base/files.h"
#include "weights/dequantize.h"
#include "weights/gguf_writer.h"
#include "weights/peft_adapter.h"
#include "weights/safetensors_writer.h"

namespace aha {
namespace {

std::vector<float> Floats(const ConstView& view) {
  std::vector<float> out(static_cast<size_t>(view.shape.elements()));
  Dequantize(view, out);
  return out;
}

// Rows of W + scale * B A.
class MergedRows {
 public:
  MergedRows(const ConstView& w, const ConstView& a, const ConstView& b, double alpha)
      : w_(w),
        rank_(a.rows()),
        scale_(static_cast<float>(alpha / static_cast<double>(rank_))),
        a_(Floats(a)),
        b_(Floats(b)),
        delta_(static_cast<size_t>(w.cols())) {}

  void operator()(int64_t first, int64_t count, std::span<float> out) {
    const int64_t cols = w_.cols();
    Dequantize({w_.row(first), w_.dtype, {count, cols}}, out);
    for (int64_t row = 0; row < count; ++row) {
      std::fill(delta_.begin(), delta_.end(), 0.0f);
      for (int64_t r = 0; r < rank_; ++r) {
        const float b = b_[static_cast<size_t>((first + row) * rank_ + r)];
        const float* a = a_.data() + r * cols;
        for (int64_t c = 0; c < cols; ++c) delta_[static_cast<size_t>(c)] += b * a[c];
      }
      float* to = out.data() + row * cols;
      for (int64_t c = 0; c < cols; ++c) to[c] += scale_ * delta_[static_cast<size_t>(c)];
    }
  }

 private:
  ConstView w_;
  int64_t rank_;
  float scale_;
  std::vector<float> a_, b_;
  std::vector<float> delta_;
};

Status AddTensors(const ModelFiles& files, DType dtype, SafetensorsWriter* writer) {
  const bool adapted = files.adapted();
  double alpha = 0;
  if (adapted) {
    AHA_ASSIGN_OR_RETURN(alpha, GetDouble(files.config(), "lora_alpha"));
  }
  constexpr std::string_view kWeight = ".weight";
  for (const std::string& name : files.names()) {
    if (name.ends_with(kLoraA) || name.ends_with(kLoraB)) continue;
    AHA_ASSIGN_OR_RETURN(const ConstView view, files.Find(name));
    const std::string module = name.substr(0, name.size() - std::min(name.size(), kWeight.size()));
    if (adapted && name.ends_with(kWeight) && files.Has(module + std::string(kLoraA))) {
      AHA_ASSIGN_OR_RETURN(const ConstView a, files.Find(module + std::string(kLoraA)));
      AHA_ASSIGN_OR_RETURN(const ConstView b, files.Find(module + std::string(kLoraB)));
      writer->AddMade(name, view.shape, dtype, MergedRows(view, a, b, alpha));
      continue;
    }
    // The correction bias decides between near-equal experts: transformers keeps it in float32.
    const bool exact = name.ends_with("e_score_correction_bias");
    writer->AddAs(name, view, exact ? DType::kF32 : dtype);
  }
  return OkStatus();
}

}  // namespace

DType FolderDType(const ModelFiles& files) {
  std::vector<DType> there;
  for (const std::string& name : files.names()) {
    const Result<ConstView> view = files.Find(name);
    if (!view.ok() || name.ends_with(kLoraA) || name.ends_with(kLoraB)) continue;
    if (Info(view->dtype).quantized) return DType::kBF16;
    if (name.ends_with("e_score_correction_bias")) continue;  // always float32
    if (there.empty() || there.back() != view->dtype) there.push_back(view->dtype);
  }
  const bool one = std::all_of(there.begin(), there.end(), [&](DType d) { return d == there[0]; });
  return one && !there.empty() ? there[0] : DType::kF32;
}

Status WriteHuggingFaceFolder(const ModelFiles& files, DType dtype,
                              const std::filesystem::path& folder, const ProgressFn& progress) {
  const char* torch_dtype = dtype == DType::kF32    ? "float32"
                            : dtype == DType::kF16  ? "float16"
                            : dtype == DType::kBF16 ? "bfloat16"
                                                    : nullptr;
  if (torch_dtype == nullptr) {
    return InvalidArgument("a Hugging Face folder holds f32, f16 or bf16, not {}",
                           Info(dtype).name);
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return IoError("cannot create {}: {}", folder.string(), error.message());

  SafetensorsWriter writer(folder / "model.safetensors");
  AHA_RETURN_IF_ERROR(AddTensors(files, dtype, &writer));
  AHA_RETURN_IF_ERROR(writer.Finish(progress));

  Json config = files.config();
  config.erase("dtype");
  config.erase("lora_alpha");
  config["torch_dtype"] = torch_dtype;
  if (!files.generation_config().empty()) {
    AHA_RETURN_IF_ERROR(WriteFileAtomic(folder / "generation_config.json",
                                        DumpJson(files.generation_config(), 2) + "\n"));
  }
  // Last: a folder without config.json is no model yet.
  return WriteFileAtomic(folder / "config.json", DumpJson(config, 2) + "\n");
}

}  // namespace aha
