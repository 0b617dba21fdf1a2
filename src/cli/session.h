// What every verb that runs a model shares: its flags, and the parts made from them.
#ifndef AHA_CLI_SESSION_H_
#define AHA_CLI_SESSION_H_

#include <CLI/CLI.hpp>

#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "library/library.h"
#include "ops/context.h"

namespace aha::cli {

// The best code path of this machine, or the one that AHA_CPU asks for.
Result<const kernels::Backend*> ChooseBackend();
// At least 1.
int Cores();
// $XDG_DATA_HOME/aha, where the models lie too, and conversations and keys.
std::filesystem::path DataFolder();

struct SessionFlags {
  std::string model;
  int threads = 0;  // 0: all cores
  int64_t prefill_chunk = 512;
  int64_t context = 0;       // longest prompt + output; 0: the model's
  int64_t cache_tokens = 0;  // rows of the key-value cache; 0: one context
  std::string numerics = "portable";
  std::string kv_cache = "auto";
  bool no_prefix_cache = false;

  void AddTo(CLI::App& app);
  ops::Numerics Numerics() const;
  // Empty: what suits the model (DefaultCacheDtype).
  std::optional<DType> CacheDtype() const;
};

// Backend, threads, model and engine. Not movable: the engine points at the rest.
struct Session {
  // Warnings of the model go to stderr.
  static Result<std::unique_ptr<Session>> Open(const SessionFlags& flags);

  std::unique_ptr<TextModel> text;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<ops::Context> cx;
  DType cache_dtype = DType::kF32;
  std::unique_ptr<Engine> engine;
};

}  // namespace aha::cli

#endif  // AHA_CLI_SESSION_H_
