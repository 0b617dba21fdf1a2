// Runs many sequences through one model: paged cache, shared prefixes, continuous batching.
//
//   AHA_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Create(model, &cx, options));
//   AHA_ASSIGN_OR_RETURN(RequestId id, engine->Submit(request, &listener));
//   while (engine->Step()) {}            // listener hears every token
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

// Field names and meaning as in vLLM's SamplingParams and OpenAI's API. Applied in this order
// to the logits of the ids that the request's constraint allows: logit_bias, repetition, frequency
// and presence penalty, temperature, top_k, top_p, min_p; then one draw Rng(seed,
// sample).Uniform(position of the token, counted from the prompt's start).
struct SamplingParams {
  float temperature = 1.0f;         // 0: greedy, ties to the lowest id
  int32_t top_k = 0;                // 0: off
  float top_p = 1.0f;               // (0, 1]
  float min_p = 0.0f;               // [0, 1], a share of the largest probability
  float repetition_penalty = 1.0f;  // > 0; over prompt and output; logits > 0 divided, others times
  float presence_penalty = 0.0f;    // [-2, 2], over output
  float frequency_penalty = 0.0f;   // [-2, 2], over output
  std::vector<std::pair<int32_t, float>> logit_bias;  // added; each in [-100, 100]
  uint64_t seed = 0;
};

// Says what a sample may go on with, a grammar for instance. Whoever owns it moves it on as OnToken
// tells of tokens, forced ones too.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  // The ids that may be the sample's next token: bit id % 64 of word id / 64; ids past the last
  // word may not. No words at all: every id may. Asked at most once between two tokens of a sample,
  // when a token is about to be sampled (never for a forced one), on any thread of the engine's
  // pool: for several samples at a time, but not while a listener is called. The words stay as they
  // are until the sample's next OnToken. When no id is allowed the request ends with kError: a
  // constraint that is satisfied allows a stop id.
  virtual std::span<const uint64_t> Allowed(int32_t sample) = 0;
};

struct Request {
  std::vector<int32_t> prompt;  // not empty
  SamplingParams sampling;
  int32_t n = 1;           // samples, at most kMostSamples; sample i draws from stream (seed, i)
  int64_t max_tokens = 0;  // per sample, cut to what max_context leaves; 0 scores the prompt only
  std::vector<int32_t> stop_ids;
  // Log-probabilities of the model (before temperature, penalties and truncation): of each chosen
  // token always; of the `top_logprobs` most likely ones; of the prompt's tokens.
  int32_t top_logprobs = 0;
  bool prompt_logprobs = false;
  uint64_t owner = 0;  // the scheduler shares fairly between owners
  // Cached prefixes are found only by requests of equal salt: who may not know what another has
  // asked gets another salt.
  uint64_t cache_salt = 0;
  TokenConstraint* constraint = nullptr;  // null: none; lives until the last OnFinish
};

inline constexpr int32_t kMostSamples = 4096;

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

enum class FinishReason {
  kNone,
  kStop,       // a stop id (which was heard by OnToken), or OnToken said so
  kLength,     // max_tokens, or the context is full
  kCancelled,  // by Cancel
  kError       // logits that are not finite, or no id allowed; all samples of the request end
};

struct TokenEvent {
  RequestId request = 0;
  int32_t sample = 0;
  int64_t index = 0;  // 0-based in the output
  int32_t id = 0;
  float logprob = 0;
  bool forced = false;                // given by Force, not sampled
  std::span<const TokenLogprob> top;  // most likely first; valid during the call
};

// Called from inside Step (and OnFinish from inside Cancel). A listener may call Submit, Cancel and
// Force of the engine, not Step.
class RequestListener {
 public:
  virtual ~RequestListener() = default;
  // The request's first call, once some of its prompt is computed: how many of the prompt's tokens
  // were in the prefix cache. Never, for a request that ends while it waits.
  virtual void OnStart(RequestId, int64_t cached_tokens) {}
  // Every token, a stop id too. A false return ends the sample with FinishReason::kStop (a stop
  // string above us matched).
  virtual bool OnToken(const TokenEvent& event) = 0;
  // With prompt_logprobs, once for each position 1..prompt.size()-1 in order: the log-probability
  // of prompt[position] and the top ones there. Then once for position prompt.size(), where there
  // is no token yet: `logprob` is 0 and only `top` means something. Before the first OnToken; once
  // for a request, whatever its n.
  virtual void OnPromptLogprob(RequestId, int64_t position, float logprob,
                               std::span<const TokenLogprob> top) {}
  // Once for each sample, its last call.
  virtual void OnFinish(RequestId request, int32_t sample, FinishReason reason) = 0;
};

struct EngineOptions {
  int64_t page_tokens = 32;     // a multiple of kAttentionPageUnit
  int64_t cache_tokens = 0;     // total cache rows, rounded up to pages; 0: max_context rows
  int64_t max_context = 0;      // longest prompt + output; 0: the model's
  int64_t prefill_chunk = 512;  // most prompt tokens in one step
  int64_t max_sequences = 256;  // most sequences in one step
  bool prefix_cache = true;
  // What keys and values are kept as: kF32, or kF16, which halves what long contexts cost in memory
  // and time, and rounds them. Part of what a token's bits depend on.
  DType cache_dtype = DType::kF32;
};

struct EngineStats {
  // Rows computed for prompts (and recomputed after a preemption), rows found in the cache instead,
  // tokens given out.
  int64_t prefill_tokens = 0, cached_tokens = 0, decode_tokens = 0, steps = 0, preemptions = 0;
  // pages_used: held by samples; pages kept only for the prefix cache are not used.
  int64_t pages_used = 0, pages_total = 0, running = 0, waiting = 0;
};

class Engine {
 public:
  // `model` and `cx` are used by this engine alone and outlive it. The cache's memory is reserved
  // here and touched only as it fills. Errors: an option out of range, by name; no such memory.
  static Result<std::unique_ptr<Engine>> Create(Model* model, ops::Context* cx,
                                                EngineOptions options);
  ~Engine();  // unfinished requests end without a word
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Errors: empty prompt, id outside the vocabulary, prompt (+ 1 when tokens are asked for) beyond
  // max_context() (both numbers), parameters out of range by name and value. The listener must live
  // until its last OnFinish.
  Result<RequestId> Submit(Request request, RequestListener* listener);
  // Ends all samples of a request (OnFinish with kCancelled) and frees its pages. An unknown or
  // ended request is left alone.
  void Cancel(RequestId request);
  // The sample's next tokens are these instead of sampled ones; appended after those already
  // forced. Used to end a thought at its budget. May be called from OnToken. The ids are in the
  // vocabulary; an ended sample is left alone.
  void Force(RequestId request, int32_t sample, std::span<const int32_t> ids);
  // One forward pass for whatever is due. False when nothing is left to do.
  bool Step();
  // Forgets all cached prefixes: call it when the weights have changed. Samples that are running
  // keep the rows they have; nothing of them is shared with later requests.
  void ClearCache();

  EngineStats stats() const;
  // Longest prompt + output: the option, or the model's, or what the whole cache holds if less.
  int64_t max_context() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha

#endif  // AHA_ENGINE_ENGINE_H_
