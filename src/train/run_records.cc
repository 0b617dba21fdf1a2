#include "train/run_records.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "envs/environment.h"
#include "train/recipe.h"
#include "train/run_lock.h"
#include "train/token_texts.h"
#include "train/toml.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kLargestRecipe = uint64_t{1} << 24;

double Seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The time of a file's last change; 0: it is not there.
double ChangedAt(const fs::path& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? Seconds(info.st_mtim) : 0;
}

std::string TextAt(const Json& object, const char* key) {
  const Json* value = FindKey(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

double NumberAt(const Json& object, const char* key) {
  const Json* value = FindKey(object, key);
  return value != nullptr && value->is_number() ? value->get<double>() : 0;
}

bool TruthAt(const Json& object, const char* key, bool otherwise) {
  const Json* value = FindKey(object, key);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

// A line as we write them begins with these two; reading a megabyte of texts to know its step
// would make the first look at a long run slow.
bool FastStep(std::string_view line, std::string* stage, int64_t* step) {
  constexpr std::string_view kStage = "{\"stage\":\"";
  constexpr std::string_view kStep = "\",\"step\":";
  if (!line.starts_with(kStage)) return false;
  line.remove_prefix(kStage.size());
  const size_t quote = line.find('"');
  if (quote > 200 || line.substr(0, quote).find('\\') != std::string_view::npos) return false;
  *stage = line.substr(0, quote);
  line.remove_prefix(quote);
  if (!line.starts_with(kStep)) return false;
  line.remove_prefix(kStep.size());
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), *step);
  return error == std::errc() && end != line.data() + line.size() && *end == ',';
}

// token_texts and token_logprobs of a sample, or nulls when they were not recorded.
void AddTokens(const Json& sample, const std::string& text, Json* out) {
  (*out)["token_texts"] = nullptr;
  (*out)["token_logprobs"] = nullptr;
  const Json* bytes = FindKey(sample, "token_bytes");
  const Json* logprobs = FindKey(sample, "token_logprobs");
  if (bytes == nullptr || logprobs == nullptr || !bytes->is_array() || !logprobs->is_array() ||
      bytes->size() != logprobs->size()) {
    return;
  }
  std::vector<size_t> sizes;
  for (size_t i = 0; i < bytes->size(); ++i) {
    if (!(*bytes)[i].is_number_unsigned() || !(*logprobs)[i].is_number()) return;
    sizes.push_back((*bytes)[i].get<size_t>());
  }
  (*out)["token_texts"] = TokenTexts(text, sizes);
  (*out)["token_logprobs"] = *logprobs;
}

Json ReadSample(const Json& sample) {
  const std::string text = TextAt(sample, "text");
  const Reply reply = SplitReply(text);
  // Programs before the app wrote what was extracted as "answer".
  const bool old = FindKey(sample, "extracted") == nullptr;
  Json rewards = Json::object();
  if (const Json* parts = FindKey(sample, "rewards"); parts != nullptr && parts->is_object()) {
    for (const auto& [name, value] : parts->items()) {
      if (value.is_number()) rewards[name] = value;
    }
  }
  Json out = {{"text", text},
              {"thought", std::string(reply.thought)},
              {"answer", std::string(reply.answer)},
              {"extracted", TextAt(sample, old ? "answer" : "extracted")},
              {"rewards", std::move(rewards)},
              {"reward", NumberAt(sample, "reward")},
              {"why", TextAt(sample, "why")},
              {"advantage", NumberAt(sample, "advantage")},
              {"tokens", static_cast<int64_t>(NumberAt(sample, "tokens"))},
              {"truncated", TruthAt(sample, "truncated", false)},
              {"trained", TruthAt(sample, "trained", true)}};
  AddTokens(sample, text, &out);
  return out;
}

Result<Json> ReadGroup(const Json& line) {
  const Json* samples = FindKey(line, "samples");
  if (!line.is_object() || samples == nullptr || !samples->is_array()) {
    return InvalidArgument("a group without samples");
  }
  Json out = {{"problem", TextAt(line, "problem")},
              {"prompt", TextAt(line, "prompt")},
              {"trained", TruthAt(line, "trained", true)},
              {"samples", Json::array()}};
  for (const Json& sample : *samples) {
    if (!sample.is_object()) return InvalidArgument("a sample that is no object");
    out["samples"].push_back(ReadSample(sample));
  }
  return out;
}

}  // namespace

RunRecord::RunRecord(fs::path folder)
    : folder_(std::move(folder)),
      metrics_(folder_ / "metrics.jsonl"),
      samples_(folder_ / "samples.jsonl") {
  summary_.name = folder_.filename().string();
}

bool RunRecord::Is(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "recipe.json", error) || fs::exists(folder / "metrics.jsonl", error);
}

void RunRecord::ReadRecipe() {
  const fs::path path = folder_ / "recipe.json";
  std::error_code error;
  const std::string now = fmt::format("{} {}", ChangedAt(path), fs::file_size(path, error));
  if (now == recipe_seen_) return;
  recipe_seen_ = now;
  recipe_ = nullptr;
  summary_.stages.clear();
  summary_.steps = 0;
  const Result<std::string> text = ReadFile(path, kLargestRecipe);
  Result<Json> json = text.ok() ? ParseJson(*text) : Result<Json>(text.status());
  if (!json.ok()) return;
  const Result<Recipe> recipe = ParseRecipe(*json, "recipe.json");
  recipe_ = *std::move(json);
  if (!recipe.ok()) return;  // of another version: the curves can still be shown
  for (const Stage& stage : recipe->stages) {
    summary_.stages.push_back({stage.name, stage.kind(), stage.steps()});
    summary_.steps += stage.steps();
  }
}

void RunRecord::FindCheckpoints() {
  std::vector<std::pair<int64_t, std::string>> found;
  std::error_code error;
  for (fs::directory_iterator it(folder_ / "checkpoints", error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    int64_t step = 0;
    const char* last = name.data() + name.size();
    if (!name.starts_with("step-")) continue;
    const auto [stopped, wrong] = std::from_chars(name.data() + 5, last, step);
    std::error_code ignored;
    if (wrong != std::errc() || stopped != last) continue;
    if (fs::exists(it->path() / "state.json", ignored)) found.emplace_back(step, name);
  }
  std::sort(found.begin(), found.end());
  summary_.checkpoints.clear();
  for (auto& [step, name] : found) summary_.checkpoints.push_back(std::move(name));
  if (fs::exists(folder_ / "final/provenance.json", error)) {
    summary_.checkpoints.emplace_back("final");
  }
}

Status RunRecord::Hear(std::string_view text) {
  AHA_ASSIGN_OR_RETURN(const Json line, ParseJson(text));
  if (!line.is_object()) return InvalidArgument("not an object");
  AHA_ASSIGN_OR_RETURN(const int64_t total, GetInt(line, "total_step"));
  summary_.total_step = total;
  summary_.step = static_cast<int64_t>(NumberAt(line, "step"));
  summary_.stage = TextAt(line, "stage");
  for (const auto& [key, value] : line.items()) {
    if (value.is_number()) summary_.last[key] = value;
  }
  return OkStatus();
}

Status RunRecord::Refresh() {
  ReadRecipe();
  const auto forget = [&] {
    ++rewound_;
    summary_.step = summary_.total_step = 0;
    summary_.stage.clear();
    summary_.last = Json::object();
  };
  AHA_RETURN_IF_ERROR(
      metrics_.Refresh([&](std::string_view line) { return Hear(line); }, forget).status());
  FindCheckpoints();
  summary_.trainer = RunLock::Holder(folder_);
  const bool finished = !summary_.checkpoints.empty() && summary_.checkpoints.back() == "final";
  summary_.state = summary_.trainer != 0 ? RunSummary::State::kRunning
                   : finished            ? RunSummary::State::kFinished
                                         : RunSummary::State::kStopped;
  summary_.updated =
      std::max(ChangedAt(folder_ / "metrics.jsonl"), ChangedAt(folder_ / "recipe.json"));
  return OkStatus();
}

Json RunRecord::Provenance() const {
  if (summary_.checkpoints.empty()) return nullptr;
  const std::string& last = summary_.checkpoints.back();
  const fs::path folder = last == "final" ? folder_ / last : folder_ / "checkpoints" / last;
  const Result<std::string> text = ReadFile(folder / "provenance.json", kLargestRecipe);
  Result<Json> json = text.ok() ? ParseJson(*text) : Result<Json>(text.status());
  if (!json.ok() || !json->is_object()) return nullptr;
  json->erase("recipe");
  return *std::move(json);
}

Result<std::vector<Json>> RunRecord::Metrics(int64_t first, int64_t last) const {
  return metrics_.Read(first, last);
}

int64_t RunRecord::StepsBefore(const std::string& stage) const {
  int64_t before = 0;
  for (const RunStage& s : summary_.stages) {
    if (s.name == stage) return before;
    before += s.steps;
  }
  return 0;
}

Status RunRecord::HearSamples(std::string_view line, int64_t number) {
  std::string stage;
  int64_t step = 0;
  if (!FastStep(line, &stage, &step)) {
    AHA_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
    if (!json.is_object()) return InvalidArgument("not an object");
    AHA_ASSIGN_OR_RETURN(stage, GetString(json, "stage"));
    AHA_ASSIGN_OR_RETURN(step, GetInt(json, "step"));
  }
  if (steps_.empty() || steps_.back().stage != stage || steps_.back().step != step) {
    steps_.push_back({stage, step, StepsBefore(stage) + step, number, 0});
  }
  ++steps_.back().groups;
  return OkStatus();
}

Result<const std::vector<SampledStep>*> RunRecord::Steps() {
  int64_t number = samples_.size();
  const auto look = [&](std::string_view line) {
    const Status status = HearSamples(line, number);
    if (status.ok()) ++number;
    return status;
  };
  const auto forget = [&] {
    steps_.clear();
    number = 0;
  };
  AHA_RETURN_IF_ERROR(samples_.Refresh(look, forget).status());
  return &steps_;
}

Result<std::vector<Json>> RunRecord::Groups(const std::string& stage, int64_t step) {
  AHA_ASSIGN_OR_RETURN(const std::vector<SampledStep>* steps, Steps());
  // The last such: a stage's step is sampled once, but files of strangers may say anything.
  const auto found = std::find_if(steps->rbegin(), steps->rend(), [&](const SampledStep& s) {
    return s.step == step && s.stage == stage;
  });
  if (found == steps->rend()) {
    return NotFound("step {} of stage '{}' has no recorded samples", step, stage);
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<Json> lines,
                       samples_.Read(found->first, found->first + found->groups));
  std::vector<Json> out;
  skipped_groups_.clear();
  for (const Json& line : lines) {
    Result<Json> group = ReadGroup(line);
    if (group.ok()) {
      out.push_back(*std::move(group));
    } else {
      skipped_groups_.push_back(
          fmt::format("samples.jsonl, step {}: {}", step, group.status().message()));
    }
  }
  const auto gone = found->groups - static_cast<int64_t>(lines.size());
  if (gone > 0) {
    skipped_groups_.push_back(
        fmt::format("samples.jsonl, step {}: {} lines are no JSON", step, gone));
  }
  return out;
}

std::vector<std::string> RunRecord::skipped() const {
  std::vector<std::string> out = metrics_.skipped();
  out.insert(out.end(), samples_.skipped().begin(), samples_.skipped().end());
  out.insert(out.end(), skipped_groups_.begin(), skipped_groups_.end());
  return out;
}

std::vector<RunSummary> RunsFolder::List() {
  std::vector<RunSummary> out;
  std::error_code error;
  for (fs::directory_iterator it(root_, error), end; !error && it != end; it.increment(error)) {
    const Result<RunRecord*> run = Find(it->path().filename().string());
    if (run.ok()) out.push_back((*run)->summary());
  }
  std::sort(out.begin(), out.end(), [](const RunSummary& a, const RunSummary& b) {
    return a.updated != b.updated ? a.updated > b.updated : a.name < b.name;
  });
  return out;
}

Result<RunRecord*> RunsFolder::Find(const std::string& name) {
  const bool plain = !name.empty() && name[0] != '.' && name.size() <= 255 &&
                     name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
  if (!plain || !RunRecord::Is(root_ / name)) {
    records_.erase(name);
    return NotFound("there is no run '{}' in {}", name, root_.string());
  }
  std::unique_ptr<RunRecord>& record = records_[name];
  if (record == nullptr) record = std::make_unique<RunRecord>(root_ / name);
  AHA_RETURN_IF_ERROR(record->Refresh());
  return record.get();
}

std::vector<RecipeFile> ListRecipes(const fs::path& folder) {
  std::vector<RecipeFile> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".toml") continue;
    Result<std::string> text = ReadFile(it->path(), 1 << 20);
    if (!text.ok()) continue;
    RecipeFile file{it->path().stem().string(), it->path(), *std::move(text), {}, {}, {}};
    for (size_t begin = 0; begin < file.text.size() && file.text[begin] == '#';) {
      const size_t end_of_line = std::min(file.text.find('\n', begin), file.text.size());
      const size_t first = std::min(file.text.find_first_not_of("# ", begin), end_of_line);
      file.about += (file.about.empty() ? "" : "\n") + file.text.substr(first, end_of_line - first);
      begin = end_of_line + 1;
    }
    Result<Json> tree = ParseToml(file.text, it->path().filename().string());
    if (tree.ok()) {
      file.tree = *std::move(tree);
    } else {
      file.problem = tree.status().message();
    }
    out.push_back(std::move(file));
  }
  std::sort(out.begin(), out.end(),
            [](const RecipeFile& a, const RecipeFile& b) { return a.name < b.name; });
  return out;
}

Result<Json> RecipeTree(const fs::path& path, std::span<const std::string> set) {
  AHA_ASSIGN_OR_RETURN(Recipe recipe, aha::ReadRecipe(path, set));
  return std::move(recipe.source);
}

}  // namespace aha
