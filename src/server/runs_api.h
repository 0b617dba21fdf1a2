// What the app asks about training runs ("Growth" in docs/app_api.md), without sockets: a request
// in, an answer out.
//
//   RunsApi api({.runs = "runs", .recipes = {"recipes"}, .program = "/usr/bin/aha"});
//   HttpResponse list = api.ListRuns();
//   ApiResult<AnswerJob> job = api.PrepareAnswer("parity", body);   // then generate, then
//   HttpResponse answer = api.Answered(*job, tokenizer, completion);
//
// Run names never leave the runs' folder, recipes come from the recipes' folders alone, and what a
// request may set cannot make a run start programs or read files elsewhere. All functions may be
// called from any thread; they read files and may take a while.
#ifndef AHA_SERVER_RUNS_API_H_
#define AHA_SERVER_RUNS_API_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "server/api_error.h"
#include "server/http_types.h"
#include "server/run_control.h"
#include "train/run_records.h"

namespace aha {

struct RunsApiOptions {
  std::filesystem::path runs;
  std::vector<std::filesystem::path> recipes;  // folders; the first that has a name counts
  std::filesystem::path program;               // empty: runs are only looked at
  int threads = 0;                             // of runs that are started
};

// A problem to be answered by a checkpoint.
struct AnswerJob {
  std::string model;  // "runs/NAME/step-000200"
  std::string checkpoint;
  int64_t index = 0;
  float temperature = 0;
  uint64_t seed = 0;
  std::shared_ptr<const RunProblems> problems;
};

// Where a reader of a run's events stands.
struct RunEventCursor {
  int64_t next = 0;     // line of metrics.jsonl
  int64_t rewound = 0;  // as in RunRecord
  std::string status;   // as it was told
};

class RunsApi {
 public:
  explicit RunsApi(RunsApiOptions options);

  HttpResponse ListRuns();
  HttpResponse ShowRun(const std::string& name);
  HttpResponse ShowMetrics(const std::string& name, const HttpRequest& request);
  HttpResponse ShowSamples(const std::string& name, const HttpRequest& request);
  HttpResponse ShowProblem(const std::string& name, const HttpRequest& request);
  HttpResponse Recipes();
  HttpResponse StartRun(const Json& body);
  HttpResponse StopRun(const std::string& name);
  HttpResponse ResumeRun(const std::string& name);

  ApiResult<AnswerJob> PrepareAnswer(const std::string& name, const Json& body);
  HttpResponse Answered(const AnswerJob& job, const Tokenizer& tokenizer,
                        const RunCompletion& completion);

  // What came since `cursor`, which moves on. Error: no such run (any more).
  ApiResult<std::vector<Json>> Events(const std::string& name, RunEventCursor* cursor);

 private:
  Json SummaryJson(const RunSummary& run);
  Json PendingJson(const std::string& name, const std::string& words) const;
  Result<Json> RunJson(const std::string& name) AHA_REQUIRES(mutex_);
  Result<std::shared_ptr<const RunProblems>> ProblemsOf(RunRecord& run) AHA_REQUIRES(mutex_);
  std::vector<RecipeFile> AllRecipes() const;

  RunsApiOptions options_;
  RunControl control_;
  Mutex mutex_;
  RunsFolder runs_ AHA_GUARDED_BY(mutex_);
  struct OpenProblems {
    Json recipe;
    std::shared_ptr<const RunProblems> problems;
  };
  std::map<std::string, OpenProblems> problems_ AHA_GUARDED_BY(mutex_);
};

// Whether a request may set these in a recipe: `before` is the recipe's file, `after` what would be
// run. Error: a checker's program, or a path that leads out of the folder the server works in.
Status CheckSettings(const Json& before, const Json& after);

}  // namespace aha

#endif  // AHA_SERVER_RUNS_API_H_
