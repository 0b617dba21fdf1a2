// What training runs wrote of themselves, read while they train: the part of train that the server
// may see (with run_problems.h, which comes with it).
//
//   RunsFolder runs("runs");
//   for (const RunSummary& run : runs.List()) ...
//   AHA_ASSIGN_OR_RETURN(RunRecord* run, runs.Find("parity"));
//   AHA_ASSIGN_OR_RETURN(std::vector<Json> lines, run->Metrics(from, from + 100));
//
// Nothing is ever written. Lines are indexed as they come and read when asked for: a poll costs
// what is new. Half-written last lines are not there yet; lines that are garbage are named in
// skipped() and left out. One thread at a time.
#ifndef AHA_TRAIN_RUN_RECORDS_H_
#define AHA_TRAIN_RUN_RECORDS_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "train/line_index.h"
#include "train/run_problems.h"

namespace aha {

struct RunStage {
  std::string name, kind;  // kind: "supervised", "rl", "distill"
  int64_t steps = 0;
};

struct RunSummary {
  enum class State { kRunning, kFinished, kStopped };
  std::string name;  // of the folder
  State state = State::kStopped;
  pid_t trainer = 0;  // the process, while it runs
  std::vector<RunStage> stages;
  std::string stage;                     // of the last step
  int64_t step = 0;                      // in its stage
  int64_t total_step = 0, steps = 0;     // of all stages: done, and there are
  double updated = 0;                    // seconds since 1970
  Json last = Json::object();            // the latest value of each metric
  std::vector<std::string> checkpoints;  // "step-000200", ..., "final": what is whole
};

// One step whose groups were recorded.
struct SampledStep {
  std::string stage;
  int64_t step = 0, total_step = 0;
  int64_t first = 0, groups = 0;  // lines of samples.jsonl
};

class RunRecord {
 public:
  explicit RunRecord(std::filesystem::path folder);

  // Whether `folder` holds a run.
  static bool Is(const std::filesystem::path& folder);

  // Looks at what is new. Errors: files that cannot be read; not what stands in them.
  Status Refresh();
  const RunSummary& summary() const { return summary_; }
  const Json& recipe() const { return recipe_; }  // recipe.json; null when it cannot be read
  // Of the last checkpoint or final/, without the recipe; null: none.
  Json Provenance() const;

  // Lines of metrics.jsonl: [first, last).
  Result<std::vector<Json>> Metrics(int64_t first, int64_t last) const;
  int64_t metrics_size() const { return metrics_.size(); }
  // Grows when the run went back to a checkpoint: lines known before may have gone.
  int64_t rewound() const { return rewound_; }

  // Steps with recorded groups, in order. Looks at what is new in samples.jsonl.
  Result<const std::vector<SampledStep>*> Steps();
  // The groups of one of them: {problem, prompt, trained, samples: [{text, thought, answer,
  // extracted, rewards, reward, why, advantage, tokens, truncated, trained, token_texts,
  // token_logprobs}]}; what older programs did not record is made up for, or null.
  Result<std::vector<Json>> Groups(const std::string& stage, int64_t step);

  // Lines that were left out, "FILE:LINE: why", at most a few of each file.
  std::vector<std::string> skipped() const;

 private:
  void ReadRecipe();
  void FindCheckpoints();
  int64_t StepsBefore(const std::string& stage) const;
  Status Hear(std::string_view line);
  Status HearSamples(std::string_view line, int64_t number);

  std::filesystem::path folder_;
  RunSummary summary_;
  Json recipe_;
  std::string recipe_seen_;  // size and time of the recipe.json that was read
  LineIndex metrics_, samples_;
  int64_t rewound_ = 0;
  std::vector<SampledStep> steps_;
  std::vector<std::string> skipped_groups_;
};

// The runs that lie in one folder.
class RunsFolder {
 public:
  explicit RunsFolder(std::filesystem::path root) : root_(std::move(root)) {}

  // The last changed first. A folder that is not there holds none.
  std::vector<RunSummary> List();
  // That run, looked at now. Error: NotFound, by name. The pointer is good until the next call.
  Result<RunRecord*> Find(const std::string& name);
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
  std::map<std::string, std::unique_ptr<RunRecord>> records_;
};

struct RecipeFile {
  std::string name;  // without ".toml"
  std::filesystem::path path;
  std::string text;
  std::string about;  // the comment that it begins with
  Json tree;          // null when it is no TOML; `problem` says why
  std::string problem;
};
// The recipes in `folder`, by name.
std::vector<RecipeFile> ListRecipes(const std::filesystem::path& folder);
// The recipe as such a run would have it. Error: it could not be begun, as far as the recipe alone
// says; the key or value is named.
Result<Json> RecipeTree(const std::filesystem::path& path, std::span<const std::string> set);

}  // namespace aha

#endif  // AHA_TRAIN_RUN_RECORDS_H_
