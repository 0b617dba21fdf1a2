#include "train/base_model.h"

#include "library/library.h"
#include "library/sha256.h"
#include "model/lora.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

Result<Json> HashOf(const ModelFiles& files) {
  Json hashes;
  for (const fs::path& file : files.tensor_files()) {
    AHA_ASSIGN_OR_RETURN(hashes[file.filename().string()], Sha256OfFile(file));
  }
  return hashes;
}

}  // namespace

Result<BaseModel> OpenBase(const ModelRecipe& recipe) {
  BaseModel base;
  AHA_ASSIGN_OR_RETURN(const fs::path path, ResolveModel(recipe.base));
  if (IsAdapterFolder(path)) {
    return InvalidArgument(
        "[model] base {} is an adapter; merge it first: aha models merge {} --out FOLDER",
        path.string(), path.string());
  }
  std::error_code error;
  base.path = fs::canonical(path, error);
  if (error) return IoError("{}: {}", path.string(), error.message());
  AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::Open(base.path));
  AHA_ASSIGN_OR_RETURN(base.sha256, HashOf(files));
  base.files = std::make_unique<ModelFiles>(std::move(files));
  return base;
}

Result<Json> HashOfModel(const std::string& name) {
  AHA_ASSIGN_OR_RETURN(const fs::path path, ResolveModel(name));
  AHA_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::Open(path));
  return HashOf(files);
}

Result<ModelFiles> ModelToTrain(const BaseModel& base, const ModelRecipe& recipe, uint64_t seed) {
  if (recipe.lora_rank == 0) return ModelFiles::InMemoryCopy(*base.files);
  Result<ModelFiles> files = WithNewAdapters(*base.files, {.rank = recipe.lora_rank,
                                                           .alpha = recipe.lora_alpha,
                                                           .targets = recipe.lora_targets,
                                                           .seed = seed});
  if (!files.ok()) return files.status().Within("[model]");
  return files;
}

}  // namespace aha
