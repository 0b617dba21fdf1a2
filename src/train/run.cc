#include "train/run.h"

#include <chrono>
#include <utility>

#include "base/files.h"
#include "library/library.h"
#include "library/sha256.h"
#include "model/initialize.h"
#include "train/evaluate.h"
#include "train/run_inputs.h"
#include "weights/gguf_writer.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string HashOf(const std::string& text) {
  Sha256 sha;
  sha.Add(text);
  return sha.Hex();
}

}  // namespace

Run::~Run() = default;

Status Run::MakeModel() {
  const ModelRecipe& m = recipe_.model;
  if (m.base.empty()) {
    AHA_RETURN_IF_ERROR(MakeTokenizer(parts_));
    Json config = m.config;
    if (FindKey(config, "vocab_size") == nullptr) {
      config["vocab_size"] = parts_.tokenizer->vocab_size();
    }
    config["eos_token_id"] = parts_.eos;
    if (const auto pad = parts_.tokenizer->IdOf(recipe_.tokenizer.pad)) {
      config["pad_token_id"] = *pad;
    }
    Result<ModelFiles> files = NewModel(config, recipe_.seed);
    if (!files.ok()) return files.status().Within("[model.config]");
    AHA_ASSIGN_OR_RETURN(parts_.learner,
                         Learner::Create(*std::move(files), options_.backend, parts_.pool.get()));
  } else {
    AHA_ASSIGN_OR_RETURN(parts_.base, OpenBase(m));
    AHA_RETURN_IF_ERROR(MakeTokenizer(parts_));
    AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelToTrain(parts_.base, m, recipe_.seed));
    AHA_ASSIGN_OR_RETURN(parts_.learner,
                         Learner::Create(std::move(files), options_.backend, parts_.pool.get()));
    if (m.lora_rank == 0) parts_.base.files.reset();
  }
  const int64_t vocab = parts_.learner->model().info().vocab;
  if (parts_.tokenizer->vocab_size() > vocab) {
    return InvalidArgument("the tokenizer has {} tokens, the model's vocab_size is {}",
                           parts_.tokenizer->vocab_size(), vocab);
  }
  return OkStatus();
}

Status Run::MakeParts() {
  parts_.pool = std::make_unique<ThreadPool>(options_.threads);
  AHA_RETURN_IF_ERROR(MakeModel());
  if (!recipe_.task.is_null()) {
    AHA_ASSIGN_OR_RETURN(parts_.task, MakeEnvironment(recipe_.task));
    // A tokenizer that cannot write the task's prompts is known now.
    AHA_RETURN_IF_ERROR(EncodeProblem(*parts_.tokenizer, parts_.chat_template(),
                                      parts_.task->Get(Split::kTrain, recipe_.seed, 0))
                            .status());
  }
  parts_.engine_cx =
      std::make_unique<ops::Context>(options_.backend, parts_.pool.get(), ops::Numerics::kPortable);
  for (const Stage& stage : recipe_.stages) {
    if (!std::holds_alternative<SupervisedRecipe>(stage.what) && parts_.task == nullptr) {
      return InvalidArgument("[{}] needs a [task]", stage.name);
    }
    if (const auto* d = std::get_if<DistillRecipe>(&stage.what)) {
      AHA_RETURN_IF_ERROR(CheckDistill(parts_, *d).Within("[" + stage.name + "]"));
    }
  }
  AHA_ASSIGN_OR_RETURN(inputs_, HashInputs(recipe_));
  return ParseSplit(recipe_.eval.split).status();
}

Result<std::unique_ptr<Run>> Run::Open(const Recipe& recipe, RunOptions options) {
  std::unique_ptr<Run> run(new Run(recipe, std::move(options)));
  const fs::path& out = run->options_.out;
  std::error_code error;
  const bool there = fs::exists(out / "recipe.json", error);
  if (there && !run->options_.resume) {
    return InvalidArgument("{} holds a run already: --resume goes on with it", out.string());
  }
  if (!there && run->options_.resume) {
    return NotFound("{} holds no run to resume", out.string());
  }
  const std::string source = DumpJson(recipe.source, 2) + "\n";
  if (there) {
    AHA_ASSIGN_OR_RETURN(run->lock_, RunLock::Take(out));
    AHA_ASSIGN_OR_RETURN(const std::string was, ReadFile(out / "recipe.json", 1 << 24));
    if (was != source) {
      return InvalidArgument("{} was begun with another recipe (see its recipe.json)",
                             out.string());
    }
  }
  AHA_RETURN_IF_ERROR(run->MakeParts());
  for (const Stage& stage : recipe.stages) {  // their data are looked at before anything is written
    if (const auto* s = std::get_if<SupervisedRecipe>(&stage.what)) {
      AHA_RETURN_IF_ERROR(
          MakeSupervised(run->parts_, *s, s->steps).status().Within("[" + stage.name + "]"));
    }
  }
  fs::create_directories(out / "checkpoints", error);
  if (error) return IoError("{}: {}", (out / "checkpoints").string(), error.message());
  if (!there) {
    AHA_ASSIGN_OR_RETURN(run->lock_, RunLock::Take(out));
    if (fs::exists(out / "recipe.json", error)) {  // begun while this one was looking at its data
      return InvalidArgument("{} holds a run already", out.string());
    }
    AHA_RETURN_IF_ERROR(WriteFileAtomic(out / "recipe.json", source));
  }
  AHA_RETURN_IF_ERROR(run->Resume());
  return run;
}

Status Run::Resume() {
  uint64_t metrics_bytes = 0;
  uint64_t samples_bytes = 0;
  const std::vector<fs::path> checkpoints = ListCheckpoints(options_.out / "checkpoints");
  if (options_.resume && !checkpoints.empty()) {
    const fs::path& last = checkpoints.back();
    // Symbols, files and trained vocabularies are all made anew: data that changed is seen here.
    const Result<std::string> was = ReadFile(last / "tokenizer.json");
    if (was.ok() && *was != parts_.tokenizer_files.tokenizer) {
      return InvalidArgument(
          "{}: its tokenizer is not the one that the recipe gives now; the data or the files that "
          "it is made of have changed",
          last.string());
    }
    Result<Json> read = ReadCheckpoint(last, parts_.learner.get());
    if (!read.ok()) return read.status();
    if (parts_.base.files != nullptr && (*read)["base_sha256"] != parts_.base.sha256) {
      return InvalidArgument(
          "the base {} is not the one that {} stands on: its sha256 are {}, were {}",
          parts_.base.path.string(), last.string(), DumpJson(parts_.base.sha256),
          DumpJson((*read)["base_sha256"]));
    }
    // A run from before inputs were told of has none.
    const std::vector<std::string> changed =
        ChangedInputs(read->value("inputs", Json::object()), inputs_);
    if (!changed.empty()) return InvalidArgument("{}: {}", last.string(), changed.front());
    const auto get = [&](const char* key, int64_t* value) -> Status {
      AHA_ASSIGN_OR_RETURN(*value, GetInt(*read, key));
      return OkStatus();
    };
    int64_t metrics = 0;
    int64_t samples = 0;
    for (const Status& status : {get("stage", &state_.stage), get("step", &state_.step),
                                 get("total_step", &state_.total_step),
                                 get("cursor", &state_.cursor), get("tokens", &state_.tokens),
                                 get("metrics_bytes", &metrics), get("samples_bytes", &samples)}) {
      if (!status.ok()) return status.Within((last / "state.json").string());
    }
    if (options_.replay_until == 0) {  // a replay's own files begin empty
      metrics_bytes = static_cast<uint64_t>(metrics);
      samples_bytes = static_cast<uint64_t>(samples);
    }
    AHA_ASSIGN_OR_RETURN(state_.best, GetDouble(*read, "best"));
    AHA_ASSIGN_OR_RETURN(state_.best_checkpoint, GetString(*read, "best_checkpoint"));
    state_.runner = read->value("runner", Json());
    last_checkpoint_ = last.filename().string();
    checkpointed_ = state_.total_step;
    Say("resuming from " + last.string());
  }
  AHA_ASSIGN_OR_RETURN(metrics_, LineFile::Open(options_.out / "metrics.jsonl", metrics_bytes));
  AHA_ASSIGN_OR_RETURN(parts_.samples,
                       LineFile::Open(options_.out / "samples.jsonl", samples_bytes));
  return OkStatus();
}

Json Run::StateJson() const {
  Json json = {{"stage", state_.stage},
               {"step", state_.step},
               {"total_step", state_.total_step},
               {"cursor", state_.cursor},
               {"tokens", state_.tokens},
               {"metrics_bytes", metrics_.bytes()},
               {"samples_bytes", parts_.samples.bytes()},
               {"best", state_.best},
               {"best_checkpoint", state_.best_checkpoint},
               {"inputs", inputs_}};
  if (parts_.base.files != nullptr) json["base_sha256"] = parts_.base.sha256;
  const Json runner = runner_ != nullptr ? runner_->State() : state_.runner;
  if (!runner.is_null()) json["runner"] = runner;
  return json;
}

Json Run::Provenance() const {
  Json json = {{"program", options_.program},
               {"cpu_path", std::string(options_.backend->name())},
               {"recipe_sha256", HashOf(DumpJson(recipe_.source))},
               {"recipe", recipe_.source},
               {"seed", recipe_.seed},
               {"stage", state_.stage},
               {"step", state_.step},
               {"total_step", state_.total_step},
               {"parent", last_checkpoint_},
               {"inputs", inputs_}};
  if (!last_checkpoint_.empty()) {
    const auto parent = Sha256OfFile(options_.out / "checkpoints" / last_checkpoint_ /
                                     WeightsFile(parts_.learner->files()));
    json["parent_model_sha256"] = parent.ok() ? *parent : "";
  }
  if (!parts_.base.sha256.is_null()) {
    json["base"] = {{"path", parts_.base.path.string()}, {"sha256", parts_.base.sha256}};
  }
  return json;
}

Status Run::Checkpoint() {
  if (checkpointed_ == state_.total_step) return OkStatus();
  const fs::path folder = options_.out / "checkpoints";
  const std::string name = CheckpointName(state_.total_step);
  AHA_RETURN_IF_ERROR(WriteCheckpoint(*parts_.learner, parts_.tokenizer_files,
                                      {StateJson(), Provenance(), parts_.base.path.string()},
                                      folder / name));
  last_checkpoint_ = name;
  checkpointed_ = state_.total_step;
  std::vector<fs::path> all = ListCheckpoints(folder);
  std::error_code error;
  const auto keep = static_cast<size_t>(recipe_.checkpoint.keep_last);
  const std::set<std::string> kept = KeptCheckpoints();
  for (size_t i = 0; i + keep < all.size(); ++i) {
    if (!kept.contains(all[i].filename().string())) fs::remove_all(all[i], error);
  }
  return OkStatus();
}

// However old: the best, and each stage's last, the base that the next began with.
std::set<std::string> Run::KeptCheckpoints() const {
  std::set<std::string> names = {state_.best_checkpoint};
  int64_t steps = 0;
  for (const Stage& stage : recipe_.stages) names.insert(CheckpointName(steps += stage.steps()));
  return names;
}

Status Run::Evaluated(Json* line) {
  if (parts_.task == nullptr) return OkStatus();
  const EvalRecipe& e = recipe_.eval;
  const int64_t most = MostCompletion(recipe_);
  const int64_t context = 64 + most;
  AHA_ASSIGN_OR_RETURN(
      std::unique_ptr<Engine> engine,
      Engine::Create(&parts_.learner->model(), parts_.engine_cx.get(),
                     {.cache_tokens = std::min<int64_t>(e.problems * e.samples, 256) * context}));
  EvalOptions options{.problems = e.problems,
                      .samples = static_cast<int32_t>(e.samples),
                      .max_tokens = most,
                      .stop_ids = parts_.stop_ids,
                      .seed = recipe_.seed,
                      .split = ParseSplit(e.split).value(),
                      .chat = parts_.chat_template()};
  options.sampling.temperature = static_cast<float>(e.temperature);
  AHA_ASSIGN_OR_RETURN(const EvalResult r, Evaluate(*engine, *parts_.tokenizer, *parts_.task,
                                                    options, {}, options_.stop));
  Json& l = *line;
  l["eval/accuracy"] = r.pass_at_1;
  l["eval/greedy_accuracy"] = r.greedy;
  l["eval/mean_length"] = r.mean_length;
  l["eval/greedy_length"] = r.greedy_length;
  l["eval/think_share"] = r.think_share;
  l["eval/accuracy_if_thinks"] = r.thinks_accuracy;
  l["eval/accuracy_if_short"] = r.short_accuracy;
  l["eval/reflection_words"] = r.reflection_words;
  for (const auto& [name, value] : r.measures) l["eval/" + name] = value;
  return OkStatus();
}

Status Run::MakeRunner(const Stage& stage) {
  if (const auto* s = std::get_if<SupervisedRecipe>(&stage.what)) {
    AHA_ASSIGN_OR_RETURN(runner_, MakeSupervised(parts_, *s, s->steps));
  } else if (const auto* d = std::get_if<DistillRecipe>(&stage.what)) {
    AHA_ASSIGN_OR_RETURN(runner_, MakeDistill(parts_, *d, stage.name));
  } else {
    AHA_ASSIGN_OR_RETURN(runner_,
                         MakeReinforcement(parts_, std::get<RlRecipe>(stage.what), stage.name));
  }
  if (state_.runner.is_null()) return OkStatus();
  return runner_->Restore(std::exchange(state_.runner, Json()))
      .Within("state.json: runner: the checkpoint that the run resumes from");
}

Status Run::GoStage(const Stage& stage) {
  AHA_RETURN_IF_ERROR(MakeRunner(stage));
  const int64_t steps = stage.steps();
  if (state_.step == 0) {
    parts_.learner->ResetOptimizer();
    Say(fmt::format("stage {}: {} steps", stage.name, steps));
  }
  const bool rl = std::holds_alternative<RlRecipe>(stage.what);
  const int64_t every = rl ? recipe_.eval.every : recipe_.eval.supervised_every;
  const CheckpointRecipe& c = recipe_.checkpoint;
  const int64_t checkpoint_every = rl || c.supervised_every == 0 ? c.every : c.supervised_every;
  while (state_.step < steps && !Replayed()) {
    if (parts_.Stopped()) return Cancelled("stopped");
    const double start = Now();
    Json line = {
        {"stage", stage.name}, {"step", state_.step + 1}, {"total_step", state_.total_step + 1}};
    // A stage's first line also says how good the model was before it.
    if (state_.step == 0 && !Replays() && std::holds_alternative<RlRecipe>(stage.what)) {
      Json before;
      AHA_RETURN_IF_ERROR(Evaluated(&before));
      for (const auto& [key, value] : before.items()) line["base_" + key] = value;
    }
    int64_t cursor = state_.cursor;
    const Status status = runner_->Step(state_.step, &cursor, &line);
    if (!status.ok()) {
      if (status.code() == StatusCode::kCancelled) return status;
      return status.Within(fmt::format("stage {} step {}", stage.name, state_.step + 1));
    }
    state_.cursor = cursor;
    ++state_.step;
    ++state_.total_step;
    state_.tokens += line.value("step_tokens", int64_t{0});
    line["num_tokens"] = state_.tokens;
    const bool last = state_.step == steps;
    const bool evaluate = every > 0 && state_.step % every == 0;
    if ((evaluate || last) && !Replays()) AHA_RETURN_IF_ERROR(Evaluated(&line));
    const double seconds = Now() - start;
    line["step_time"] = seconds;
    line["tokens_per_second"] = line.value("step_tokens", 0.0) / seconds;
    line["time"] = Now();
    AHA_RETURN_IF_ERROR(metrics_.Append(line));
    if (options_.on_step) options_.on_step(line);
    if (Replays()) continue;
    const std::string& metric = recipe_.checkpoint.keep_best;
    if (!metric.empty() && line.contains(metric) && line[metric].get<double>() > state_.best) {
      state_.best = line[metric].get<double>();
      state_.best_checkpoint = CheckpointName(state_.total_step);
      AHA_RETURN_IF_ERROR(Checkpoint());
    } else if (state_.step % checkpoint_every == 0 || last) {
      AHA_RETURN_IF_ERROR(Checkpoint());
    }
  }
  return OkStatus();
}

Result<std::string> Run::Final() {
  const fs::path folder = options_.out / "final";
  const ModelFiles& files = parts_.learner->files();
  AHA_RETURN_IF_ERROR(WriteModelFolder(files, parts_.tokenizer_files, folder));
  if (files.adapted()) {
    AHA_RETURN_IF_ERROR(WriteAdapterFolder(files, parts_.base.path.string(), parts_.tokenizer_files,
                                           folder / "adapter"));
    Say(
        fmt::format("final/ holds the base with the adapters merged, as {}; final/adapter over the "
                    "base as it is computes what was trained to the bit",
                    Info(FolderDType(files)).name));
  }
  AHA_ASSIGN_OR_RETURN(const std::string hash, HashOfFolder(folder));
  Json provenance = Provenance();
  provenance["weights_sha256"] = hash;
  AHA_RETURN_IF_ERROR(WriteFileAtomic(folder / "provenance.json", DumpJson(provenance, 2) + "\n"));
  return hash;
}

Result<RunEnd> Run::Go() {
  for (; state_.stage < static_cast<int64_t>(recipe_.stages.size());) {
    const Status status = GoStage(recipe_.stages[static_cast<size_t>(state_.stage)]);
    if (status.code() == StatusCode::kCancelled) {
      AHA_RETURN_IF_ERROR(Checkpoint());
      return RunEnd{.finished = false, .weights_sha256 = ""};
    }
    if (!status.ok()) {
      return Status(status.code(),
                    status.message() + (last_checkpoint_.empty()
                                            ? ""
                                            : "; the last good checkpoint is " + last_checkpoint_));
    }
    if (Replayed()) {
      AHA_RETURN_IF_ERROR(Checkpoint());
      AHA_ASSIGN_OR_RETURN(const std::string hash, Final());
      return RunEnd{.finished = true, .weights_sha256 = hash};
    }
    runner_.reset();
    ++state_.stage;
    state_.step = 0;
    state_.cursor = 0;
  }
  AHA_ASSIGN_OR_RETURN(const std::string hash, Final());
  AHA_ASSIGN_OR_RETURN(const std::vector<Json> lines, ReadLines(options_.out / "metrics.jsonl"));
  AHA_RETURN_IF_ERROR(WriteTensorBoard(lines, options_.out / "tensorboard"));
  return RunEnd{.finished = true, .weights_sha256 = hash};
}

int64_t Run::total_steps() const {
  int64_t steps = 0;
  for (const Stage& stage : recipe_.stages) steps += stage.steps();
  return steps;
}

}  // namespace aha
