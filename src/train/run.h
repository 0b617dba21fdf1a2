// One training run: a recipe's stages in order, as a single job that can die at any instant and go
// on to the bit.
//
//   AHA_ASSIGN_OR_RETURN(auto run, Run::Open(recipe, options));
//   AHA_ASSIGN_OR_RETURN(RunEnd end, run->Go());
//
// In the run's folder: recipe.json, metrics.jsonl, samples.jsonl, tensorboard/, checkpoints/ and,
// at the end, final/.
#ifndef AHA_TRAIN_RUN_H_
#define AHA_TRAIN_RUN_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "chat/chat_template.h"
#include "engine/engine.h"
#include "envs/environment.h"
#include "tokenizer/tokenizer.h"
#include "train/base_model.h"
#include "train/checkpoint.h"
#include "train/learner.h"
#include "train/metrics.h"
#include "train/recipe.h"
#include "train/run_lock.h"

namespace aha {

struct RunOptions {
  std::filesystem::path out;
  bool resume = false;
  int threads = 1;
  const kernels::Backend* backend = nullptr;
  std::string program;                            // "aha 0.1.0", for the provenance
  std::function<bool()> stop;                     // asked between pieces of work; may be empty
  std::function<void(const Json& line)> on_step;  // each line of metrics.jsonl
  std::function<void(const std::string&)> say;    // what happens between steps
  // > 0: only to do steps again, up to this one of all stages: nothing is evaluated, one checkpoint
  // is written, at the end.
  int64_t replay_until = 0;
};

struct RunEnd {
  bool finished = false;  // false: stopped, to be resumed
  std::string weights_sha256;
};

// What the stages work on.
struct RunParts {
  RunParts(const Recipe& r, const RunOptions& o) : recipe(r), options(o) {}

  const Recipe& recipe;
  const RunOptions& options;
  std::unique_ptr<ThreadPool> pool;
  BaseModel base;  // what a run with adapters views
  std::unique_ptr<Learner> learner;
  std::unique_ptr<Tokenizer> tokenizer;
  TokenizerFiles tokenizer_files;
  std::optional<ChatTemplate> chat;  // the base model's, or the recipe's
  std::vector<int32_t> stop_ids;
  int32_t eos = 0;
  std::unique_ptr<Environment> task;  // null: none
  std::unique_ptr<ops::Context> engine_cx;
  LineFile samples;

  PassOptions pass() const {
    return {.micro_batch_tokens = recipe.micro_batch_tokens, .recompute = recipe.recompute};
  }
  const ChatTemplate* chat_template() const { return chat ? &*chat : nullptr; }
  bool Stopped() const { return options.stop && options.stop(); }
};

// The tokenizer with its files, ends and chat template: the base model's (parts.base is there
// then), or what [tokenizer] asks for. The same recipe and data give the same bytes.
Status MakeTokenizer(RunParts& parts);

// A stage's work for one step. `cursor` counts what was taken of the data and is part of the state.
class StageRunner {
 public:
  virtual ~StageRunner() = default;
  // Adds to `line` what is to be known of the step.
  virtual Status Step(int64_t step, int64_t* cursor, Json* line) = 0;
  // What else of it a checkpoint keeps: null, or a value that Restore takes.
  virtual Json State() const { return nullptr; }
  virtual Status Restore(const Json&) { return OkStatus(); }
};
Result<std::unique_ptr<StageRunner>> MakeSupervised(RunParts& parts, const SupervisedRecipe& recipe,
                                                    int64_t steps);
Result<std::unique_ptr<StageRunner>> MakeReinforcement(RunParts& parts, const RlRecipe& recipe,
                                                       const std::string& stage);

// Samples the teacher first, unless the run's folder holds its answers.
Result<std::unique_ptr<StageRunner>> MakeDistill(RunParts& parts, const DistillRecipe& recipe,
                                                 const std::string& stage);
// Whether the teacher can be opened and asked.
Status CheckDistill(const RunParts& parts, const DistillRecipe& recipe);

class Run {
 public:
  // Everything that can be known to be wrong is found here: the recipe, the data, the tokenizer,
  // the folder (which must be new, or resume must be asked for and the recipe be the same).
  static Result<std::unique_ptr<Run>> Open(const Recipe& recipe, RunOptions options);
  ~Run();
  // To the end, or to a stop: then a checkpoint of the last whole step is there.
  Result<RunEnd> Go();

  RunParts& parts() { return parts_; }
  int64_t total_steps() const;
  int64_t steps_done() const { return state_.total_step; }

 private:
  struct State {
    int64_t stage = 0, step = 0;  // steps done in the stage
    int64_t total_step = 0;
    int64_t cursor = 0;
    int64_t tokens = 0;
    double best = 0;
    std::string best_checkpoint;
    Json runner;  // of the checkpoint that the run was resumed from
  };

  Run(const Recipe& recipe, RunOptions options)
      : recipe_(recipe), options_(std::move(options)), parts_(recipe_, options_) {}
  Status MakeParts();
  Status MakeModel();
  Status Resume();
  Status MakeRunner(const Stage& stage);
  Status GoStage(const Stage& stage);
  bool Replays() const { return options_.replay_until > 0; }
  bool Replayed() const { return Replays() && state_.total_step == options_.replay_until; }
  Status Evaluated(Json* line);
  Status Checkpoint();
  std::set<std::string> KeptCheckpoints() const;
  // Writes final/. Returns the hash of its weights.
  Result<std::string> Final();
  Json Provenance() const;
  Json StateJson() const;
  void Say(const std::string& text) const {
    if (options_.say) options_.say(text);
  }

  Recipe recipe_;
  RunOptions options_;
  Json inputs_;  // see run_inputs.h
  RunParts parts_;
  RunLock lock_;  // of the folder
  LineFile metrics_;
  State state_;
  std::unique_ptr<StageRunner> runner_;  // of the stage that is at work
  std::string last_checkpoint_;
  int64_t checkpointed_ = -1;  // total_step of the last checkpoint
};

}  // namespace aha

#endif  // AHA_TRAIN_RUN_H_
