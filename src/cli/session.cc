#include "cli/session.h"

#include <cstdlib>
#include <thread>

namespace aha::cli {

void SessionFlags::AddTo(CLI::App& app) {
  app.add_option("-m,--model", model, "name in the models folder, model folder, or .gguf file");
  app.add_option("--threads", threads, "threads (default: all cores)")->check(CLI::Range(1, 1024));
  app.add_option("--prefill-chunk", prefill_chunk, "most prompt tokens in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--context", context, "longest prompt and answer together, in tokens")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--cache-tokens", cache_tokens, "tokens that the key-value cache holds")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--numerics", numerics,
                 "portable: the same bits on every CPU; fast: may use bf16 dot products")
      ->check(CLI::IsMember({"portable", "fast"}));
  app.add_option("--kv-cache", kv_cache,
                 "keys and values are kept as f32, or as f16: half the memory, rounded; auto: f16 "
                 "for quantised models")
      ->check(CLI::IsMember({"auto", "f32", "f16"}));
  app.add_flag("--no-prefix-cache", no_prefix_cache, "compute every prompt whole");
}

ops::Numerics SessionFlags::Numerics() const {
  return numerics == "fast" ? ops::Numerics::kFast : ops::Numerics::kPortable;
}

std::optional<DType> SessionFlags::CacheDtype() const {
  if (kv_cache == "auto") return std::nullopt;
  return kv_cache == "f16" ? DType::kF16 : DType::kF32;
}

Result<const kernels::Backend*> ChooseBackend() {
  const char* cpu = std::getenv("AHA_CPU");
  return kernels::ChooseBackend(cpu == nullptr ? "" : cpu);
}

int Cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

Result<std::unique_ptr<Session>> Session::Open(const SessionFlags& flags) {
  auto session = std::make_unique<Session>();
  AHA_ASSIGN_OR_RETURN(const kernels::Backend* backend, ChooseBackend());
  AHA_ASSIGN_OR_RETURN(const std::filesystem::path path, ResolveModel(flags.model));
  AHA_ASSIGN_OR_RETURN(session->text, OpenTextModel(path));
  for (const std::string& warning : session->text->warnings) {
    fmt::print(stderr, "aha: note: {}\n", warning);
  }
  session->pool = std::make_unique<ThreadPool>(flags.threads > 0 ? flags.threads : Cores());
  session->cx = std::make_unique<ops::Context>(backend, session->pool.get(), flags.Numerics());
  Model* model = session->text->model.get();
  session->cache_dtype = flags.CacheDtype().value_or(DefaultCacheDtype(model->info()));
  AHA_ASSIGN_OR_RETURN(session->engine, Engine::Create(model, session->cx.get(),
                                                       {.cache_tokens = flags.cache_tokens,
                                                        .max_context = flags.context,
                                                        .prefill_chunk = flags.prefill_chunk,
                                                        .prefix_cache = !flags.no_prefix_cache,
                                                        .cache_dtype = session->cache_dtype}));
  return session;
}

std::filesystem::path DataFolder() {
  if (const char* data = std::getenv("XDG_DATA_HOME")) return std::filesystem::path(data) / "aha";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".local/share/aha";
}

}  // namespace aha::cli
