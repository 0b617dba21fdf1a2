#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/check.h"
#include "engine/logprobs.h"
#include "engine/page_pool.h"
#include "engine/prefix_cache.h"
#include "engine/request_check.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"

namespace aha {
namespace {

// Rows of logits that exist at one time: they are the largest thing here, [64, vocab].
constexpr int64_t kLogitRows = 64;

// A row of hidden states whose logits are needed, for the token at `position`.
struct LogitRow {
  Sequence* sequence = nullptr;
  int64_t hidden_row = 0;
  int64_t position = 0;
  bool scores = false;   // report prompt[position]'s log-probability
  bool samples = false;  // choose the token at `position`
  const float* logits = nullptr;
  float log_sum = 0;
  int32_t id = -1;  // the sampler's choice
  std::span<TokenLogprob> top;
};

}  // namespace

struct Engine::Impl {
  Impl(Model* model_in, ops::Context* cx_in, const EngineOptions& options, int64_t context,
       PagePool pool_in)
      : model(model_in),
        cx(cx_in),
        info(model_in->info()),
        max_context(context),
        pool(std::move(pool_in)),
        cache(&pool, options.prefix_cache),
        scheduler(&pool, &cache, {options.prefill_chunk, options.max_sequences, context}),
        sampler(info.vocab, cx_in->kernels.pool->threads()),
        top_scratch(static_cast<size_t>(cx_in->kernels.pool->threads())) {
    // A step has at most this many rows; a chunk wider than any context is never filled.
    const auto rows = static_cast<size_t>(std::min(options.prefill_chunk, int64_t{1} << 16) +
                                          options.max_sequences);
    tokens.reserve(rows);
    positions.reserve(rows);
    slots.reserve(rows);
    logit_rows.reserve(rows);
    sequences.reserve(static_cast<size_t>(options.max_sequences));
    sample_rows.reserve(static_cast<size_t>(kLogitRows));
    log_sums.resize(static_cast<size_t>(kLogitRows));
  }

  Result<RequestId> Submit(Request request, RequestListener* listener);
  void Force(RequestId id, int32_t sample, std::span<const int32_t> ids);
  void Cancel(RequestId id);
  bool Step();
  void ForwardAndLogits(std::span<const Work> plan);
  void ReserveTops();
  void FillBatch(std::span<const Work> plan);
  void AddLogitRows(const Work& work, int64_t first_hidden_row);
  void ComputeLogits(const Tensor& hidden, std::span<LogitRow> rows);
  void ChooseTokens(std::span<LogitRow> rows);
  void TellStart(Sequence* sequence);
  void Deliver(const LogitRow& row);
  void DeliverToken(const LogitRow& row);
  void FinishSample(Sequence* sequence, FinishReason reason);
  void FinishRequest(RequestState* request, FinishReason reason);
  void RemoveEnded();

  Model* model;
  ops::Context* cx;
  const ModelInfo& info;
  int64_t max_context;
  PagePool pool;
  PrefixCache cache;
  Scheduler scheduler;
  Sampler sampler;

  std::unordered_map<RequestId, std::unique_ptr<RequestState>> requests;
  std::vector<RequestState*> ended;  // removed when no one looks at them any more
  RequestId next_request = 1;
  int depth = 0;  // > 0: inside Step or Cancel, where ended requests are still looked at
  int64_t unfinished_samples = 0;
  int64_t most_top = 0;  // top_logprobs of any request so far
  int64_t reserved_positions = 0;
  EngineStats counters;

  // One step's batch; kept, so that a step allocates nothing.
  std::vector<int32_t> tokens, positions, slots;
  std::vector<kernels::AttentionSequence> sequences;
  std::vector<LogitRow> logit_rows;
  std::vector<SampleRow> sample_rows;
  std::vector<float> log_sums;
  std::vector<TokenLogprob> tops;                   // [kLogitRows, most top_logprobs asked for]
  std::vector<std::vector<Candidate>> top_scratch;  // [workers]
};

Result<RequestId> Engine::Impl::Submit(Request request, RequestListener* listener) {
  AHA_RETURN_IF_ERROR(CheckRequest(request, info.vocab, max_context));
  auto state = std::make_unique<RequestState>();
  state->id = next_request++;
  state->params = std::move(request);
  state->listener = listener;
  state->unfinished = state->params.n;
  state->samples.resize(static_cast<size_t>(state->params.n));
  for (size_t i = 0; i < state->samples.size(); ++i) {
    state->samples[i].request = state.get();
    state->samples[i].sample = static_cast<int32_t>(i);
  }
  unfinished_samples += state->params.n;
  most_top = std::max<int64_t>(most_top, state->params.top_logprobs);
  scheduler.Join(state.get());
  const RequestId id = state->id;
  requests.emplace(id, std::move(state));
  return id;
}

void Engine::Impl::Force(RequestId id, int32_t sample, std::span<const int32_t> ids) {
  for (int32_t token : ids) {
    CHECK(token >= 0 && token < info.vocab, "forced id " + std::to_string(token));
  }
  const auto it = requests.find(id);
  if (it == requests.end()) return;
  CHECK(sample >= 0 && sample < it->second->params.n, "sample " + std::to_string(sample));
  Sequence& sequence = it->second->samples[static_cast<size_t>(sample)];
  if (sequence.state == SequenceState::kFinished) return;
  sequence.forced.insert(sequence.forced.end(), ids.begin(), ids.end());
}

bool Engine::Impl::Step() {
  CHECK(depth == 0, "Step is called from a listener");
  if (requests.empty()) return false;
  ++depth;
  const std::span<const Work> plan = scheduler.Plan();
  CHECK(!plan.empty(), "unfinished requests, and nothing to compute");
  ForwardAndLogits(plan);
  ++counters.steps;
  --depth;
  RemoveEnded();
  return !requests.empty();
}

void Engine::Impl::ForwardAndLogits(std::span<const Work> plan) {
  FillBatch(plan);
  ReserveTops();
  cx->activations.Reset();
  const ops::KvBatch kv = {.k = pool.k(),
                           .v = pool.v(),
                           .dtype = pool.dtype(),
                           .page_tokens = pool.page_tokens(),
                           .slots = slots,
                           .sequences = sequences};
  const Tensor hidden = model->Forward(*cx, {tokens, positions, kv});
  for (const Work& work : plan) scheduler.Computed(work);
  for (const Work& work : plan) TellStart(work.sequence);
  for (size_t begin = 0; begin < logit_rows.size(); begin += kLogitRows) {
    const size_t count = std::min<size_t>(kLogitRows, logit_rows.size() - begin);
    const std::span<LogitRow> rows = std::span(logit_rows).subspan(begin, count);
    const Arena::Mark mark = cx->activations.Save();
    ComputeLogits(hidden, rows);
    for (const LogitRow& row : rows) Deliver(row);
    cx->activations.Rewind(mark);
  }
}

// For what the requests so far ask. Not in Submit: a step's rows may point into `tops` then.
void Engine::Impl::ReserveTops() {
  tops.resize(std::max(tops.size(), static_cast<size_t>(kLogitRows * most_top)));
  for (std::vector<Candidate>& scratch : top_scratch) {
    scratch.reserve(static_cast<size_t>(SelectTopRoom(info.vocab, most_top)));
  }
}

void Engine::Impl::FillBatch(std::span<const Work> plan) {
  tokens.clear();
  positions.clear();
  slots.clear();
  sequences.clear();
  logit_rows.clear();
  const int64_t n = pool.page_tokens();
  int64_t end = 0;
  for (const Work& work : plan) {
    const Sequence& s = *work.sequence;
    const auto first = static_cast<int64_t>(tokens.size());
    sequences.push_back({first, work.rows, s.computed, s.pages.data(), 0});
    AddLogitRows(work, first);
    for (int64_t p = s.computed; p < s.computed + work.rows; ++p) {
      tokens.push_back(s.tokens[static_cast<size_t>(p)]);
      positions.push_back(static_cast<int32_t>(p));
      slots.push_back(static_cast<int32_t>(s.pages[static_cast<size_t>(p / n)] * n + p % n));
    }
    end = std::max(end, s.computed + work.rows);
    // A row for a token that was given out is decoding; all else is prompt, or done again.
    if (s.pending() > 1 || s.computed < s.request->prompt_size()) {
      counters.prefill_tokens += work.rows;
    }
  }
  if (end > reserved_positions) {
    // In powers of two, so that it is rarely done.
    reserved_positions =
        std::min(max_context, std::max({end, 2 * reserved_positions, int64_t{512}}));
    model->ReservePositions(reserved_positions);
  }
}

void Engine::Impl::AddLogitRows(const Work& work, int64_t first_hidden_row) {
  const Sequence& s = *work.sequence;
  const RequestState& request = *s.request;
  const bool scoring = s.sample == 0 && request.params.prompt_logprobs;
  for (int64_t i = 0; i < work.rows; ++i) {
    const int64_t position = s.computed + i + 1;  // of the token that this row predicts
    const bool last = position == static_cast<int64_t>(s.tokens.size());
    const bool scores =
        scoring && position >= request.next_scored && position <= request.prompt_size();
    if (!scores && !last) continue;
    LogitRow row;
    row.sequence = work.sequence;
    row.hidden_row = first_hidden_row + i;
    row.position = position;
    row.scores = scores;
    row.samples = last;
    logit_rows.push_back(row);
  }
}

// Logits of the rows, valid until the arena is rewound, and all that is computed from them.
void Engine::Impl::ComputeLogits(const Tensor& hidden, std::span<LogitRow> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  const Tensor picked = cx->New({count, info.hidden});
  for (int64_t i = 0; i < count; ++i) {
    const float* from = hidden.row(rows[static_cast<size_t>(i)].hidden_row);
    std::copy(from, from + info.hidden, picked.row(i));
  }
  const Tensor logits = model->Logits(*cx, picked);
  cx->backend().LogSumExp(cx->kernels, logits.data, count, info.vocab, log_sums.data());
  size_t top_used = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].logits = logits.row(static_cast<int64_t>(i));
    rows[i].log_sum = log_sums[i];
    const auto wanted = static_cast<size_t>(rows[i].sequence->request->params.top_logprobs);
    rows[i].top = std::span(tops).subspan(top_used, wanted);
    top_used += wanted;
  }
  cx->kernels.pool->ParallelFor(count, [&](int64_t i, int worker) {
    const LogitRow& row = rows[static_cast<size_t>(i)];
    if (row.top.empty() || !std::isfinite(row.log_sum)) return;
    TopLogprobs(row.logits, info.vocab, row.log_sum, row.top,
                &top_scratch[static_cast<size_t>(worker)]);
  });
  ChooseTokens(rows);
}

void Engine::Impl::ChooseTokens(std::span<LogitRow> rows) {
  const auto chooses = [](const LogitRow& row) {
    return row.samples && row.sequence->request->params.max_tokens > 0 &&
           row.sequence->state == SequenceState::kRunning && std::isfinite(row.log_sum);
  };
  sample_rows.clear();
  for (const LogitRow& row : rows) {
    if (!chooses(row)) continue;
    const Sequence& s = *row.sequence;
    const Request& params = s.request->params;
    // A forced token replaces the choice: no constraint is asked for that.
    TokenConstraint* constraint = s.forced_used < s.forced.size() ? nullptr : params.constraint;
    sample_rows.push_back(
        {row.logits, &params.sampling, s.tokens, s.request->prompt_size(), s.sample, constraint});
  }
  sampler.Sample(*cx, sample_rows);
  size_t next = 0;
  for (LogitRow& row : rows) {
    if (chooses(row)) row.id = sample_rows[next++].id;
  }
}

// From here on listeners are called: any of them may have ended any sample.
void Engine::Impl::TellStart(Sequence* sequence) {
  RequestState* request = sequence->request;
  if (request->start_heard || sequence->state == SequenceState::kFinished) return;
  request->start_heard = true;
  request->listener->OnStart(request->id, request->cached_prompt);
}

void Engine::Impl::Deliver(const LogitRow& row) {
  Sequence* s = row.sequence;
  RequestState* request = s->request;
  if (s->state == SequenceState::kFinished) return;
  if (!std::isfinite(row.log_sum)) return FinishRequest(request, FinishReason::kError);
  if (row.scores) {
    request->next_scored = row.position + 1;
    float logprob = 0;
    if (row.position < request->prompt_size()) {
      logprob = Logprob(row.logits, row.log_sum,
                        request->params.prompt[static_cast<size_t>(row.position)]);
    }
    request->listener->OnPromptLogprob(request->id, row.position, logprob, row.top);
    if (s->state == SequenceState::kFinished) return;
  }
  if (!row.samples) return;
  if (request->params.max_tokens == 0) return FinishRequest(request, FinishReason::kLength);
  if (!request->prompt_done) scheduler.PromptDone(request);
  DeliverToken(row);
}

void Engine::Impl::DeliverToken(const LogitRow& row) {
  Sequence* s = row.sequence;
  RequestState* request = s->request;
  TokenEvent event;
  event.forced = s->forced_used < s->forced.size();
  event.id = event.forced ? s->forced[s->forced_used++] : row.id;
  if (event.id < 0) return FinishRequest(request, FinishReason::kError);
  event.request = request->id;
  event.sample = s->sample;
  event.index = static_cast<int64_t>(s->tokens.size()) - request->prompt_size();
  event.logprob = Logprob(row.logits, row.log_sum, event.id);
  event.top = row.top;
  s->tokens.push_back(event.id);
  ++counters.decode_tokens;
  const bool goes_on = request->listener->OnToken(event);
  if (s->state == SequenceState::kFinished) return;
  if (!goes_on ||
      std::ranges::find(request->params.stop_ids, event.id) != request->params.stop_ids.end()) {
    FinishSample(s, FinishReason::kStop);
  } else if (event.index + 1 == request->params.max_tokens ||
             static_cast<int64_t>(s->tokens.size()) == max_context) {
    FinishSample(s, FinishReason::kLength);
  }
}

void Engine::Impl::FinishSample(Sequence* sequence, FinishReason reason) {
  RequestState* request = sequence->request;
  scheduler.Finish(sequence);
  --unfinished_samples;
  if (request->unfinished == 0) {
    scheduler.Leave(request);
    ended.push_back(request);
  }
  request->listener->OnFinish(request->id, sequence->sample, reason);
}

void Engine::Impl::FinishRequest(RequestState* request, FinishReason reason) {
  for (Sequence& sequence : request->samples) {
    if (sequence.state != SequenceState::kFinished) FinishSample(&sequence, reason);
  }
}

void Engine::Impl::Cancel(RequestId id) {
  const auto it = requests.find(id);
  if (it == requests.end()) return;
  ++depth;
  FinishRequest(it->second.get(), FinishReason::kCancelled);
  --depth;
  RemoveEnded();
}

void Engine::Impl::RemoveEnded() {
  if (depth > 0) return;
  for (RequestState* request : ended) requests.erase(request->id);
  ended.clear();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::Create(Model* model, ops::Context* cx,
                                               EngineOptions options) {
  const ModelInfo& info = model->info();
  AHA_RETURN_IF_ERROR(CheckOptions(options, info));
  int64_t context = options.max_context > 0 ? options.max_context : info.max_positions;
  const int64_t wanted = options.cache_tokens > 0 ? options.cache_tokens : context;
  const int64_t pages = (wanted + options.page_tokens - 1) / options.page_tokens;
  // One sequence always fits the cache: every request that is let in can end.
  context = std::min(context, pages * options.page_tokens);
  AHA_ASSIGN_OR_RETURN(PagePool pool, PagePool::Create(info.kv, info.layers, options.page_tokens,
                                                       pages, options.cache_dtype));
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<Impl>(model, cx, options, context, std::move(pool))));
}

Result<RequestId> Engine::Submit(Request request, RequestListener* listener) {
  return impl_->Submit(std::move(request), listener);
}
void Engine::Cancel(RequestId request) { impl_->Cancel(request); }
void Engine::Force(RequestId request, int32_t sample, std::span<const int32_t> ids) {
  impl_->Force(request, sample, ids);
}
bool Engine::Step() { return impl_->Step(); }
void Engine::ClearCache() { impl_->scheduler.ClearCache(); }
int64_t Engine::max_context() const { return impl_->max_context; }

EngineStats Engine::stats() const {
  EngineStats stats = impl_->counters;
  stats.cached_tokens = impl_->scheduler.cached_tokens();
  stats.preemptions = impl_->scheduler.preemptions();
  stats.pages_used = impl_->cache.referenced();
  stats.pages_total = impl_->pool.pages();
  stats.running = impl_->scheduler.running();
  stats.waiting = impl_->unfinished_samples - stats.running;
  return stats;
}

}  // namespace aha
