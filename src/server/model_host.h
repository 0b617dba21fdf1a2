// The models that are open, and the one thread that runs their engines.
//
//   ModelHost host(options, [&](auto work) { server->Post(std::move(work)); });
//   AHA_ASSIGN_OR_RETURN(auto model, host.Acquire("aha-countdown"));     // may read files
//   AHA_ASSIGN_OR_RETURN(uint64_t id, host.Start(spec, sink));           // any thread
//   host.Cancel(id);
//
// All functions may be called from any thread. Events come to sinks through `post`, one call for a
// step of all engines.
#ifndef AHA_SERVER_MODEL_HOST_H_
#define AHA_SERVER_MODEL_HOST_H_

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "server/generation.h"
#include "server/metrics.h"
#include "server/served_model.h"

namespace aha {

struct ModelHostOptions {
  std::string default_model;   // as ResolveModel takes it
  std::filesystem::path runs;  // "runs/NAME/step-000200" is a checkpoint under it; empty: none
  const kernels::Backend* backend = nullptr;
  int threads = 1;
  ops::Numerics numerics = ops::Numerics::kPortable;
  std::optional<DType> cache_dtype;  // what keys and values are kept as; empty: as suits the model
  int64_t context = 0;               // 0: the model's
  int64_t cache_tokens = 0;          // 0: as many as the memory gives, up to 32 contexts
  int64_t prefill_chunk = 512;
  bool prefix_cache = true;
  int64_t memory_bytes = 0;   // of all open models; 0: three quarters of what is available
  double idle_seconds = 600;  // then a model is closed
};

class ModelHost {
 public:
  using Post = std::function<void(std::function<void()>)>;

  ModelHost(ModelHostOptions options, Post post);
  ~ModelHost();  // cancels what runs

  // The model of that name, opened if it is not; "" is the default. Errors: unknown, broken, or
  // ResourceExhausted when it does not fit beside those that are at work.
  Result<std::shared_ptr<ServedModel>> Acquire(const std::string& name);
  // Errors (ResourceExhausted): too many requests of this owner, or of all.
  Result<uint64_t> Start(GenerationSpec spec, std::shared_ptr<GenerationSink> sink);
  void Cancel(uint64_t generation);
  void EndThought(uint64_t generation);
  // Computes a prompt's pages when the engines have nothing else to do, for a request to come.
  void Warm(std::shared_ptr<ServedModel> model, std::vector<int32_t> prompt, uint64_t cache_salt);

  std::vector<std::string> Loaded() const;
  // The id of the model that "" is.
  std::string default_model() const;
  const ModelHostOptions& options() const { return options_; }
  Metrics& metrics() { return metrics_; }
  int active() const;  // generations not finished

 private:
  struct Active;
  void Loop();
  bool TakeCommands();
  void Submit(std::shared_ptr<Generation> generation);
  bool StepAll();
  void Deliver();
  void CloseIdle();
  void Retire(Generation& generation);
  void SetGauges(const ServedModel& model);
  Result<std::filesystem::path> PathOf(const std::string& name) const;
  Result<std::shared_ptr<ServedModel>> Open(const std::string& id,
                                            const std::filesystem::path& path);
  Status MakeRoom(int64_t bytes);

  ModelHostOptions options_;
  Post post_;
  Metrics metrics_;
  std::unique_ptr<ThreadPool> pool_;  // the engine thread's

  mutable Mutex mutex_;
  Condition wake_;
  bool stopping_ AHA_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> commands_ AHA_GUARDED_BY(mutex_);
  uint64_t next_id_ AHA_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, int> by_owner_ AHA_GUARDED_BY(mutex_);  // requests not finished
  int unfinished_ AHA_GUARDED_BY(mutex_) = 0;

  // Opening is one at a time; users of open models do not wait for it.
  Mutex opening_;
  struct Entry {
    std::shared_ptr<ServedModel> model;
    double used_s = 0;
  };
  std::map<std::string, Entry> models_ AHA_GUARDED_BY(mutex_);  // by path

  // Engine's thread.
  std::unordered_map<uint64_t, std::shared_ptr<Generation>> active_;
  struct WarmUp {
    std::shared_ptr<ServedModel> model;
    std::vector<int32_t> prompt;
    uint64_t cache_salt = 0;
  };
  std::deque<WarmUp> warm_;

  std::thread thread_;
};

}  // namespace aha

#endif  // AHA_SERVER_MODEL_HOST_H_
