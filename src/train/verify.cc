#include "train/verify.h"

#include <unistd.h>

#include <map>

#include "base/files.h"
#include "library/sha256.h"
#include "train/run_inputs.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

Result<Json> ReadJsonFile(const fs::path& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 26));
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.status().Within(path.string());
  return json;
}

// What is to be verified, as it lies on the disk.
struct Subject {
  fs::path folder;
  fs::path run;  // the run's folder; empty: it is not beside this one any more
  Json provenance;
  Json state;  // null: a final folder
  int64_t total_step = 0;
  Recipe recipe;
};

Status CheckFile(const fs::path& path, const std::string& want) {
  AHA_ASSIGN_OR_RETURN(const std::string got, Sha256OfFile(path));
  if (got == want) return OkStatus();
  return InvalidArgument("{} is not what the run wrote: its sha256 is {}, it was {}", path.string(),
                         got, want);
}

Result<Subject> Look(const fs::path& given) {
  Subject s;
  std::error_code error;
  s.folder = fs::canonical(given, error);
  if (error) return NotFound("{}: {}", given.string(), error.message());
  const fs::path provenance = s.folder / "provenance.json";
  if (!fs::exists(provenance)) {
    return NotFound("{} has no provenance.json: it is no checkpoint of a run", given.string());
  }
  AHA_ASSIGN_OR_RETURN(s.provenance, ReadJsonFile(provenance));
  Result<int64_t> step = GetInt(s.provenance, "total_step");
  if (!step.ok()) return step.status().Within(provenance.string());
  s.total_step = *step;
  const Json* recipe = FindKey(s.provenance, "recipe");
  if (recipe == nullptr) return InvalidArgument("{} has no recipe", provenance.string());
  AHA_ASSIGN_OR_RETURN(s.recipe, ParseRecipe(*recipe, provenance.string()));
  const bool checkpoint = fs::exists(s.folder / "state.json");
  if (checkpoint) {
    AHA_ASSIGN_OR_RETURN(s.state, ReadJsonFile(s.folder / "state.json"));
    for (const auto& [key, file] :
         {std::pair("model_sha256", WeightsFile(s.folder)),
          std::pair("trainer_sha256", std::string("trainer.safetensors"))}) {
      AHA_ASSIGN_OR_RETURN(const std::string want, GetString(s.state, key));
      AHA_RETURN_IF_ERROR(CheckFile(s.folder / file, want));
    }
  }
  const fs::path run = checkpoint ? s.folder.parent_path().parent_path() : s.folder.parent_path();
  if (fs::exists(run / "recipe.json") && fs::exists(run / "checkpoints")) s.run = run;
  return s;
}

// The weights against the hash that the provenance gives of them.
Status CheckWeights(const Subject& s) {
  Result<std::string> want = GetString(s.provenance, "weights_sha256");
  if (!want.ok()) return want.status().Within((s.folder / "provenance.json").string());
  AHA_ASSIGN_OR_RETURN(const std::string got, HashOfFolder(s.folder));
  if (got == *want) return OkStatus();
  return InvalidArgument(
      "{}: the weights are not those that the run wrote: their sha256 is {}, it "
      "was {}",
      s.folder.string(), got, *want);
}

// What the first step began with: new weights, or a base, which is looked at.
std::string Beginning(const Subject& s) {
  const Json* base = FindKey(s.provenance, "base");
  if (base == nullptr) return fmt::format("begins with new weights of seed {}", s.recipe.seed);
  const std::string path = base->value("path", "");
  const Json* want = FindKey(*base, "sha256");
  const Result<BaseModel> now = OpenBase(s.recipe.model);
  return fmt::format("begins with {} ({}): {}", path, want == nullptr ? "?" : DumpJson(*want),
                     !now.ok()                                 ? "not there"
                     : want != nullptr && now->sha256 == *want ? "there, the same"
                                                               : "there, but NOT the same");
}

// The chain of parents as far as it lies beside the run, and where it begins.
std::vector<std::string> Parents(const Subject& s) {
  std::vector<std::string> out;
  Json provenance = s.provenance;
  for (;;) {
    const std::string parent = provenance.value("parent", "");
    if (parent.empty()) {
      out.push_back(Beginning(s));
      return out;
    }
    const std::string want = provenance.value("parent_model_sha256", "");
    const fs::path folder = s.run / "checkpoints" / parent;
    Result<Json> next = s.run.empty() ? NotFound("gone") : ReadJsonFile(folder / "provenance.json");
    if (!next.ok()) {
      out.push_back(fmt::format("{} ({}): not kept", parent, want));
      return out;
    }
    const std::string file = WeightsFile(folder);
    const Result<std::string> got = Sha256OfFile(folder / file);
    const bool same = got.ok() && *got == want;
    out.push_back(fmt::format("{} ({} {}): {}", parent, file, want,
                              same ? "there, the same" : "there, but NOT the same"));
    if (!same || next->value("parent", "") == parent) return out;
    provenance = *std::move(next);
  }
}

// The files that the run reads, against what they were.
std::vector<std::string> Inputs(const Subject& s) {
  const Json was = s.provenance.value("inputs", Json::object());
  if (was.empty()) return {};
  const Result<Json> now = HashInputs(s.recipe);
  if (!now.ok()) return {now.status().message()};
  std::vector<std::string> out = ChangedInputs(was, *now);
  for (const auto& [path, hash] : was.items()) {
    const Json* same = FindKey(*now, path.c_str());
    if (same == nullptr || *same != hash) continue;
    out.push_back(fmt::format("{} ({}): there, the same", path, hash.get<std::string>()));
  }
  return out;
}

// The latest checkpoint of the run before `step`; empty: none.
fs::path CheckpointBefore(const Subject& s) {
  fs::path best;
  for (const fs::path& path : ListCheckpoints(s.run / "checkpoints")) {
    const Result<Json> state = ReadJsonFile(path / "state.json");
    if (state.ok() && state->value("total_step", s.total_step) < s.total_step) best = path;
  }
  return best;
}

// Of two records of the same steps, what differs first; what only a whole run does is left out.
std::string FirstDifference(const std::vector<Json>& recorded, const std::vector<Json>& again) {
  std::map<int64_t, Json> by_step;
  for (const Json& line : recorded) by_step[line.value("total_step", int64_t{0})] = line;
  for (const Json& line : again) {
    const auto step = line.value("total_step", int64_t{0});
    const auto was = by_step.find(step);
    if (was == by_step.end()) continue;
    for (const auto& [key, value] : line.items()) {
      if (IsTiming(key)) continue;
      const Json* old = FindKey(was->second, key.c_str());
      if (old == nullptr || *old != value) {
        return fmt::format("step {}: {} was {}, is {}", step, key,
                           old == nullptr ? "nothing" : DumpJson(*old), DumpJson(value));
      }
    }
  }
  return "";
}

Status Replay(const Subject& s, const VerifyOptions& options, const fs::path& scratch,
              VerifyReport* report) {
  const fs::path from = options.from_start || s.run.empty() ? fs::path() : CheckpointBefore(s);
  std::error_code error;
  fs::create_directories(scratch / "checkpoints", error);
  if (!error && !from.empty()) {
    fs::copy(from, scratch / "checkpoints" / from.filename(), fs::copy_options::recursive, error);
  }
  if (error) return IoError("{}: {}", scratch.string(), error.message());
  AHA_RETURN_IF_ERROR(
      WriteFileAtomic(scratch / "recipe.json", DumpJson(s.recipe.source, 2) + "\n"));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Run> run,
                       Run::Open(s.recipe, {.out = scratch,
                                            .resume = true,
                                            .threads = options.threads,
                                            .backend = options.backend,
                                            .program = options.program,
                                            .stop = options.stop,
                                            .on_step = {},
                                            .say = options.say,
                                            .replay_until = s.total_step}));
  report->from = run->steps_done();
  report->to = s.total_step;
  AHA_ASSIGN_OR_RETURN(const RunEnd end, run->Go());
  if (!end.finished) return Cancelled("stopped before the last step was done anew");
  report->replayed = true;
  if (s.state.is_null()) {
    report->same = end.weights_sha256 == s.provenance.value("weights_sha256", "");
  } else {
    AHA_ASSIGN_OR_RETURN(
        const Json state,
        ReadJsonFile(scratch / "checkpoints" / CheckpointName(s.total_step) / "state.json"));
    report->same = state["model_sha256"] == s.state["model_sha256"] &&
                   state["trainer_sha256"] == s.state["trainer_sha256"];
  }
  if (s.run.empty()) return OkStatus();
  AHA_ASSIGN_OR_RETURN(const std::vector<Json> recorded, ReadLines(s.run / "metrics.jsonl"));
  AHA_ASSIGN_OR_RETURN(const std::vector<Json> again, ReadLines(scratch / "metrics.jsonl"));
  report->first_difference = FirstDifference(recorded, again);
  return OkStatus();
}

}  // namespace

Result<VerifyReport> Verify(const fs::path& folder, const VerifyOptions& options) {
  AHA_ASSIGN_OR_RETURN(const Subject subject, Look(folder));
  AHA_RETURN_IF_ERROR(CheckWeights(subject));
  VerifyReport report;
  report.parents = Parents(subject);
  report.inputs = Inputs(subject);
  if (!options.replay) {
    report.why_not = "it was not asked for";
    return report;
  }
  if (subject.run.empty() && !options.from_start) {
    report.why_not = "the run is not beside it; --from-start does the whole recipe again";
    return report;
  }
  const fs::path scratch = fs::temp_directory_path() / fmt::format("aha-verify-{}", getpid());
  const Status status = Replay(subject, options, scratch, &report);
  std::error_code error;
  fs::remove_all(scratch, error);
  if (!status.ok()) return status;
  return report;
}

}  // namespace aha
