#include "train/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "base/files.h"
#include "library/sha256.h"
#include "weights/gguf_writer.h"
#include "weights/peft_adapter.h"
#include "weights/safetensors_file.h"
#include "weights/safetensors_writer.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPartial = ".partial-";

ConstView ViewOf(const std::vector<float>& values, const Shape& shape) {
  return {reinterpret_cast<const std::byte*>(values.data()), DType::kF32, shape};
}

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError("{}: {}", folder.string(), error.message());
  return OkStatus();
}

Result<Json> ReadJsonFile(const fs::path& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 26));
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.status().Within(path.string());
  return json;
}

Status CheckHash(const Json& state, const char* key, const fs::path& path) {
  AHA_ASSIGN_OR_RETURN(const std::string want, GetString(state, key));
  AHA_ASSIGN_OR_RETURN(const std::string got, Sha256OfFile(path));
  if (got == want) return OkStatus();
  return InvalidArgument("{} is not what the run wrote: its sha256 is {}, state.json says {}",
                         path.string(), got, want);
}

Status CopyTensor(const TensorMap& tensors, const std::string& name, const Shape& shape,
                  float* out) {
  const auto found = tensors.views.find(name);
  if (found == tensors.views.end()) return NotFound("tensor '{}' is missing", name);
  const ConstView& view = found->second;
  if (view.dtype != DType::kF32 || !(view.shape == shape)) {
    return InvalidArgument("tensor '{}' is {} {}, the model has f32 {}", name,
                           Info(view.dtype).name, view.shape.ToString(), shape.ToString());
  }
  std::memcpy(out, view.data, static_cast<size_t>(view.bytes()));
  return OkStatus();
}

Status WriteTokenizer(const TokenizerFiles& tokenizer, const fs::path& folder) {
  if (!tokenizer.tokenizer.empty()) {
    AHA_RETURN_IF_ERROR(WriteFileAtomic(folder / "tokenizer.json", tokenizer.tokenizer));
  }
  if (!tokenizer.config.empty()) {
    AHA_RETURN_IF_ERROR(WriteFileAtomic(folder / "tokenizer_config.json", tokenizer.config));
  }
  return OkStatus();
}

// A safetensors file, and what is done with its tensors.
Status WithTensors(const fs::path& path, const std::function<Status(const TensorMap&)>& take) {
  AHA_ASSIGN_OR_RETURN(const MappedFile map, MappedFile::Open(path));
  TensorMap tensors;
  AHA_RETURN_IF_ERROR(ReadSafetensors(map.bytes(), &tensors).Within(path.string()));
  return take(tensors).Within(path.string());
}

}  // namespace

Status WriteModelFolder(const ModelFiles& files, const TokenizerFiles& tokenizer,
                        const fs::path& folder) {
  AHA_RETURN_IF_ERROR(MakeFolder(folder));
  AHA_RETURN_IF_ERROR(WriteHuggingFaceFolder(files, FolderDType(files), folder, {}));
  return WriteTokenizer(tokenizer, folder);
}

Status WriteAdapterFolder(const ModelFiles& files, const std::string& base,
                          const TokenizerFiles& tokenizer, const fs::path& folder) {
  AHA_RETURN_IF_ERROR(MakeFolder(folder));
  AHA_RETURN_IF_ERROR(WritePeftAdapter(files, base, folder));
  return WriteTokenizer(tokenizer, folder);
}

std::string WeightsFile(const ModelFiles& files) {
  return files.adapted() ? "adapter_model.safetensors" : "model.safetensors";
}

std::string WeightsFile(const fs::path& folder) {
  return IsPeftAdapter(folder) ? "adapter_model.safetensors" : "model.safetensors";
}

Result<std::string> HashOfFolder(const fs::path& folder) {
  Sha256 sha;
  AHA_RETURN_IF_ERROR(WithTensors(folder / WeightsFile(folder), [&](const TensorMap& tensors) {
    for (const auto& [name, view] : tensors.views) {
      sha.Add(name + " " + view.shape.ToString() + "\n");
      const std::span bytes(view.data, static_cast<size_t>(view.bytes()));
      sha.Add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      MappedFile::Forget(bytes);
    }
    return OkStatus();
  }));
  return sha.Hex();
}

Status WriteCheckpoint(Learner& learner, const TokenizerFiles& tokenizer,
                       const CheckpointContents& contents, const fs::path& folder) {
  const fs::path partial = folder.parent_path() / (kPartial + folder.filename().string());
  std::error_code error;
  fs::remove_all(partial, error);
  const auto write = [&]() -> Status {
    const ModelFiles& files = learner.files();
    AHA_RETURN_IF_ERROR(files.adapted()
                            ? WriteAdapterFolder(files, contents.base, tokenizer, partial)
                            : WriteModelFolder(files, tokenizer, partial));
    SafetensorsWriter writer(partial / "trainer.safetensors");
    for (const Learner::Moments& m : learner.moments()) {
      writer.Add("m." + m.name, ViewOf(m.m, m.shape));
      writer.Add("v." + m.name, ViewOf(m.v, m.shape));
    }
    for (size_t i = 0; learner.has_reference() && i < learner.moments().size(); ++i) {
      const Learner::Moments& m = learner.moments()[i];
      writer.Add("ref." + m.name, ViewOf(learner.reference()[i], m.shape));
    }
    AHA_RETURN_IF_ERROR(writer.Finish());
    Json state = contents.state;
    state["updates"] = learner.updates();
    AHA_ASSIGN_OR_RETURN(state["model_sha256"], Sha256OfFile(partial / WeightsFile(files)));
    AHA_ASSIGN_OR_RETURN(state["trainer_sha256"], Sha256OfFile(partial / "trainer.safetensors"));
    Json provenance = contents.provenance;
    AHA_ASSIGN_OR_RETURN(provenance["weights_sha256"], HashOfFolder(partial));
    AHA_RETURN_IF_ERROR(
        WriteFileAtomic(partial / "provenance.json", DumpJson(provenance, 2) + "\n"));
    return WriteFileAtomic(partial / "state.json", DumpJson(state, 2) + "\n");
  };
  const Status status = write();
  if (!status.ok()) {
    fs::remove_all(partial, error);  // gives the disk back
    return status;
  }
  fs::rename(partial, folder, error);
  if (error) return IoError("{}: {}", folder.string(), error.message());
  return OkStatus();
}

Result<Json> ReadCheckpoint(const fs::path& folder, Learner* learner) {
  AHA_ASSIGN_OR_RETURN(const Json state, ReadJsonFile(folder / "state.json"));
  const auto read = [&](const std::string& file, const char* key,
                        const std::function<Status(const TensorMap&)>& take) -> Status {
    AHA_RETURN_IF_ERROR(CheckHash(state, key, folder / file));
    return WithTensors(folder / file, take);
  };
  ModelFiles& files = learner->files();
  const std::string prefix = files.adapted() ? std::string(kPeftPrefix) : "";
  AHA_RETURN_IF_ERROR(read(WeightsFile(files), "model_sha256", [&](const TensorMap& tensors) {
    for (const std::string& name : files.names()) {
      float* values = files.Floats(name);
      if (values == nullptr) continue;  // frozen
      AHA_RETURN_IF_ERROR(CopyTensor(tensors, prefix + name, files.Find(name)->shape, values));
    }
    return OkStatus();
  }));
  AHA_RETURN_IF_ERROR(read("trainer.safetensors", "trainer_sha256", [&](const TensorMap& tensors) {
    for (Learner::Moments& m : learner->moments()) {
      AHA_RETURN_IF_ERROR(CopyTensor(tensors, "m." + m.name, m.shape, m.m.data()));
      AHA_RETURN_IF_ERROR(CopyTensor(tensors, "v." + m.name, m.shape, m.v.data()));
    }
    if (!tensors.views.contains("ref." + learner->moments()[0].name)) return OkStatus();
    learner->SetReference();
    for (size_t i = 0; i < learner->moments().size(); ++i) {
      const Learner::Moments& m = learner->moments()[i];
      AHA_RETURN_IF_ERROR(
          CopyTensor(tensors, "ref." + m.name, m.shape, learner->reference()[i].data()));
    }
    return OkStatus();
  }));
  AHA_ASSIGN_OR_RETURN(const int64_t updates, GetInt(state, "updates"));
  learner->set_updates(updates);
  learner->model().WeightsChanged();
  return state;
}

std::string CheckpointName(int64_t total_step) { return fmt::format("step-{:06}", total_step); }

std::vector<fs::path> ListCheckpoints(const fs::path& folder) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::vector<fs::path> leftovers;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(kPartial)) {
      leftovers.push_back(it->path());
      continue;
    }
    const Result<Json> state = ReadJsonFile(it->path() / "state.json");
    const Result<int64_t> step =
        state.ok() ? GetInt(*state, "total_step") : Result<int64_t>(state.status());
    if (step.ok()) found.emplace_back(*step, it->path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
  std::sort(found.begin(), found.end());
  std::vector<fs::path> out;
  for (auto& [step, path] : found) out.push_back(std::move(path));
  return out;
}

}  // namespace aha
