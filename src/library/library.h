// The user's models: where they lie, which one is meant, and how one is opened whole.
//
//   AHA_ASSIGN_OR_RETURN(auto path, ResolveModel("smollm2"));
//   AHA_ASSIGN_OR_RETURN(auto opened, OpenTextModel(path));
//   opened->model, opened->tokenizer, *opened->chat
#ifndef AHA_LIBRARY_LIBRARY_H_
#define AHA_LIBRARY_LIBRARY_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "chat/chat_template.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"
#include "weights/model_files.h"

namespace aha {

// $AHA_MODELS, or aha/models under $XDG_DATA_HOME (~/.local/share).
std::filesystem::path ModelsFolder();

// models/ beside the program's sources or under its share/aha; empty: there is none.
std::filesystem::path ShippedModelsFolder();

// Folders with a config.json and .gguf files in the models folder and of those that ship, by name,
// sorted.
std::vector<std::filesystem::path> InstalledModels();

// A path to a model folder or .gguf file, or the name of an installed model (with or without
// .gguf). Empty: $AHA_MODEL, or the only model there is, or aha-countdown, which ships. The error
// lists what there is.
Result<std::filesystem::path> ResolveModel(const std::string& name);

// The weights at `path`: a model folder, a .gguf, or a PEFT adapter's folder together with its
// base, which is `base` (as ResolveModel takes it) or what adapter_config.json names: a path, seen
// from the adapter's folder or from here, or a model in the models folder. The error says what is
// missing.
Result<ModelFiles> OpenModelFiles(const std::filesystem::path& path, const std::string& base = "");
// A folder with an adapter and no model of its own.
bool IsAdapterFolder(const std::filesystem::path& path);

struct OpenedTokenizer {
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat;
  SpecialTokenTexts tokens = {};  // as the files name them; empty: they do not
};

// A model folder, a folder with the tokenizer's files only, a .gguf, or an adapter's folder (its
// own tokenizer or its base's).
Result<OpenedTokenizer> OpenTokenizer(const std::filesystem::path& path);

// The model's own wishes (generation_config.json); unset ones are left to the caller.
struct GenerationDefaults {
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
};

// A model ready to run. Not movable: parts point into each other.
struct TextModel {
  explicit TextModel(ModelFiles f, OpenedTokenizer t)
      : files(std::move(f)),
        tokenizer(std::move(t.tokenizer)),
        chat(std::move(t.chat)),
        tokens(std::move(t.tokens)) {}
  TextModel(const TextModel&) = delete;
  TextModel& operator=(const TextModel&) = delete;

  ModelFiles files;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat;
  SpecialTokenTexts tokens;
  std::unique_ptr<Model> model;
  std::vector<int32_t> stop_ids;  // end of sequence, end of turn
  GenerationDefaults defaults;
  std::vector<std::string> warnings;  // to be shown to whoever opened it
  std::string name;
};

// The ids that end an answer: what the files call an end (the first is config.json's or
// generation_config.json's), and the ends of turns that chat models are trained with.
std::vector<int32_t> StopIds(const ModelFiles& files, const Tokenizer& tokenizer);

Result<std::unique_ptr<TextModel>> OpenTextModel(const std::filesystem::path& path);

}  // namespace aha

#endif  // AHA_LIBRARY_LIBRARY_H_
