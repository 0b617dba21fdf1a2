// Runs many sequences through one model: paged cache, shared prefixes, continuous batching.
//
//   Engine engine(model, &cx, options);
//   AHA_ASSIGN_OR_RETURN(RequestId id, engine.Submit(request, &listener));
//   while (engine.Step()) {}            // listener hears every token
//
// One thread owns an Engine. Token ids only: text, templates and stop strings live above. A
// sequence's tokens depend on the weights, its prompt, its sampling parameters and seed, and on
// nothing else: not on neighbours, chunking, threads, pages, cache hits or preemption
// (docs/numerics.md).
#ifndef AHA_ENGINE_ENGINE_H_
#define AHA_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "model/model.h"
#include "ops/context.h"

namespace aha {

using RequestId = uint64_t;

// Field names and meaning as in vLLM's SamplingParams and OpenAI's API.
struct SamplingParams {
  float temperature = 1.0f;  // 0: greedy, ties to the lowest id
  int32_t top_k = 0;         // 0: off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;  // over prompt and output
  float presence_penalty = 0.0f;    // over output
  float frequency_penalty = 0.0f;
  std::vector<std::pair<int32_t, float>> logit_bias;
  uint64_t seed = 0;
};

struct Request {
  std::vector<int32_t> prompt;  // not empty
  SamplingParams sampling;
  int32_t n = 1;           // samples; sample i draws from stream (seed, i)
  int64_t max_tokens = 0;  // per sample; 0 scores the prompt only
  std::vector<int32_t> stop_ids;
  // Log-probabilities of the model (before temperature, penalties and truncation): of each chosen
  // token always; of the `top_logprobs` most likely ones; of the prompt's tokens.
  int32_t top_logprobs = 0;
  bool prompt_logprobs = false;
  uint64_t owner = 0;  // the scheduler shares fairly between owners
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

enum class FinishReason { kNone, kStop, kLength, kCancelled, kError };

struct TokenEvent {
  RequestId request = 0;
  int32_t sample = 0;
  int64_t index = 0;  // 0-based in the output
  int32_t id = 0;
  float logprob = 0;
  bool forced = false;                // given by Force, not sampled
  std::span<const TokenLogprob> top;  // valid during the call
};

class RequestListener {
 public:
  virtual ~RequestListener() = default;
  // A false return ends the sample with FinishReason::kStop (a stop string above us matched).
  virtual bool OnToken(const TokenEvent& event) = 0;
  // For each prompt position 1..: the log-probability of prompt[position], and the top ones there.
  virtual void OnPromptLogprob(RequestId, int64_t position, float logprob,
                               std::span<const TokenLogprob> top) {}
  virtual void OnFinish(RequestId request, int32_t sample, FinishReason reason) = 0;
};

struct EngineOptions {
  int64_t page_tokens = 32;     // a multiple of kAttentionPageUnit
  int64_t cache_tokens = 0;     // total cache rows; 0: max_context rows
  int64_t max_context = 0;      // longest prompt + output; 0: the model's
  int64_t prefill_chunk = 512;  // most prompt tokens in one step
  int64_t max_sequences = 256;  // most sequences in one step
  bool prefix_cache = true;
};

struct EngineStats {
  int64_t prefill_tokens = 0, cached_tokens = 0, decode_tokens = 0, steps = 0, preemptions = 0;
  int64_t pages_used = 0, pages_total = 0, running = 0, waiting = 0;
};

class Engine {
 public:
  // `model` and `cx` are used by this engine alone and outlive it.
  Engine(Model* model, ops::Context* cx, EngineOptions options);
  ~Engine();

  // Errors: empty prompt, id outside the vocabulary, prompt + 1 beyond the context (both numbers),
  // parameters out of range by name. The listener must live until its last OnFinish.
  Result<RequestId> Submit(Request request, RequestListener* listener);
  // Ends all samples of a request (OnFinish with kCancelled) and frees its pages.
  void Cancel(RequestId request);
  // The sample's next tokens are these instead of sampled ones; appended after those already
  // forced. Used to end a thought at its budget. May be called from OnToken.
  void Force(RequestId request, int32_t sample, std::span<const int32_t> ids);
  // One forward pass for whatever is due. False when nothing is left to do.
  bool Step();

  EngineStats stats() const;
  int64_t max_context() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha

#endif  // AHA_ENGINE_ENGINE_H_
