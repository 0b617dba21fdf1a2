#include "weights/model_files.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/files.h"
#include "base/nearest_name.h"
#include "weights/dequantize.h"
#include "weights/gguf_model.h"
#include "weights/hugging_face_config.h"
#include "weights/peft_adapter.h"
#include "weights/safetensors_file.h"
#include "weights/tensor_map.h"

namespace aha {

namespace fs = std::filesystem;

struct ModelFiles::Impl {
  fs::path path;
  std::vector<MappedFile> maps;
  TensorMap tensors;
  Json config;
  Json generation_config = Json::object();
  std::vector<std::string> warnings;
  std::optional<GgufVocabulary> vocabulary;
  bool in_memory = false;
  bool make_missing = false;
  std::map<std::string, Storage> owned;  // in memory

  Status OpenGguf();
  Status AddParts(GgufFile* first);
  Status OpenFolder();
  Status AddSafetensors(const fs::path& file);
  Status OpenShards();
};

namespace {

constexpr uint64_t kLargestJson = 100'000'000;

// Pickled weights can run code when they are read, so nobody should load them unasked.
bool IsPickle(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt";
}

// False also for a path that the system refuses to look at (too long, a cycle of links).
bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

Status RefusePickle(const fs::path& path) {
  return InvalidArgument(
      "{} is a pickle file, which can run code when read, and is refused; convert it to "
      "safetensors",
      path.string());
}

}  // namespace

Status ModelFiles::Impl::OpenGguf() {
  AHA_ASSIGN_OR_RETURN(MappedFile map, MappedFile::Open(path));
  maps.push_back(std::move(map));
  const auto read = [this]() -> Status {
    AHA_ASSIGN_OR_RETURN(GgufFile file, GgufFile::Parse(maps.back().bytes()));
    AHA_RETURN_IF_ERROR(AddParts(&file));
    AHA_ASSIGN_OR_RETURN(config, GgufConfig(file, &warnings));
    AHA_ASSIGN_OR_RETURN(tensors, GgufTensors(file, config, &warnings));
    AHA_ASSIGN_OR_RETURN(vocabulary, ReadGgufVocabulary(file));
    return OkStatus();
  };
  return read().Within(path.string());
}

// A large model's GGUF in parts, NAME-00001-of-00003.gguf and so on: all metadata are in the first.
Status ModelFiles::Impl::AddParts(GgufFile* first) {
  if (!first->Has("split.count")) return OkStatus();
  AHA_ASSIGN_OR_RETURN(const int64_t count, first->Int("split.count"));
  if (count <= 1) return OkStatus();
  constexpr int64_t kMostParts = 99'999;  // five digits
  const auto ending = [count](int64_t part) {
    return fmt::format("-{:05}-of-{:05}.gguf", part + 1, count);
  };
  AHA_ASSIGN_OR_RETURN(const int64_t number, first->Int("split.no"));
  if (count > kMostParts || number < 0 || number >= count) {
    return InvalidArgument("metadata 'split.no' is {} of 'split.count' {}", number, count);
  }
  const std::string name = path.filename().string();
  if (number != 0 || !name.ends_with(ending(0))) {
    return InvalidArgument("part {} of {}; open the first, whose name ends in '{}'", number + 1,
                           count, ending(0));
  }
  const std::string stem = name.substr(0, name.size() - ending(0).size());
  for (int64_t i = 1; i < count; ++i) {
    const fs::path file = path.parent_path() / (stem + ending(i));
    if (!Exists(file)) return NotFound("part '{}' is missing", file.filename().string());
    AHA_ASSIGN_OR_RETURN(MappedFile map, MappedFile::Open(file));
    maps.push_back(std::move(map));
    const auto add = [&]() -> Status {
      AHA_ASSIGN_OR_RETURN(const GgufFile part, GgufFile::Parse(maps.back().bytes()));
      AHA_ASSIGN_OR_RETURN(const int64_t is, part.Int("split.no"));
      if (is != i) return InvalidArgument("metadata 'split.no' is {}, not {}", is, i);
      return first->AddTensors(part);
    };
    AHA_RETURN_IF_ERROR(add().Within(file.filename().string()));
  }
  if (!first->Has("split.tensors.count")) return OkStatus();
  AHA_ASSIGN_OR_RETURN(const int64_t tensors_in_all, first->Int("split.tensors.count"));
  const auto there = static_cast<int64_t>(first->tensors().size());
  if (tensors_in_all != there) {
    return InvalidArgument("the parts hold {} tensors, 'split.tensors.count' is {}", there,
                           tensors_in_all);
  }
  return OkStatus();
}

Status ModelFiles::Impl::AddSafetensors(const fs::path& file) {
  AHA_ASSIGN_OR_RETURN(MappedFile map, MappedFile::Open(file));
  maps.push_back(std::move(map));
  return ReadSafetensors(maps.back().bytes(), &tensors).Within(file.string());
}

// The files in model.safetensors.index.json's weight_map, which must hold every tensor it names.
Status ModelFiles::Impl::OpenShards() {
  const fs::path index = path / "model.safetensors.index.json";
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(index, kLargestJson));
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.status().Within(index.string());
  const Json* map = FindKey(*json, "weight_map");
  if (map == nullptr || !map->is_object()) {
    return InvalidArgument("{}: weight_map is missing", index.string());
  }
  std::set<std::string> shards;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos) {
      return InvalidArgument("{}: '{}' is in {}, not a file name", index.string(), name,
                             DumpJson(file));
    }
    shards.insert(file.get<std::string>());
  }
  for (const std::string& shard : shards) {
    if (!Exists(path / shard)) {
      return NotFound("{}: shard '{}' named by the index is missing", path.string(), shard);
    }
    AHA_RETURN_IF_ERROR(AddSafetensors(path / shard));
  }
  for (const auto& [name, file] : map->items()) {
    if (!tensors.views.contains(name) && !tensors.unusable.contains(name)) {
      return NotFound("{}: tensor '{}' is not in '{}', where the index says it is", path.string(),
                      name, file.get<std::string>());
    }
  }
  return OkStatus();
}

Status ModelFiles::Impl::OpenFolder() {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path / "config.json", kLargestJson));
  Result<Json> parsed = ParseHuggingFaceConfig(text, &warnings);
  if (!parsed.ok()) return parsed.status().Within((path / "config.json").string());
  config = std::move(*parsed);
  if (Exists(path / "generation_config.json")) {
    AHA_ASSIGN_OR_RETURN(const std::string generation,
                         ReadFile(path / "generation_config.json", kLargestJson));
    Result<Json> json = ParseJson(generation);
    if (!json.ok()) return json.status().Within((path / "generation_config.json").string());
    if (json->is_object()) generation_config = std::move(*json);
  }
  if (Exists(path / "model.safetensors.index.json")) return OpenShards();
  if (Exists(path / "model.safetensors")) return AddSafetensors(path / "model.safetensors");
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (IsPickle(it->path())) return RefusePickle(it->path());
  }
  return NotFound("{} has neither model.safetensors nor model.safetensors.index.json",
                  path.string());
}

ModelFiles::ModelFiles() : impl_(std::make_unique<Impl>()) {}
ModelFiles::ModelFiles(ModelFiles&&) noexcept = default;
ModelFiles& ModelFiles::operator=(ModelFiles&&) noexcept = default;
ModelFiles::~ModelFiles() = default;

Result<ModelFiles> ModelFiles::Open(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return NotFound("{} does not exist", path.string());
  if (!fs::is_directory(status) && !fs::is_regular_file(status)) {
    return InvalidArgument("{} is neither a folder nor a file", path.string());
  }
  ModelFiles files;
  files.impl_->path = path;
  if (fs::is_directory(status)) {
    AHA_RETURN_IF_ERROR(files.impl_->OpenFolder());
  } else if (IsPickle(path)) {
    return RefusePickle(path);
  } else if (path.extension() == ".safetensors") {
    return InvalidArgument("{} holds only tensors; give the folder with its config.json",
                           path.string());
  } else {
    AHA_RETURN_IF_ERROR(files.impl_->OpenGguf());
  }
  return files;
}

Result<ModelFiles> ModelFiles::InMemory(const Json& config, bool make_missing) {
  ModelFiles files;
  files.impl_->in_memory = true;
  files.impl_->make_missing = make_missing;
  AHA_ASSIGN_OR_RETURN(files.impl_->config,
                       ParseHuggingFaceConfig(DumpJson(config), &files.impl_->warnings));
  return files;
}

Result<ModelFiles> ModelFiles::InMemoryCopy(const ModelFiles& from) {
  AHA_ASSIGN_OR_RETURN(ModelFiles files, InMemory(from.config()));
  files.impl_->generation_config = from.generation_config();
  for (const std::string& name : from.names()) {
    AHA_ASSIGN_OR_RETURN(const ConstView view, from.Find(name));
    Storage copy(DType::kF32, view.shape);
    Dequantize(view, {copy.floats(), static_cast<size_t>(view.shape.elements())});
    files.Add(name, std::move(copy));
  }
  return files;
}

Result<ModelFiles> ModelFiles::InMemoryView(const ModelFiles& from) {
  AHA_ASSIGN_OR_RETURN(ModelFiles files, InMemory(from.config()));
  files.impl_->generation_config = from.generation_config();
  files.impl_->tensors.views = from.impl_->tensors.views;
  return files;
}

Status ModelFiles::AddAdapter(const fs::path& folder) {
  AHA_ASSIGN_OR_RETURN(PeftAdapter adapter, ReadPeftAdapter(folder));
  AHA_RETURN_IF_ERROR(CheckFits(adapter, *this).Within(folder.string()));
  for (const auto& [name, view] : adapter.tensors.views) impl_->tensors.views[name] = view;
  impl_->maps.push_back(std::move(adapter.map));
  SetLoraAlpha(adapter.config.alpha);
  return OkStatus();
}

void ModelFiles::SetLoraAlpha(double alpha) { impl_->config["lora_alpha"] = alpha; }

bool ModelFiles::adapted() const {
  return std::any_of(impl_->tensors.views.begin(), impl_->tensors.views.end(),
                     [](const auto& t) { return t.first.ends_with(kLoraA); });
}

void ModelFiles::Add(const std::string& name, Storage storage) {
  CHECK(impl_->in_memory, name);
  Storage& kept = impl_->owned[name] = std::move(storage);
  impl_->tensors.views[name] = kept.view();
}

void ModelFiles::AddView(const std::string& name, const ConstView& view) {
  CHECK(impl_->in_memory, name);
  impl_->owned.erase(name);
  impl_->tensors.views[name] = view;
}

float* ModelFiles::Floats(const std::string& name) {
  const auto it = impl_->owned.find(name);
  if (it == impl_->owned.end() || it->second.view().dtype != DType::kF32) return nullptr;
  return it->second.floats();
}

Result<ConstView> ModelFiles::FindOrMake(const std::string& name, const Shape& shape) const {
  if (!impl_->make_missing || impl_->tensors.views.contains(name)) return Find(name);
  Storage& made = impl_->owned[name] = Storage(DType::kF32, shape);
  return impl_->tensors.views[name] = made.view();
}

const Json& ModelFiles::config() const { return impl_->config; }
const Json& ModelFiles::generation_config() const { return impl_->generation_config; }
const fs::path& ModelFiles::path() const { return impl_->path; }
std::vector<fs::path> ModelFiles::tensor_files() const {
  std::vector<fs::path> out;
  for (const MappedFile& map : impl_->maps) out.push_back(map.path());
  return out;
}
bool ModelFiles::is_gguf() const { return impl_->vocabulary.has_value(); }
const std::vector<std::string>& ModelFiles::warnings() const { return impl_->warnings; }

const GgufVocabulary* ModelFiles::gguf_vocabulary() const {
  return impl_->vocabulary ? &*impl_->vocabulary : nullptr;
}

Result<ConstView> ModelFiles::Find(const std::string& name) const {
  const auto it = impl_->tensors.views.find(name);
  if (it != impl_->tensors.views.end()) return it->second;
  const auto bad = impl_->tensors.unusable.find(name);
  if (bad != impl_->tensors.unusable.end()) {
    return InvalidArgument("tensor '{}' cannot be used: {}", name, bad->second);
  }
  const std::string nearest = NearestName(name, names());
  return NotFound("tensor '{}' is missing{}", name,
                  nearest.empty() ? "" : "; the nearest there is is '" + nearest + "'");
}

bool ModelFiles::Has(const std::string& name) const {
  return impl_->tensors.views.contains(name) || impl_->tensors.unusable.contains(name);
}

std::vector<std::string> ModelFiles::names() const {
  std::vector<std::string> out;
  for (const auto& [name, view] : impl_->tensors.views) out.push_back(name);
  for (const auto& [name, why] : impl_->tensors.unusable) out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}

uint64_t ModelFiles::weight_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, view] : impl_->tensors.views)
    bytes += static_cast<uint64_t>(view.bytes());
  return bytes;
}

}  // namespace aha
