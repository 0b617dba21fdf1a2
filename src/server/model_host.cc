#include "server/model_host.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/machine_memory.h"
#include "server/limits.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Written before the tag where a thought is ended for the model, so that it does not break off in
// the middle of a word. It belongs to the thought and never to the answer.
constexpr const char* kEndSentence = "\n\nThat is enough thinking; I answer now.\n";

// The first way of ending a thought that the model's vocabulary can write.
std::vector<int32_t> CloseThoughtIds(const Tokenizer& tokenizer) {
  const std::string close = ThoughtTags().close;
  for (const std::string& text : {kEndSentence + close + "\n\n", close + "\n\n", close}) {
    const Result<std::vector<int32_t>> ids = tokenizer.Encode(text, {.allow_special = true});
    if (ids.ok() && tokenizer.Decode(*ids) == text) return *ids;
  }
  return {};
}

int64_t FileBytes(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    const auto size = fs::file_size(path, error);
    return error ? 0 : static_cast<int64_t>(size);
  }
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto size = entry.file_size(error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

const char* NameOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "abort";
    default:
      return "error";
  }
}

}  // namespace

ModelHost::ModelHost(ModelHostOptions options, Post post)
    : options_(std::move(options)), post_(std::move(post)) {
  if (options_.memory_bytes == 0) options_.memory_bytes = AvailableMemory() / 4 * 3;
  pool_ = std::make_unique<ThreadPool>(options_.threads);
  thread_ = std::thread([this] { Loop(); });
}

ModelHost::~ModelHost() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

// --- models ---

Result<fs::path> ModelHost::PathOf(const std::string& name) const {
  if (name == options_.default_model || name == default_model()) {
    return ResolveModel(options_.default_model);
  }
  if (!name.starts_with("runs/") || options_.runs.empty()) {
    // Names of the library only: what a client sends is no path on this machine.
    AHA_ASSIGN_OR_RETURN(const fs::path path, ResolveModel(name));
    const std::vector<fs::path> known = InstalledModels();
    if (std::ranges::find(known, path) == known.end()) {
      return NotFound("there is no model '{}'", name);
    }
    return path;
  }
  const std::string rest = name.substr(5);
  const size_t slash = rest.find('/');
  const std::string run = rest.substr(0, slash);
  const std::string step = slash == std::string::npos ? "final" : rest.substr(slash + 1);
  const auto plain = [](const std::string& part) {
    return !part.empty() && part[0] != '.' && part.find('/') == std::string::npos;
  };
  if (!plain(run) || !plain(step)) return NotFound("there is no model '{}'", name);
  const fs::path folder = options_.runs / run;
  const fs::path path = step == "final" ? folder / "final" : folder / "checkpoints" / step;
  std::error_code error;
  if (!fs::is_directory(path, error)) return NotFound("there is no checkpoint '{}'", name);
  return path;
}

Result<std::shared_ptr<ServedModel>> ModelHost::Acquire(const std::string& name) {
  const std::string& wanted = name.empty() ? options_.default_model : name;
  AHA_ASSIGN_OR_RETURN(const fs::path path, PathOf(wanted));
  const std::string key = path.lexically_normal().string();
  const auto find = [&]() -> std::shared_ptr<ServedModel> {
    const MutexLock lock(mutex_);
    const auto it = models_.find(key);
    if (it == models_.end()) return nullptr;
    it->second.used_s = Now();
    return it->second.model;
  };
  if (auto model = find()) return model;
  const MutexLock opening(opening_);
  if (auto model = find()) return model;  // another request has opened it meanwhile
  const std::string id = wanted.starts_with("runs/")   ? wanted
                         : path.extension() == ".gguf" ? path.stem().string()
                                                       : path.filename().string();
  AHA_ASSIGN_OR_RETURN(std::shared_ptr<ServedModel> model, Open(id, path));
  const MutexLock lock(mutex_);
  models_[key] = {model, Now()};
  return model;
}

Result<std::shared_ptr<ServedModel>> ModelHost::Open(const std::string& id, const fs::path& path) {
  AHA_RETURN_IF_ERROR(MakeRoom(FileBytes(path)).Within(id));
  auto out = std::make_shared<ServedModel>();
  out->id = id;
  out->path = path;
  AHA_ASSIGN_OR_RETURN(out->text, OpenTextModel(path));
  const ModelInfo& info = out->text->model->info();
  const int64_t context =
      options_.context > 0 ? std::min(options_.context, info.max_positions) : info.max_positions;
  out->cache_dtype = options_.cache_dtype.value_or(DefaultCacheDtype(info));
  const int64_t row_bytes = info.cache_row_bytes(out->cache_dtype);
  int64_t rows = options_.cache_tokens;
  if (rows == 0) {
    // A quarter of the memory for the cache; the system gives it page by page, as it fills.
    rows = std::min(32 * context, options_.memory_bytes / 4 / row_bytes);
    rows = std::max<int64_t>(rows, 256);
  }
  out->memory_bytes = FileBytes(path) + rows * row_bytes;
  AHA_RETURN_IF_ERROR(MakeRoom(out->memory_bytes).Within(id));
  out->cx = std::make_unique<ops::Context>(options_.backend, pool_.get(), options_.numerics);
  AHA_ASSIGN_OR_RETURN(out->engine, Engine::Create(out->text->model.get(), out->cx.get(),
                                                   {.cache_tokens = rows,
                                                    .max_context = context,
                                                    .prefill_chunk = options_.prefill_chunk,
                                                    .prefix_cache = options_.prefix_cache,
                                                    .cache_dtype = out->cache_dtype}));
  out->grammars = std::make_unique<ModelGrammars>(out->text->tokenizer, out->text->stop_ids);
  if (out->text->chat) {
    out->thinking = DetectThinking(*out->text->chat, out->text->tokenizer);
    out->tools = ToolCallFormat::Detect(out->text->chat->source(), out->text->tokenizer);
  }
  out->close_thought = CloseThoughtIds(out->text->tokenizer);
  return out;
}

// Closes models nobody uses, the least recently used first, until `bytes` more fit.
Status ModelHost::MakeRoom(int64_t bytes) {
  std::vector<std::shared_ptr<ServedModel>> closed;  // goes after the lock
  const MutexLock lock(mutex_);
  while (true) {
    int64_t used = 0;
    auto oldest = models_.end();
    for (auto it = models_.begin(); it != models_.end(); ++it) {
      used += it->second.model->memory_bytes;
      const bool idle = it->second.model.use_count() == 1;
      if (idle && (oldest == models_.end() || it->second.used_s < oldest->second.used_s)) {
        oldest = it;
      }
    }
    if (used + bytes <= options_.memory_bytes) return OkStatus();
    if (oldest == models_.end()) {
      return ResourceExhausted(
          "the model needs {} MB, and {} of {} MB are taken by models that are at work",
          bytes >> 20, used >> 20, options_.memory_bytes >> 20);
    }
    closed.push_back(std::move(oldest->second.model));
    models_.erase(oldest);
  }
}

std::vector<std::string> ModelHost::Loaded() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [path, entry] : models_) ids.push_back(entry.model->id);
  return ids;
}

std::string ModelHost::default_model() const {
  const Result<fs::path> path = ResolveModel(options_.default_model);
  if (!path.ok()) return options_.default_model;
  return path->extension() == ".gguf" ? path->stem().string() : path->filename().string();
}

void ModelHost::CloseIdle() {
  std::vector<std::shared_ptr<ServedModel>> closed;
  const MutexLock lock(mutex_);
  for (auto it = models_.begin(); it != models_.end();) {
    const bool idle =
        it->second.model.use_count() == 1 && Now() - it->second.used_s > options_.idle_seconds;
    if (idle) closed.push_back(std::move(it->second.model));
    it = idle ? models_.erase(it) : std::next(it);
  }
}

// --- requests ---

Result<uint64_t> ModelHost::Start(GenerationSpec spec, std::shared_ptr<GenerationSink> sink) {
  const uint64_t owner = spec.owner;
  {
    const MutexLock lock(mutex_);
    if (stopping_) return ResourceExhausted("the server is stopping");
    if (unfinished_ >= limits::kWaitingRequests) {
      return ResourceExhausted("{} requests are waiting already", unfinished_);
    }
    int& mine = by_owner_[owner];
    if (mine >= limits::kUserRequests) {
      return ResourceExhausted("{} of your requests are waiting already", mine);
    }
    ++mine;
    ++unfinished_;
  }
  const uint64_t id = [&] {
    const MutexLock lock(mutex_);
    return next_id_++;
  }();
  auto generation = std::make_shared<Generation>(id, std::move(spec), std::move(sink));
  generation->submitted_s = Now();
  {
    const MutexLock lock(mutex_);
    commands_.push_back([this, generation] { Submit(generation); });
  }
  wake_.NotifyAll();
  return id;
}

void ModelHost::Cancel(uint64_t id) {
  {
    const MutexLock lock(mutex_);
    commands_.push_back([this, id] {
      const auto it = active_.find(id);
      if (it != active_.end()) it->second->spec().model->engine->Cancel(it->second->request());
    });
  }
  wake_.NotifyAll();
}

void ModelHost::EndThought(uint64_t id) {
  {
    const MutexLock lock(mutex_);
    commands_.push_back([this, id] {
      const auto it = active_.find(id);
      if (it != active_.end()) it->second->EndThought(ThoughtEnd::kAsked);
    });
  }
  wake_.NotifyAll();
}

void ModelHost::Warm(std::shared_ptr<ServedModel> model, std::vector<int32_t> prompt,
                     uint64_t cache_salt) {
  {
    const MutexLock lock(mutex_);
    commands_.push_back([this, warm = WarmUp{std::move(model), std::move(prompt), cache_salt}] {
      if (warm_.size() < 16) warm_.push_back(warm);
    });
  }
  wake_.NotifyAll();
}

int ModelHost::active() const {
  const MutexLock lock(mutex_);
  return unfinished_;
}

// --- the engine's thread ---

void ModelHost::Loop() {
  double swept = Now();
  while (TakeCommands()) {
    StepAll();
    Deliver();
    if (Now() - swept > 5) {
      CloseIdle();
      swept = Now();
    }
  }
  for (auto& [id, generation] : active_) {
    generation->spec().model->engine->Cancel(generation->request());
  }
  Deliver();
}

// Waits while there is nothing to do. False: it is time to end.
bool ModelHost::TakeCommands() {
  std::deque<std::function<void()>> commands;
  {
    const MutexLock lock(mutex_);
    if (commands_.empty() && active_.empty() && warm_.empty() && !stopping_) {
      wake_.WaitUntil(mutex_, std::chrono::steady_clock::now() + std::chrono::seconds(5));
    }
    if (stopping_) return false;
    commands.swap(commands_);
  }
  for (const auto& command : commands) command();
  return true;
}

void ModelHost::Submit(std::shared_ptr<Generation> generation) {
  active_[generation->id()] = generation;
  const Result<RequestId> id =
      generation->spec().model->engine->Submit(generation->MakeRequest(), generation.get());
  // Specs are checked where they are made; what the engine alone can know ends here.
  if (id.ok()) return generation->Submitted(*id);
  generation->Fail();
}

bool ModelHost::StepAll() {
  std::vector<ServedModel*> models;
  for (const auto& [id, generation] : active_) {
    ServedModel* model = generation->spec().model.get();
    if (!generation->finished() && std::ranges::find(models, model) == models.end()) {
      models.push_back(model);
    }
  }
  std::ranges::sort(models, {}, &ServedModel::id);
  for (ServedModel* model : models) {
    model->engine->Step();
    SetGauges(*model);
  }
  if (!models.empty() || warm_.empty()) return !models.empty();
  // Nobody waits: pages for a turn that may come. Done step by step, so that a request is heard.
  struct Nobody : RequestListener {
    bool OnToken(const TokenEvent&) override { return true; }
    void OnFinish(RequestId, int32_t, FinishReason) override { done = true; }
    bool done = false;
  };
  WarmUp warm = std::move(warm_.front());
  warm_.pop_front();
  Nobody nobody;
  Request request;
  request.prompt = std::move(warm.prompt);
  request.cache_salt = warm.cache_salt;
  const Result<RequestId> id = warm.model->engine->Submit(std::move(request), &nobody);
  while (id.ok() && !nobody.done) {
    {
      const MutexLock lock(mutex_);
      if (!commands_.empty() || stopping_) break;
    }
    warm.model->engine->Step();
  }
  if (id.ok() && !nobody.done) warm.model->engine->Cancel(*id);
  return true;
}

// Everything that happened in this step, to the server's loop in one piece of work.
void ModelHost::Deliver() {
  using Batch =
      std::vector<std::pair<std::shared_ptr<GenerationSink>, std::vector<GenerationEvent>>>;
  auto batch = std::make_shared<Batch>();
  for (auto it = active_.begin(); it != active_.end();) {
    Generation& generation = *it->second;
    std::vector<GenerationEvent> events = generation.TakeEvents();
    if (!events.empty()) {
      batch->emplace_back(generation.sink(), std::move(events));
      const double now = Now();
      if (generation.output_tokens() > 0) {
        if (generation.first_token_s == 0) generation.first_token_s = now;
        if (generation.last_token_s > 0) {
          metrics_.AddTokenInterval(generation.spec().model->id, now - generation.last_token_s);
        }
        generation.last_token_s = now;
      }
    }
    const bool finished = generation.finished();
    if (finished) Retire(generation);
    it = finished ? active_.erase(it) : std::next(it);
  }
  if (batch->empty()) return;
  post_([batch] {
    for (auto& [sink, events] : *batch) sink->OnEvents(std::move(events));
  });
}

void ModelHost::SetGauges(const ServedModel& model) {
  const EngineStats stats = model.engine->stats();
  metrics_.Set({.model = model.id,
                .running = stats.running,
                .waiting = stats.waiting,
                .cache_usage = stats.pages_total > 0 ? static_cast<double>(stats.pages_used) /
                                                           static_cast<double>(stats.pages_total)
                                                     : 0,
                .cache_queries = stats.prefill_tokens + stats.cached_tokens,
                .cache_hits = stats.cached_tokens,
                .preemptions = stats.preemptions});
}

void ModelHost::Retire(Generation& generation) {
  const double now = Now();
  const auto& spec = generation.spec();
  RequestRecord record;
  record.model = spec.model->id;
  record.finished_reason = NameOf(generation.finish_reason());
  record.prompt_tokens = generation.prompt_tokens();
  record.output_tokens = generation.output_tokens();
  record.queue_s = generation.started_s > 0 ? generation.started_s - generation.submitted_s : 0;
  record.first_token_s =
      generation.first_token_s > 0 ? generation.first_token_s - generation.submitted_s : 0;
  record.total_s = now - generation.submitted_s;
  metrics_.Add(record);
  SetGauges(*spec.model);  // it may have ended outside of a step
  const MutexLock lock(mutex_);
  --unfinished_;
  if (--by_owner_[spec.owner] == 0) by_owner_.erase(spec.owner);
}

}  // namespace aha
