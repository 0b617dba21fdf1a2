#include "server/runs_api.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "server/limits.h"
#include "server/request_fields.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

ApiError Conflict(std::string message) {
  return {.status = 409, .message = std::move(message), .code = "conflict"};
}

HttpResponse ErrorResponse(const Status& status, std::string param = {}) {
  return FromStatus(status, std::move(param)).ToResponse();
}

const char* NameOf(RunSummary::State state) {
  switch (state) {
    case RunSummary::State::kRunning:
      return "running";
    case RunSummary::State::kFinished:
      return "finished";
    default:
      return "stopped";
  }
}

// A whole number of the query, `otherwise` when it is not there.
ApiResult<int64_t> QueryInt(const HttpRequest& request, const char* key, int64_t otherwise) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return otherwise;
  const std::string& text = found->second;
  int64_t value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || value < 0) {
    return BadField(key, "{} is '{}', not a whole number", key, text);
  }
  return value;
}

bool IsAssignment(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || text.size() > limits::kSettingBytes) {
    return false;
  }
  const auto key = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  return text[0] != '-' &&
         std::all_of(text.begin(), text.begin() + static_cast<long>(equals), key) &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 32; });
}

// Down from where the server works, not up and not from the root.
bool StaysInside(const std::string& path) {
  if (path.starts_with("/") || path.starts_with("~")) return false;
  return std::ranges::none_of(fs::path(path), [](const fs::path& part) { return part == ".."; });
}

// Settings that name files or models.
Status CheckPaths(const Json* before, const Json& after, const std::string& key) {
  if (before != nullptr && *before == after) return OkStatus();
  if (after.is_object()) {
    for (const auto& [name, value] : after.items()) {
      const Json* was =
          before != nullptr && before->is_object() ? FindKey(*before, name.c_str()) : nullptr;
      AHA_RETURN_IF_ERROR(CheckPaths(was, value, name));
    }
  }
  const bool names_file = key == "path" || key == "base" || key == "teacher";
  if (names_file && after.is_string() && !StaysInside(after.get<std::string>())) {
    return InvalidArgument(
        "set: {} is '{}': from the app only files below the server's folder can be named; others "
        "are set in the recipe's file",
        key, after.get<std::string>());
  }
  return OkStatus();
}

}  // namespace

Status CheckSettings(const Json& before, const Json& after) {
  const auto task = [](const Json& recipe) {
    const Json* found = recipe.is_object() ? FindKey(recipe, "task") : nullptr;
    return found == nullptr ? Json() : *found;
  };
  const Json now = task(after);
  const bool command = now.is_object() && now.value("name", Json()) == "command";
  if (command && now != task(before)) {
    return InvalidArgument(
        "set: a task with a checker's program is set in the recipe's file, not from the app");
  }
  return CheckPaths(&before, after, "");
}

RunsApi::RunsApi(RunsApiOptions options)
    : options_(std::move(options)),
      control_({options_.program, options_.runs, options_.threads}),
      runs_(options_.runs) {}

// --- looking ---

Json RunsApi::SummaryJson(const RunSummary& run) {
  Json stages = Json::array();
  for (const RunStage& s : run.stages) {
    stages.push_back({{"name", s.name}, {"kind", s.kind}, {"steps", s.steps}});
  }
  const bool here = control_.Alive(run.name);
  const bool running = run.state == RunSummary::State::kRunning || here;
  const std::string words = running ? "" : control_.LastWords(run.name);
  return {{"name", run.name},
          {"status", running ? "running" : NameOf(run.state)},
          {"stopping", control_.Stopping(run.name, run.trainer)},
          {"here", here},
          {"message", words.empty() ? Json(nullptr) : Json(words)},
          {"stages", std::move(stages)},
          {"stage", run.stage},
          {"step", run.step},
          {"total_step", run.total_step},
          {"steps", run.steps},
          {"updated", run.updated},
          {"last", run.last},
          {"checkpoints", run.checkpoints}};
}

// A run that has written nothing of itself yet, or never did.
Json RunsApi::PendingJson(const std::string& name, const std::string& words) const {
  const bool failed = !words.empty();
  return {{"name", name},
          {"status", failed ? "stopped" : "running"},
          {"stopping", false},
          {"here", !failed},
          {"message", failed ? Json(words) : Json(nullptr)},
          {"stages", Json::array()},
          {"stage", ""},
          {"step", 0},
          {"total_step", 0},
          {"steps", 0},
          {"updated", 0},
          {"last", Json::object()},
          {"checkpoints", Json::array()}};
}

HttpResponse RunsApi::ListRuns() {
  Json runs = Json::array();
  for (const auto& [name, words] : control_.WithoutRecord()) {
    runs.push_back(PendingJson(name, words));
  }
  std::vector<RunSummary> all;
  {
    const MutexLock lock(mutex_);
    all = runs_.List();
  }
  for (const RunSummary& run : all) runs.push_back(SummaryJson(run));
  return JsonResponse({{"runs", std::move(runs)}, {"can_train", !options_.program.empty()}});
}

Result<Json> RunsApi::RunJson(const std::string& name) {
  const Result<RunRecord*> run = runs_.Find(name);
  if (!run.ok()) {
    for (const auto& [pending, words] : control_.WithoutRecord()) {
      if (pending == name) return PendingJson(name, words);
    }
    return run.status();
  }
  Json json = SummaryJson((*run)->summary());
  const Json& recipe = (*run)->recipe();
  json["recipe"] = recipe;
  const Json* task = recipe.is_object() ? FindKey(recipe, "task") : nullptr;
  json["task"] = task == nullptr ? Json(nullptr) : *task;
  json["provenance"] = (*run)->Provenance();
  json["metrics"] = (*run)->metrics_size();
  json["rewound"] = (*run)->rewound();
  json["skipped"] = (*run)->skipped();
  return json;
}

HttpResponse RunsApi::ShowRun(const std::string& name) {
  const MutexLock lock(mutex_);
  const Result<Json> json = RunJson(name);
  return json.ok() ? JsonResponse(*json) : ErrorResponse(json.status());
}

HttpResponse RunsApi::ShowMetrics(const std::string& name, const HttpRequest& request) {
  ApiResult<int64_t> from = QueryInt(request, "from", 0);
  if (!from.ok()) return from.error().ToResponse();
  const MutexLock lock(mutex_);
  const Result<RunRecord*> run = runs_.Find(name);
  if (!run.ok()) return ErrorResponse(run.status());
  const int64_t size = (*run)->metrics_size();
  const int64_t next = std::clamp(size, int64_t{0}, *from + limits::kMetricLines);
  const Result<std::vector<Json>> lines = (*run)->Metrics(*from, next);
  if (!lines.ok()) return ErrorResponse(lines.status());
  return JsonResponse({{"lines", *lines},
                       {"next", std::max(next, std::min(*from, size))},
                       {"total", size},
                       {"rewound", (*run)->rewound()}});
}

HttpResponse RunsApi::ShowSamples(const std::string& name, const HttpRequest& request) {
  ApiResult<int64_t> step = QueryInt(request, "step", -1);
  if (!step.ok()) return step.error().ToResponse();
  const MutexLock lock(mutex_);
  const Result<RunRecord*> run = runs_.Find(name);
  if (!run.ok()) return ErrorResponse(run.status());
  if (*step >= 0) {
    const auto stage = request.query.find("stage");
    if (stage == request.query.end()) return BadField("stage", "stage is missing").ToResponse();
    Result<std::vector<Json>> groups = (*run)->Groups(stage->second, *step);
    if (!groups.ok()) return ErrorResponse(groups.status());
    return JsonResponse({{"groups", *std::move(groups)}});
  }
  const Result<const std::vector<SampledStep>*> steps = (*run)->Steps();
  if (!steps.ok()) return ErrorResponse(steps.status());
  Json list = Json::array();
  for (const SampledStep& s : **steps) {
    list.push_back(
        {{"stage", s.stage}, {"step", s.step}, {"total_step", s.total_step}, {"groups", s.groups}});
  }
  return JsonResponse({{"steps", std::move(list)}});
}

// --- the same problem, answered by each checkpoint ---

Result<std::shared_ptr<const RunProblems>> RunsApi::ProblemsOf(RunRecord& run) {
  if (run.recipe().is_null()) {
    return NotFound("'{}' has no recipe.json that can be read", run.summary().name);
  }
  OpenProblems& open = problems_[run.summary().name];
  if (open.problems == nullptr || open.recipe != run.recipe()) {
    AHA_ASSIGN_OR_RETURN(std::unique_ptr<RunProblems> problems, RunProblems::Open(run.recipe()));
    open = {run.recipe(), std::move(problems)};
  }
  return open.problems;
}

HttpResponse RunsApi::ShowProblem(const std::string& name, const HttpRequest& request) {
  ApiResult<int64_t> index = QueryInt(request, "index", 0);
  if (!index.ok()) return index.error().ToResponse();
  const MutexLock lock(mutex_);
  const Result<RunRecord*> run = runs_.Find(name);
  if (!run.ok()) return ErrorResponse(run.status());
  const Result<std::shared_ptr<const RunProblems>> problems = ProblemsOf(**run);
  if (!problems.ok()) return ErrorResponse(problems.status());
  const int64_t count = (*problems)->count();
  if (*index >= count) {
    return BadField("index", "index is {}: the run is tested on problems 0 to {}", *index,
                    count - 1)
        .ToResponse();
  }
  const RunProblem p = (*problems)->Get(*index);
  return JsonResponse({{"index", *index},
                       {"id", p.id},
                       {"prompt", p.prompt},
                       {"system", p.system.empty() ? Json(nullptr) : Json(p.system)},
                       {"answer", p.answer.empty() ? Json(nullptr) : Json(p.answer)},
                       {"count", count}});
}

ApiResult<AnswerJob> RunsApi::PrepareAnswer(const std::string& name, const Json& body) {
  AnswerJob job;
  RequestFields f(body);
  std::optional<float> temperature;
  std::optional<uint64_t> seed;
  f.Read("index", &job.index, 0, int64_t{1} << 24);
  f.Read("checkpoint", &job.checkpoint, 200);
  f.Read("temperature", &temperature, 0, 2);
  f.ReadSeed("seed", &seed);
  if (f.failed()) return f.error();
  job.temperature = temperature.value_or(0.0f);
  job.seed = seed.value_or(0);
  const MutexLock lock(mutex_);
  const Result<RunRecord*> run = runs_.Find(name);
  if (!run.ok()) return FromStatus(run.status());
  const std::vector<std::string>& all = (*run)->summary().checkpoints;
  if (std::ranges::find(all, job.checkpoint) == all.end()) {
    return ApiError{.status = 404,
                    .message = fmt::format("'{}' has no checkpoint '{}'", name, job.checkpoint),
                    .param = "checkpoint",
                    .code = "not_found"};
  }
  Result<std::shared_ptr<const RunProblems>> problems = ProblemsOf(**run);
  if (!problems.ok()) return FromStatus(problems.status());
  job.problems = *std::move(problems);
  if (job.index >= job.problems->count()) {
    return BadField("index", "index is {}: the run is tested on problems 0 to {}", job.index,
                    job.problems->count() - 1);
  }
  job.model = "runs/" + name + "/" + job.checkpoint;
  return job;
}

HttpResponse RunsApi::Answered(const AnswerJob& job, const Tokenizer& tokenizer,
                               const RunCompletion& completion) {
  const Result<RunAnswer> a = job.problems->Grade(job.index, tokenizer, completion);
  if (!a.ok()) return ErrorResponse(a.status());
  Json tokens = Json::array();
  for (const RunAnswer::Token& t : a->tokens) {
    tokens.push_back({{"text", t.text}, {"logprob", t.logprob}, {"thought", t.thought}});
  }
  return JsonResponse({{"checkpoint", job.checkpoint},
                       {"index", job.index},
                       {"text", a->text},
                       {"thought", a->thought},
                       {"answer", a->answer},
                       {"extracted", a->extracted},
                       {"reward", a->reward},
                       {"rewards", a->rewards},
                       {"correct", a->correct},
                       {"why", a->why},
                       {"truncated", a->truncated},
                       {"tokens", std::move(tokens)}});
}

// --- live ---

ApiResult<std::vector<Json>> RunsApi::Events(const std::string& name, RunEventCursor* cursor) {
  const MutexLock lock(mutex_);
  std::vector<Json> events;
  Result<Json> status = RunJson(name);
  if (!status.ok()) return FromStatus(status.status());
  if (const Result<RunRecord*> run = runs_.Find(name); run.ok()) {
    if ((*run)->rewound() != cursor->rewound) {
      cursor->rewound = (*run)->rewound();
      cursor->next = 0;
      events.push_back({{"type", "rewound"}, {"rewound", cursor->rewound}});
    }
    const int64_t last =
        std::min((*run)->metrics_size(), cursor->next + int64_t{limits::kMetricLines});
    const Result<std::vector<Json>> lines = (*run)->Metrics(cursor->next, last);
    if (!lines.ok()) return FromStatus(lines.status());
    for (const Json& line : *lines) {
      events.push_back({{"type", "metrics"}, {"index", cursor->next++}, {"line", line}});
    }
    cursor->next = std::max(cursor->next, last);
  }
  Json told = {{"type", "status"}};
  for (const char* key : {"status", "stopping", "here", "message", "checkpoints"}) {
    told[key] = (*status)[key];
  }
  std::string text = DumpJson(told);
  if (text != cursor->status) {
    cursor->status = std::move(text);
    events.push_back(std::move(told));
  }
  return events;
}

// --- starting and stopping ---

std::vector<RecipeFile> RunsApi::AllRecipes() const {
  std::vector<RecipeFile> all;
  for (const fs::path& folder : options_.recipes) {
    for (RecipeFile& file : ListRecipes(folder)) {
      const bool known = std::ranges::any_of(
          all, [&](const RecipeFile& other) { return other.name == file.name; });
      if (!known) all.push_back(std::move(file));
    }
  }
  return all;
}

HttpResponse RunsApi::Recipes() {
  Json list = Json::array();
  for (const RecipeFile& file : AllRecipes()) {
    list.push_back({{"name", file.name},
                    {"path", file.path.string()},
                    {"about", file.about},
                    {"text", file.text},
                    {"tree", file.tree},
                    {"problem", file.problem.empty() ? Json(nullptr) : Json(file.problem)}});
  }
  return JsonResponse({{"recipes", std::move(list)}});
}

HttpResponse RunsApi::StartRun(const Json& body) {
  RequestFields f(body);
  std::string recipe;
  RunToStart run;
  f.Read("recipe", &recipe, 200);
  f.Read("name", &run.name, 200);
  f.ReadStrings("set", &run.set, limits::kSettings, limits::kSettingBytes);
  if (f.failed()) return f.error().ToResponse();
  if (options_.program.empty()) return Conflict("this server does not train").ToResponse();
  for (const std::string& one : run.set) {
    if (!IsAssignment(one)) {
      return BadField("set", "set: '{}' is not KEY=VALUE", one.substr(0, 200)).ToResponse();
    }
  }
  const std::vector<RecipeFile> all = AllRecipes();
  const auto file = std::ranges::find(all, recipe, &RecipeFile::name);
  if (file == all.end()) {
    return ApiError{.status = 404,
                    .message = fmt::format("there is no recipe '{}'", recipe),
                    .param = "recipe",
                    .code = "not_found"}
        .ToResponse();
  }
  const Result<Json> tree = RecipeTree(file->path, run.set);
  if (!tree.ok()) return ErrorResponse(tree.status(), "set");
  const Status allowed = CheckSettings(file->tree, *tree);
  if (!allowed.ok()) return ErrorResponse(allowed, "set");
  run.recipe = file->path;
  const Status started = control_.Start(run);
  if (!started.ok()) return ErrorResponse(started, "name");
  const MutexLock lock(mutex_);
  const Result<Json> json = RunJson(run.name);
  return json.ok() ? JsonResponse(*json, 201) : JsonResponse(PendingJson(run.name, ""), 201);
}

HttpResponse RunsApi::StopRun(const std::string& name) {
  pid_t holder = 0;
  {
    const MutexLock lock(mutex_);
    const Result<RunRecord*> run = runs_.Find(name);
    if (run.ok()) {
      holder = (*run)->summary().trainer;
    } else if (!control_.Alive(name)) {
      return ErrorResponse(run.status());
    }
  }
  const Status status = control_.Stop(name, holder);
  if (status.code() == StatusCode::kInvalidArgument) return Conflict(status.message()).ToResponse();
  if (!status.ok()) return ErrorResponse(status);
  return JsonResponse(Json::object(), 202);
}

HttpResponse RunsApi::ResumeRun(const std::string& name) {
  if (options_.program.empty()) return Conflict("this server does not train").ToResponse();
  {
    const MutexLock lock(mutex_);
    const Result<RunRecord*> run = runs_.Find(name);
    if (!run.ok()) return ErrorResponse(run.status());
    const RunSummary::State state = (*run)->summary().state;
    if (state != RunSummary::State::kStopped) {
      return Conflict(
                 fmt::format("'{}' {}", name,
                             state == RunSummary::State::kRunning ? "is running" : "has finished"))
          .ToResponse();
    }
  }
  const Status started = control_.Start(
      {.name = name, .recipe = options_.runs / name / "recipe.json", .set = {}, .resume = true});
  if (!started.ok()) return ErrorResponse(started);
  return JsonResponse(Json::object(), 202);
}

}  // namespace aha
