#include "library/library.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "weights/peft_adapter.h"

namespace aha {

namespace fs = std::filesystem;

fs::path ModelsFolder() {
  if (const char* folder = std::getenv("AHA_MODELS")) return folder;
  if (const char* data = std::getenv("XDG_DATA_HOME")) return fs::path(data) / "aha" / "models";
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".local/share/aha/models";
}

fs::path ShippedModelsFolder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  // Beside the sources that it was built from, or where it was installed.
  for (const char* beside : {"../../models", "../share/aha/models"}) {
    fs::path folder = (program.parent_path() / beside).lexically_normal();
    if (fs::is_directory(folder, error)) return folder;
  }
  return {};
}

namespace {

bool IsModel(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    return fs::exists(path / "config.json", error) || IsPeftAdapter(path);
  }
  return path.extension() == ".gguf" && fs::is_regular_file(path, error);
}

std::string NameOf(const fs::path& path) {
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

std::string ListOf(const std::vector<fs::path>& models) {
  std::string list;
  for (const fs::path& path : models) list += (list.empty() ? "" : ", ") + NameOf(path);
  return list.empty() ? "none" : list;
}

// Of the models that ship, the one that is meant for talking to.
constexpr std::string_view kShippedModel = "aha-countdown";

Result<fs::path> DefaultModel() {
  const std::vector<fs::path> models = InstalledModels();
  if (models.size() == 1) return models.front();
  for (const fs::path& path : models) {
    if (NameOf(path) == kShippedModel) return path;
  }
  if (models.empty()) {
    return NotFound("there is no model in {}; get one with: aha models pull ORG/NAME",
                    ModelsFolder().string());
  }
  return InvalidArgument("there are several models; choose one with -m: {}", ListOf(models));
}

// Where the base of an adapter lies.
Result<fs::path> BaseOf(const fs::path& adapter) {
  AHA_ASSIGN_OR_RETURN(const PeftConfig config, ReadPeftConfig(adapter));
  if (config.base.empty()) {
    return NotFound("{} does not say which base it is for; give it with --base",
                    (adapter / "adapter_config.json").string());
  }
  std::error_code error;
  const fs::path base = config.base;
  const fs::path name = base.filename();
  for (const fs::path& candidate :
       {adapter / base, base, ModelsFolder() / base, ModelsFolder() / name,
        ModelsFolder() / (name.string() + ".gguf")}) {
    if (fs::exists(candidate, error)) return candidate;
  }
  return NotFound(
      "{} is an adapter of '{}', which is no path here and not in {}; get it with: aha models pull "
      "{}",
      adapter.string(), config.base, ModelsFolder().string(), config.base);
}

}  // namespace

bool IsAdapterFolder(const fs::path& path) {
  std::error_code error;
  return IsPeftAdapter(path) && !fs::exists(path / "config.json", error);
}

Result<ModelFiles> OpenModelFiles(const fs::path& path, const std::string& base) {
  if (!IsAdapterFolder(path)) return ModelFiles::Open(path);
  fs::path under;
  if (base.empty()) {
    AHA_ASSIGN_OR_RETURN(under, BaseOf(path));
  } else {
    AHA_ASSIGN_OR_RETURN(under, ResolveModel(base));
  }
  if (IsAdapterFolder(under)) {
    return InvalidArgument("{}: its base {} is an adapter too; merge that first: aha models merge",
                           path.string(), under.string());
  }
  AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::Open(under));
  AHA_RETURN_IF_ERROR(files.AddAdapter(path));
  return files;
}

std::vector<fs::path> InstalledModels() {
  std::map<std::string, fs::path> models;  // the user's own come first where a name is taken twice
  for (const fs::path& folder : {ModelsFolder(), ShippedModelsFolder()}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (IsModel(entry.path())) models.emplace(NameOf(entry.path()), entry.path());
    }
  }
  std::vector<fs::path> out;
  for (auto& [name, path] : models) out.push_back(std::move(path));
  return out;
}

Result<fs::path> ResolveModel(const std::string& name) {
  if (name.empty()) {
    if (const char* chosen = std::getenv("AHA_MODEL"); chosen != nullptr && *chosen != '\0') {
      return ResolveModel(chosen);
    }
    return DefaultModel();
  }
  std::error_code error;
  const fs::path path = name;
  const bool in_folder = path.filename() == path && name != "." && name != "..";
  if (in_folder) {
    for (const fs::path& folder : {ModelsFolder(), ShippedModelsFolder()}) {
      for (const fs::path& candidate : {folder / name, folder / (name + ".gguf")}) {
        if (!folder.empty() && fs::exists(candidate, error)) return candidate;
      }
    }
  }
  if (fs::exists(path, error)) return path;
  return NotFound("no model '{}'; in {} there are: {}", name, ModelsFolder().string(),
                  ListOf(InstalledModels()));
}

}  // namespace aha
