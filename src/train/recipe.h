// A recipe: what `aha train` is to do, as one TOML file read into plain structs. Every key has a
// default that works; an unknown or impossible one is an error that names it.
//
//   AHA_ASSIGN_OR_RETURN(Recipe r, ReadRecipe("recipes/parity.toml", {"seed=1"}));
#ifndef AHA_TRAIN_RECIPE_H_
#define AHA_TRAIN_RECIPE_H_

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "train/curriculum.h"
#include "train/policy_loss.h"
#include "train/schedule.h"

namespace aha {

struct OptimizerRecipe {
  Schedule schedule;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0;
  double clip_norm = 1;  // 0: off
};

// A model made new from `config` (config.json's keys), or one that exists.
struct ModelRecipe {
  Json config;
  std::string base;  // folder or .gguf; empty: made new
  int64_t lora_rank = 0;
  double lora_alpha = 0;                  // 0: 2 * rank
  std::vector<std::string> lora_targets;  // see LoraOptions; empty: all but experts
};

struct TokenizerRecipe {
  enum class Kind { kSymbols, kBpe, kFile };
  Kind kind = Kind::kSymbols;
  std::vector<std::string> words;  // kSymbols: several characters that are one token
  std::string characters;          // kSymbols: one token each
  // kBpe: a vocabulary learned from the data of the first stage that reads documents.
  int64_t vocab_size = 1024;
  std::vector<std::string> special;  // text that is one token and that nobody's text can forge
  enum class Pattern { kQwen2, kLlama3, kGpt2 };
  Pattern pattern = Pattern::kQwen2;  // how text is cut into words
  int64_t min_frequency = 2;          // pairs seen less often are not merged
  int64_t documents = 10'000;         // read of a generated source; of a file, all are
  std::string path;                   // kFile: a tokenizer.json
  std::string eos = "<eos>", pad = "<pad>";
  std::string chat_template;  // Jinja; empty: none is written
};

// Documents to learn from: pretrain and sft.
struct SupervisedRecipe {
  int64_t steps = 1000;
  int64_t batch_tokens = 4096;  // a step takes documents until they fill this
  int64_t max_document = 1024;  // tokens; longer ones are cut (pretrain) or refused (sft)
  bool refuse_long = false;     // what the stage's kind says
  Json data;                    // {name = "countdown-text", ...} or {name = "jsonl", path = ...}
  double gap_share = 0;         // documents whose positions after the prompt are shifted ...
  int64_t max_gap = 0;          // ... by a random 0..max_gap
  double router_bias_rate = 0;  // DeepSeek-V3's balance without auxiliary loss
  OptimizerRecipe optimizer;
};

struct RewardRecipe {
  Json spec;
};

enum class Overlong { kKeep, kMask, kPenalty };

// Reinforcement learning from checkable rewards.
struct RlRecipe {
  int64_t steps = 100;
  int64_t prompts = 16;  // problems a rollout
  int64_t samples = 16;  // outputs a problem: the group
  double temperature = 1;
  int64_t max_completion = 256;                                // tokens
  std::vector<std::pair<int64_t, int64_t>> max_completion_at;  // (from step, tokens)
  int64_t minibatches = 1;                                     // updates a rollout
  PolicyLossOptions loss;
  AdvantageKind advantage = AdvantageKind::kGroupStd;
  bool drop_zero_variance = true;
  int64_t refill_rounds = 0;  // dynamic sampling: more rollouts until groups fill
  Overlong overlong = Overlong::kMask;
  int64_t overlong_window = 0;   // kPenalty: the last tokens before the cap, linearly to ...
  double overlong_penalty = 1;   // ... this, taken off the reward
  int64_t reference_every = 0;   // steps between refreshes of the reference; 0: never
  CurriculumOptions curriculum;  // groups outside its rates are not trained on
  Json rewards;                  // list of {name, weight, ...}
  double router_bias_rate = 0;
  OptimizerRecipe optimizer;
};

// Learning from a teacher's right answers to the task's training problems.
struct DistillRecipe {
  std::string teacher;
  int64_t problems = 1024;
  int64_t samples = 4;
  int64_t keep = 4;  // at most so many different right answers to a problem
  double temperature = 0.6, top_p = 0.95;
  int64_t max_completion = 512;
  SupervisedRecipe sft;
};

struct Stage {
  std::string name;
  std::variant<SupervisedRecipe, RlRecipe, DistillRecipe> what;
  const char* kind() const;
  int64_t steps() const;
};

struct EvalRecipe {
  int64_t every = 0;             // steps of RL stages; 0: at the stage's ends only
  int64_t supervised_every = 0;  // of the others
  int64_t problems = 256;
  int64_t samples = 1;
  double temperature = 1;
  int64_t max_completion = 0;  // 0: the RL stage's
  std::string split = "held_out";
};

struct CheckpointRecipe {
  int64_t every = 100;           // steps of RL stages
  int64_t supervised_every = 0;  // of the others; 0: `every`
  int64_t keep_last = 2;
  std::string keep_best = "eval/accuracy";  // a metric; empty: off
};

struct Recipe {
  std::string name;
  uint64_t seed = 0;
  ModelRecipe model;
  TokenizerRecipe tokenizer;
  Json task;  // environment name and options; null when no stage needs one
  std::vector<Stage> stages;
  EvalRecipe eval;
  CheckpointRecipe checkpoint;
  int64_t micro_batch_tokens = 8192;
  bool recompute = false;  // activations are computed again in backward: less memory
  Json source;             // the whole tree with --set applied
};

// The most tokens a completion has: [eval]'s, or what the stages of reinforcement learning allow.
int64_t MostCompletion(const Recipe& recipe);

// A TOML file, or a run's recipe.json. `set`: "a.b=value" each. Errors name file and key.
Result<Recipe> ReadRecipe(const std::filesystem::path& path, std::span<const std::string> set);
Result<Recipe> ParseRecipe(Json tree, const std::string& where);

}  // namespace aha

#endif  // AHA_TRAIN_RECIPE_H_
