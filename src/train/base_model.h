// The model that a recipe starts from, when it does not make a new one.
#ifndef AHA_TRAIN_BASE_MODEL_H_
#define AHA_TRAIN_BASE_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "train/recipe.h"
#include "weights/model_files.h"

namespace aha {

struct BaseModel {
  std::filesystem::path path;         // absolute
  std::unique_ptr<ModelFiles> files;  // null: the recipe makes a new model, or has copied this one
  Json sha256;                        // of each file with tensors, by its name
};

// Error: no such model, or an adapter's folder.
Result<BaseModel> OpenBase(const ModelRecipe& recipe);

// The sha256 of each file with tensors, by its name. `name`: as ResolveModel takes it.
Result<Json> HashOfModel(const std::string& name);

// What is trained: all of the base, copied as float32, or new low-rank adapters over it as it is
// stored (it must outlive them).
Result<ModelFiles> ModelToTrain(const BaseModel& base, const ModelRecipe& recipe, uint64_t seed);

}  // namespace aha

#endif  // AHA_TRAIN_BASE_MODEL_H_
