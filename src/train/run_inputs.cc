#include "train/run_inputs.h"

#include "library/library.h"
#include "library/sha256.h"
#include "train/base_model.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

Status AddFile(const std::string& path, Json* inputs) {
  AHA_ASSIGN_OR_RETURN((*inputs)[path], Sha256OfFile(path));
  return OkStatus();
}

// {name, path?, command?} of a task, or of a stage's data.
Status AddFilesOf(const Json& options, Json* inputs) {
  const Json* path = FindKey(options, "path");
  if (path != nullptr && path->is_string()) AHA_RETURN_IF_ERROR(AddFile(*path, inputs));
  const Json* command = FindKey(options, "command");
  if (command == nullptr || !command->is_array()) return OkStatus();
  for (const Json& argument : *command) {
    std::error_code error;
    if (!argument.is_string() || !fs::is_regular_file(argument.get<std::string>(), error)) continue;
    AHA_RETURN_IF_ERROR(AddFile(argument, inputs));
  }
  return OkStatus();
}

}  // namespace

Result<Json> HashInputs(const Recipe& recipe) {
  Json inputs = Json::object();
  if (recipe.tokenizer.kind == TokenizerRecipe::Kind::kFile && recipe.model.base.empty()) {
    AHA_RETURN_IF_ERROR(AddFile(recipe.tokenizer.path, &inputs));
  }
  AHA_RETURN_IF_ERROR(AddFilesOf(recipe.task, &inputs));
  for (const Stage& stage : recipe.stages) {
    if (const auto* s = std::get_if<SupervisedRecipe>(&stage.what)) {
      AHA_RETURN_IF_ERROR(AddFilesOf(s->data, &inputs));
    } else if (const auto* d = std::get_if<DistillRecipe>(&stage.what)) {
      AHA_ASSIGN_OR_RETURN(const Json tensors, HashOfModel(d->teacher));
      for (const auto& [file, hash] : tensors.items()) inputs[d->teacher + ": " + file] = hash;
    }
  }
  return inputs;
}

std::vector<std::string> ChangedInputs(const Json& was, const Json& now) {
  std::vector<std::string> out;
  for (const auto& [path, hash] : was.items()) {
    const Json* other = FindKey(now, path.c_str());
    if (other == nullptr) {
      out.push_back(path + " is not there any more");
    } else if (*other != hash) {
      out.push_back(fmt::format("{} is another file: its sha256 is {}, was {}", path,
                                DumpJson(*other), DumpJson(hash)));
    }
  }
  return out;
}

}  // namespace aha
