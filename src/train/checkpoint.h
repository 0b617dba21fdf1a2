// Checkpoints: a Hugging Face folder that any program loads (a PEFT adapter's, where only adapters
// are trained), and beside it what a run needs to go on to the bit: trainer.safetensors (the
// optimizer's moments), state.json (where it stood) and provenance.json (what it came from).
//
// A checkpoint is written under another name and renamed when it is whole: it is there entirely or
// not at all, whenever the program dies.
#ifndef AHA_TRAIN_CHECKPOINT_H_
#define AHA_TRAIN_CHECKPOINT_H_

#include <filesystem>
#include <string>
#include <vector>

#include "train/learner.h"

namespace aha {

// The tokenizer's files, as text; empty ones are not written.
struct TokenizerFiles {
  std::string tokenizer, config;  // tokenizer.json, tokenizer_config.json
};

// config.json, generation_config.json, model.safetensors and the tokenizer's files. Adapters are
// merged.
Status WriteModelFolder(const ModelFiles& files, const TokenizerFiles& tokenizer,
                        const std::filesystem::path& folder);

// The adapters alone, in PEFT's format; `base` is the path of what they stand on.
Status WriteAdapterFolder(const ModelFiles& files, const std::string& base,
                          const TokenizerFiles& tokenizer, const std::filesystem::path& folder);

// The file with the weights that are trained: model.safetensors or adapter_model.safetensors.
std::string WeightsFile(const ModelFiles& files);
std::string WeightsFile(const std::filesystem::path& folder);

// sha256 over names, shapes and bytes of the weights in the folder's own file, in order of names.
Result<std::string> HashOfFolder(const std::filesystem::path& folder);

struct CheckpointContents {
  Json state;  // of the run
  Json provenance;
  std::string base;  // what adapters stand on
};

// `folder` must not exist.
Status WriteCheckpoint(Learner& learner, const TokenizerFiles& tokenizer,
                       const CheckpointContents& contents, const std::filesystem::path& folder);

// Weights and moments into `learner`, which has the same model. Returns the state. Errors name the
// file and what does not fit: a missing or misshapen tensor, a flipped byte (state.json holds the
// hashes of both safetensors files).
Result<Json> ReadCheckpoint(const std::filesystem::path& folder, Learner* learner);

// Of the folder of the checkpoint after so many steps.
std::string CheckpointName(int64_t total_step);

// Whole checkpoints under `folder`, oldest first by state's total_step; leftovers of writes that
// were cut short are removed.
std::vector<std::filesystem::path> ListCheckpoints(const std::filesystem::path& folder);

}  // namespace aha

#endif  // AHA_TRAIN_CHECKPOINT_H_
