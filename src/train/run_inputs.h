// What a run reads beside its recipe and its base model, and whether that is still the same.
#ifndef AHA_TRAIN_RUN_INPUTS_H_
#define AHA_TRAIN_RUN_INPUTS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "train/recipe.h"

namespace aha {

// The sha256 of each file by its path, as the recipe writes it: data of the stages, problems, a
// checker's program and the files among its arguments, a tokenizer, a teacher's tensors (by the
// teacher's name and the file's). Errors: one that cannot be read.
Result<Json> HashInputs(const Recipe& recipe);

// The files of `was` that are not in `now` with the same hash, each as "PATH is not there any
// more" or "PATH is another file: its sha256 is ..., was ...".
std::vector<std::string> ChangedInputs(const Json& was, const Json& now);

}  // namespace aha

#endif  // AHA_TRAIN_RUN_INPUTS_H_
