#include "server/model_cards.h"

#include <algorithm>

#include "chat/thinking.h"
#include "library/library.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

// Changes when the weights or the config do.
std::string StampOf(const fs::path& path) {
  std::error_code error;
  std::string stamp;
  for (const fs::path& file : {path, path / "config.json", path / "model.safetensors"}) {
    const auto time = fs::last_write_time(file, error);
    stamp += error ? "-" : std::to_string(time.time_since_epoch().count());
    stamp += ' ';
  }
  return stamp;
}

Result<ModelCard> MakeCard(const fs::path& path) {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<TextModel> text, OpenTextModel(path));
  const ModelInfo& info = text->model->info();
  ModelCard card;
  card.family = info.family;
  card.thinking =
      text->chat ? std::string(DetectThinking(*text->chat, text->tokenizer).name()) : "none";
  card.parameters = info.parameters;
  card.file_bytes = static_cast<int64_t>(text->files.weight_bytes());
  card.context = info.max_positions;
  card.cache_row_bytes = info.cache_row_bytes(DefaultCacheDtype(info));
  card.bytes_per_token = info.bytes_per_token;
  return card;
}

}  // namespace

std::vector<ModelCards::Found> ModelCards::FindAll() const {
  std::vector<Found> found;
  for (const fs::path& path : InstalledModels()) {
    found.push_back({path.extension() == ".gguf" ? path.stem().string() : path.filename().string(),
                     path, "", ""});
  }
  if (runs_.empty()) return found;
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator it(runs_, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error)) folders.push_back(it->path());
  }
  std::ranges::sort(folders);
  for (const fs::path& run : folders) {
    const std::string name = run.filename().string();
    std::vector<fs::path> steps;
    for (fs::directory_iterator it(run / "checkpoints", error), end; !error && it != end;
         it.increment(error)) {
      if (it->path().filename().string().starts_with("step-")) steps.push_back(it->path());
    }
    std::ranges::sort(steps);
    if (fs::is_directory(run / "final", error)) steps.push_back(run / "final");
    for (const fs::path& step : steps) {
      const std::string last = step.filename().string();
      found.push_back({"runs/" + name + "/" + last, step, name, last});
    }
  }
  return found;
}

std::vector<ModelCard> ModelCards::List() {
  std::vector<ModelCard> cards;
  const MutexLock lock(mutex_);
  for (const Found& one : FindAll()) {
    const std::string key = one.path.string(), stamp = StampOf(one.path);
    auto it = known_.find(key);
    if (it == known_.end() || it->second.first != stamp) {
      Result<ModelCard> card = MakeCard(one.path);
      if (!card.ok()) continue;
      it = known_.insert_or_assign(key, std::pair(stamp, std::move(*card))).first;
    }
    ModelCard card = it->second.second;
    card.id = one.id;
    card.path = one.path;
    card.run = one.run;
    card.step = one.step;
    cards.push_back(std::move(card));
  }
  return cards;
}

Json CardJson(const ModelCard& card, bool loaded, int64_t available_bytes,
              double read_bytes_per_s) {
  const int64_t memory = card.file_bytes + card.context * card.cache_row_bytes;
  Json out = {{"id", card.id},
              {"family", card.family},
              {"parameters", card.parameters},
              {"file_bytes", card.file_bytes},
              {"memory_bytes", memory},
              {"context", card.context},
              {"fits", loaded || memory <= available_bytes},
              {"loaded", loaded},
              {"tokens_per_second", nullptr},
              {"thinking", card.thinking},
              {"source", card.run.empty() ? "models" : "run"}};
  if (read_bytes_per_s > 0 && card.bytes_per_token > 0) {
    out["tokens_per_second"] = read_bytes_per_s / static_cast<double>(card.bytes_per_token);
  }
  if (!card.run.empty()) {
    out["run"] = card.run;
    out["step"] = card.step;
  }
  return out;
}

}  // namespace aha
