#include "server/openai_completions.h"

#include <algorithm>
#include <iterator>

#include "server/chat_sink.h"
#include "server/limits.h"
#include "server/random_id.h"
#include "server/receipt.h"
#include "server/request_fields.h"
#include "server/unix_time.h"
#include "tokenizer/utf8.h"

namespace aha {
namespace {

// While no place is free for a batch that has begun.
constexpr double kTryAgainSeconds = 0.2;

std::optional<ApiError> ReadPrompt(const Json& json, const std::string& where,
                                   CompletionSpec::Prompt* out) {
  if (json.is_string()) {
    *out = json.get<std::string>();
    return std::nullopt;
  }
  std::vector<int32_t> ids;
  for (const Json& id : json) {
    const bool integer =
        id.is_number_integer() && !(id.is_number_unsigned() && id.get<uint64_t>() > INT32_MAX);
    if (!integer || id.get<int64_t>() < 0) {
      return BadField("prompt", "{} holds {}: token ids are possible", where,
                      DumpJson(id).substr(0, 40));
    }
    ids.push_back(static_cast<int32_t>(id.get<int64_t>()));
  }
  *out = std::move(ids);
  return std::nullopt;
}

// A text, a list of texts, a list of ids, or a list of lists of ids.
std::optional<ApiError> ReadPrompts(const Json& body, CompletionSpec* spec) {
  const Json* prompt = FindKey(body, "prompt");
  if (prompt == nullptr || prompt->is_null()) return BadField("prompt", "prompt is missing");
  if (!prompt->is_string() && !prompt->is_array()) {
    return BadField("prompt", "prompt must be a text, token ids, or a list of those");
  }
  if (prompt->is_array() && prompt->empty()) return BadField("prompt", "prompt is empty");
  const bool one = prompt->is_string() || prompt->front().is_number();
  if (one) return ReadPrompt(*prompt, "prompt", &spec->prompts.emplace_back());
  if (prompt->size() > static_cast<size_t>(limits::kPromptBatch)) {
    return BadField("prompt", "prompt has {} entries: at most {} are possible", prompt->size(),
                    limits::kPromptBatch);
  }
  for (size_t i = 0; i < prompt->size(); ++i) {
    const Json& entry = (*prompt)[i];
    const std::string where = fmt::format("prompt[{}]", i);
    if (!entry.is_string() && !entry.is_array()) {
      return BadField("prompt", "{} must be a text or a list of token ids", where);
    }
    if (auto error = ReadPrompt(entry, where, &spec->prompts.emplace_back())) return error;
  }
  return std::nullopt;
}

// A prompt of the request.
struct PreparedPrompt {
  GenerationSpec generation;
  std::string text;       // of an echo
  size_t shown_from = 0;  // the ids before were added by the tokenizer: `text` does not have them
};

struct Prepared {
  CompletionSpec spec;
  std::vector<PreparedPrompt> prompts;
  Json receipt = nullptr;  // without the samples; null when none is asked for
};

int64_t Characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

ApiResult<PreparedPrompt> PrepareOne(const CompletionSpec& spec, size_t index,
                                     const std::shared_ptr<ServedModel>& model) {
  const CompletionSpec::Prompt& p = spec.prompts[index];
  const std::string where = spec.prompts.size() == 1 ? "prompt" : fmt::format("prompt[{}]", index);
  const TextModel& text = *model->text;
  PreparedPrompt out;
  GenerationSpec& g = out.generation;
  g.model = model;
  if (const auto* words = std::get_if<std::string>(&p)) {
    // The whole prompt is the caller's own: what looks like a special token is meant as one.
    EncodeOptions options{.allow_special = true, .add_special_tokens = spec.add_special_tokens};
    Result<std::vector<int32_t>> ids = text.tokenizer.Encode(*words, options);
    if (!ids.ok()) return FromStatus(ids.status(), "prompt");
    g.prompt = std::move(*ids);
    if (spec.echo && spec.add_special_tokens) {
      options.add_special_tokens = false;
      Result<std::vector<int32_t>> own = text.tokenizer.Encode(*words, options);
      if (!own.ok()) return FromStatus(own.status(), "prompt");
      const auto begin = std::search(g.prompt.begin(), g.prompt.end(), own->begin(), own->end());
      out.shown_from = static_cast<size_t>(begin - g.prompt.begin());
    }
    if (spec.echo) out.text = *words;
  } else {
    g.prompt = std::get<std::vector<int32_t>>(p);
    if (spec.echo) out.text = text.tokenizer.Decode(g.prompt);
  }
  if (g.prompt.empty()) return BadField("prompt", "{} holds no tokens", where);
  for (const int32_t id : g.prompt) {
    if (id >= text.model->info().vocab) {
      return BadField("prompt", "{} holds the id {}: '{}' has ids from 0 to {}", where, id,
                      model->id, text.model->info().vocab - 1);
    }
  }
  const int64_t room = model->max_context() - static_cast<int64_t>(g.prompt.size());
  if (room < (spec.max_tokens > 0 ? 1 : 0)) {
    ApiError error = BadField("prompt", "{} has {} tokens; the context of '{}' holds {}{}", where,
                              g.prompt.size(), model->id, model->max_context(),
                              spec.max_tokens > 0 ? ", with at least one for the answer" : "");
    error.code = "context_length_exceeded";
    return error;
  }
  g.max_tokens = std::min(spec.max_tokens, room);
  // Each its own: without a seed, equal prompts get different answers.
  g.sampling = spec.sampling.Resolve(text.defaults);
  if (auto error = CheckLogitBias(g.sampling, *model)) return *error;
  g.n = spec.n;
  g.stop = spec.stop;
  g.stop_ids = text.stop_ids;
  g.top_logprobs = std::max(spec.logprobs, 0);
  g.prompt_logprobs = spec.echo && spec.logprobs >= 0;
  return out;
}

// An answer's log-probabilities are in memory until its last byte.
std::optional<ApiError> CheckLogprobs(const Prepared& p) {
  if (p.spec.logprobs < 0) return std::nullopt;
  int64_t tokens = 0;
  for (const PreparedPrompt& one : p.prompts) {
    const GenerationSpec& g = one.generation;
    tokens += g.n * (g.max_tokens + (p.spec.echo ? static_cast<int64_t>(g.prompt.size()) : 0));
  }
  const int64_t numbers = tokens * (1 + p.spec.logprobs);
  if (numbers <= limits::kLogprobNumbers) return std::nullopt;
  return BadField(
      "logprobs",
      "logprobs of {} tokens, up to {} of each, are {} numbers: at most {} are possible "
      "in one request",
      tokens, 1 + p.spec.logprobs, numbers, limits::kLogprobNumbers);
}

ApiResult<Prepared> Prepare(const HttpRequest& request, ApiContext& context) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<CompletionSpec> spec = ParseCompletion(*body);
  if (!spec.ok()) return spec.error();
  Result<std::shared_ptr<ServedModel>> model = context.host->Acquire(spec->model);
  if (!model.ok()) return ModelError(model.status());
  Prepared out{.spec = std::move(*spec)};
  const uint64_t owner = context.CallerOf(request, out.spec.user_id).OwnerHash();
  for (size_t i = 0; i < out.spec.prompts.size(); ++i) {
    ApiResult<PreparedPrompt> one = PrepareOne(out.spec, i, *model);
    if (!one.ok()) return one.error();
    GenerationSpec& g = one->generation;
    g.owner = g.cache_salt = owner;
    out.prompts.push_back(std::move(*one));
  }
  if (auto error = CheckLogprobs(out)) return *error;
  if (out.spec.receipt) {
    Result<Json> receipt = BeginReceipt(*body, out.prompts.front().generation,
                                        context.host->options(), context.version);
    if (!receipt.ok()) return FromStatus(receipt.status(), "receipt");
    out.receipt = *std::move(receipt);
  }
  return out;
}

// All prompts of a request, from the first start to the last byte of the answer.
class CompletionBatch : public std::enable_shared_from_this<CompletionBatch> {
 public:
  CompletionBatch(Prepared prepared, ApiContext& context, std::shared_ptr<Exchange> exchange)
      : spec_(std::move(prepared.spec)),
        model_(prepared.prompts.front().generation.model),
        receipt_(std::move(prepared.receipt)),
        context_(context),
        exchange_(std::move(exchange)) {
    const LegacyLogprobs none(model_->text->tokenizer);
    for (PreparedPrompt& prompt : prepared.prompts) {
      usage_.prompt_tokens += static_cast<int64_t>(prompt.generation.prompt.size());
      prompts_.push_back(
          {.prepared = std::move(prompt),
           .scores = none,
           .samples = std::vector<Sample>(static_cast<size_t>(spec_.n), Sample{.scores = none})});
    }
  }

  void Start() {
    exchange_->OnGone([self = shared_from_this()] { self->Stop(); });
    StartMore();
    if (stopped_ || !spec_.style.stream) return;
    exchange_->Begin(
        {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}});
  }

 private:
  struct Sample {
    std::string text;
    LegacyLogprobs scores;
    FinishReason reason = FinishReason::kNone;
    std::vector<GeneratedToken> tokens = {};  // for the receipt
    bool begun = false;                       // the prompt, of an echo, is in `text` and `scores`
  };
  struct PromptState {
    PreparedPrompt prepared;
    LegacyLogprobs scores;  // of an echo
    std::vector<Sample> samples;
    uint64_t generation = 0;  // while it is at work
    size_t unfinished = 0;
  };
  struct Sink : GenerationSink {
    Sink(std::shared_ptr<CompletionBatch> b, size_t i) : batch(std::move(b)), index(i) {}
    void OnEvents(std::vector<GenerationEvent> events) override {
      for (GenerationEvent& event : events) batch->OnEvent(index, event);
    }
    std::shared_ptr<CompletionBatch> batch;
    size_t index;
  };

  void StartMore() {
    while (!stopped_ && next_ < prompts_.size() && running_ < limits::kPromptsAtWork) {
      PromptState& prompt = prompts_[next_];
      const auto sink = std::make_shared<Sink>(shared_from_this(), next_);
      const Result<uint64_t> id = context_.host->Start(prompt.prepared.generation, sink);
      if (!id.ok()) {
        if (next_ == 0) return Fail(Overloaded(id.status()));
        // When one of ours ends there is a place; without any, others have taken it: half an answer
        // is not thrown away for that.
        if (running_ == 0) {
          context_.after(kTryAgainSeconds, [self = shared_from_this()] { self->StartMore(); });
        }
        return;
      }
      prompt.generation = *id;
      prompt.unfinished = prompt.samples.size();
      ++next_;
      ++running_;
    }
  }

  // The client has left, or the answer is an error: nothing is made for nobody.
  void Stop() {
    stopped_ = true;
    for (const PromptState& prompt : prompts_) {
      if (prompt.generation != 0) context_.host->Cancel(prompt.generation);
    }
  }

  void OnEvent(size_t index, GenerationEvent& event) {
    PromptState& prompt = prompts_[index];
    const auto i = static_cast<size_t>(event.sample);
    switch (event.kind) {
      case GenerationEvent::Kind::kStart:
        usage_.cached_tokens += event.cached_tokens;
        break;
      case GenerationEvent::Kind::kPromptLogprob:
        ScorePrompt(prompt, event);
        break;
      case GenerationEvent::Kind::kText: {
        Sample& sample = Begun(prompt, i);
        sample.text += event.answer;
        usage_.completion_tokens += static_cast<int64_t>(event.tokens.size());
        if (spec_.receipt) std::ranges::copy(event.tokens, std::back_inserter(sample.tokens));
        if (spec_.logprobs >= 0) {
          for (const GeneratedToken& token : event.tokens) {
            const bool shown = !model_->text->tokenizer.IsSpecial(token.id);
            sample.scores.Add(token.id, token.logprob, token.top, shown);
          }
        }
        if (spec_.style.stream) Chunk(index, i, nullptr);
        break;
      }
      case GenerationEvent::Kind::kFinish:
        Finished(index, i, event.reason);
        break;
    }
  }

  void ScorePrompt(PromptState& prompt, const GenerationEvent& event) {
    const std::vector<int32_t>& ids = prompt.prepared.generation.prompt;
    const auto position = static_cast<size_t>(event.position);
    if (position == 1) prompt.scores.AddFirst(ids[0], prompt.prepared.shown_from == 0);
    if (position >= ids.size()) return;
    const GeneratedToken& token = event.tokens.front();
    prompt.scores.Add(ids[position], token.logprob, token.top,
                      position >= prompt.prepared.shown_from);
  }

  // The sample, which begins with the prompt where that is asked for.
  Sample& Begun(PromptState& prompt, size_t i) {
    Sample& sample = prompt.samples[i];
    if (std::exchange(sample.begun, true) || !spec_.echo) return sample;
    sample.text = prompt.prepared.text;
    sample.scores = prompt.scores;
    sample.scores.MoveTo(Characters(sample.text));
    return sample;
  }

  void Finished(size_t index, size_t i, FinishReason reason) {
    PromptState& prompt = prompts_[index];
    Begun(prompt, i).reason = reason;
    if (reason == FinishReason::kError) {
      return Fail(NotFiniteError());
    }
    if (spec_.style.stream) Chunk(index, i, FinishName(reason, false));
    if (--prompt.unfinished > 0) return;
    prompt.generation = 0;
    --running_;
    ++done_;
    StartMore();
    if (!stopped_ && done_ == prompts_.size()) End();
  }

  void Fail(const ApiError& error) {
    if (std::exchange(failed_, true)) return;
    Stop();
    if (!spec_.style.stream || next_ == 0) return exchange_->Send(error.ToResponse());
    exchange_->Write("data: " + DumpJson(error.ToJson()) + "\n\n");
    exchange_->End();
  }

  Json Head() const {
    return {{"id", id_},
            {"object", "text_completion"},
            {"created", created_},
            {"model", model_->id},
            {"system_fingerprint", "aha-" + context_.version}};
  }

  // Of a stream: what the sample has that was not sent.
  void Chunk(size_t index, size_t i, const char* finish) {
    Sample& sample = prompts_[index].samples[i];
    std::string text = std::exchange(sample.text, {});
    Json logprobs = spec_.logprobs < 0 ? Json(nullptr) : sample.scores.Take();
    const bool scored = spec_.logprobs >= 0 && !logprobs["tokens"].empty();
    if (text.empty() && !scored && finish == nullptr) return;
    Json chunk = Head();
    chunk["choices"] = {{{"index", index * prompts_[index].samples.size() + i},
                         {"text", std::move(text)},
                         {"logprobs", scored ? std::move(logprobs) : Json(nullptr)},
                         {"finish_reason", finish == nullptr ? Json(nullptr) : Json(finish)}}};
    if (spec_.style.include_usage) chunk["usage"] = nullptr;
    exchange_->Write("data: " + DumpJson(chunk) + "\n\n");
  }

  Json Receipt() {
    std::vector<SampleResult> results;
    for (Sample& sample : prompts_.front().samples) {
      results.push_back({.tokens = std::move(sample.tokens), .reason = sample.reason});
    }
    return WithSamples(receipt_, results);
  }

  void End() {
    if (spec_.style.stream) {
      if (spec_.receipt) {
        Json chunk = Head();
        chunk["choices"] = Json::array();
        chunk["receipt"] = Receipt();
        exchange_->Write("data: " + DumpJson(chunk) + "\n\n");
      }
      if (spec_.style.include_usage) {
        Json last = Head();
        last["choices"] = Json::array();
        last["usage"] = usage_.ToJson();
        exchange_->Write("data: " + DumpJson(last) + "\n\n");
      }
      exchange_->Write("data: [DONE]\n\n");
      return exchange_->End();
    }
    Json out = Head();
    out["choices"] = Json::array();
    for (PromptState& prompt : prompts_) {
      for (Sample& sample : prompt.samples) {
        out["choices"].push_back(
            {{"index", out["choices"].size()},
             {"text", std::move(sample.text)},
             {"logprobs", spec_.logprobs < 0 ? Json(nullptr) : sample.scores.Take()},
             {"finish_reason", FinishName(sample.reason, false)}});
      }
    }
    out["usage"] = usage_.ToJson();
    if (spec_.receipt) out["receipt"] = Receipt();
    exchange_->Send(JsonResponse(out));
  }

  CompletionSpec spec_;
  std::shared_ptr<ServedModel> model_;
  Json receipt_;  // without the samples
  ApiContext& context_;
  std::shared_ptr<Exchange> exchange_;
  std::string id_ = RandomId("cmpl-");
  int64_t created_ = UnixTime();
  std::vector<PromptState> prompts_;
  Usage usage_;
  size_t next_ = 0, running_ = 0, done_ = 0;
  bool stopped_ = false, failed_ = false;
};

}  // namespace

std::string LegacyTokenText(std::string_view bytes) {
  if (ValidUtf8Prefix(bytes) == bytes.size()) return std::string(bytes);
  std::string out = "bytes:";
  for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

void LegacyLogprobs::AddText(int32_t id, bool shown) {
  const std::string_view bytes = tokenizer_->TokenBytes(id);
  tokens_.push_back(LegacyTokenText(bytes));
  // A token that goes on in a character stands where that begins.
  const bool inside = shown && offset_ > 0 && !bytes.empty() && (bytes[0] & 0xc0) == 0x80;
  offsets_.push_back(offset_ - (inside ? 1 : 0));
  if (shown) offset_ += Characters(bytes);
}

void LegacyLogprobs::AddFirst(int32_t id, bool shown) {
  AddText(id, shown);
  logprobs_.push_back(nullptr);
  tops_.push_back(nullptr);
}

void LegacyLogprobs::Add(int32_t id, float logprob, std::span<const TokenLogprob> top, bool shown) {
  AddText(id, shown);
  logprobs_.push_back(logprob);
  const auto& own = tokens_.back().get_ref<const std::string&>();
  Json all = Json::object();
  for (const TokenLogprob& one : top) {
    std::string text = one.id == id ? own : LegacyTokenText(tokenizer_->TokenBytes(one.id));
    const bool taken = one.id != id && (text == own || all.contains(text));
    if (taken) text = fmt::format("token_id:{}", one.id);
    all[text] = one.logprob;
  }
  all[own] = logprob;
  tops_.push_back(std::move(all));
}

Json LegacyLogprobs::Take() {
  const auto take = [](Json& list) { return std::exchange(list, Json::array()); };
  return {{"tokens", take(tokens_)},
          {"token_logprobs", take(logprobs_)},
          {"top_logprobs", take(tops_)},
          {"text_offset", take(offsets_)}};
}

ApiResult<CompletionSpec> ParseCompletion(const Json& body) {
  CompletionSpec spec;
  if (auto error = ReadPrompts(body, &spec)) return *error;
  if (auto error = ReadStyle(body, &spec.style)) return *error;
  RequestFields f(body);
  f.Read("model", &spec.model, 1024);
  ReadSampling(f, &spec.sampling);
  f.Read("n", &spec.n, 1, limits::kSamples);
  f.Read("max_tokens", &spec.max_tokens, 0, limits::kMaxTokens);
  f.ReadStrings("stop", &spec.stop, limits::kStopStrings, limits::kStopStringBytes);
  f.Read("echo", &spec.echo);
  f.Read("receipt", &spec.receipt);
  f.Read("add_special_tokens", &spec.add_special_tokens);
  // Old clients send a number, some `true`.
  if (const Json* logprobs = f.Find("logprobs"); logprobs != nullptr && logprobs->is_boolean()) {
    spec.logprobs = logprobs->get<bool>() ? 0 : -1;
  } else {
    f.Read("logprobs", &spec.logprobs, 0, limits::kTopLogprobs);
  }
  f.Read("user", &spec.user_id, 512);
  f.Read("user_id", &spec.user_id, 512);
  int32_t best_of = spec.n;
  f.Read("best_of", &best_of, 1, limits::kSamples);
  std::string suffix;
  f.Read("suffix", &suffix, limits::kBodyBytes);
  if (f.failed()) return f.error();
  if (!suffix.empty()) {
    return BadField("suffix",
                    "suffix asks for text in the middle, which these models do not write");
  }
  if (best_of != spec.n) {
    return BadField("best_of", "best_of is {}, and n {}: all samples that are made are given",
                    best_of, spec.n);
  }
  if (spec.receipt && spec.prompts.size() > 1) {
    return BadField("receipt", "receipt is of one answer: prompt holds {}", spec.prompts.size());
  }
  if (spec.max_tokens == 0 && !spec.echo) {
    return BadField("max_tokens", "max_tokens is 0: without echo nothing would come");
  }
  return spec;
}

ApiResult<GenerationSpec> PrepareCompletion(const CompletionSpec& spec, ModelHost& host) {
  Result<std::shared_ptr<ServedModel>> model = host.Acquire(spec.model);
  if (!model.ok()) return ModelError(model.status());
  ApiResult<PreparedPrompt> prepared = PrepareOne(spec, 0, *model);
  if (!prepared.ok()) return prepared.error();
  return std::move(prepared->generation);
}

void AddOpenAiCompletions(Router& router, ApiContext& context) {
  AddV1(router, "POST", "/completions",
        [&context](const HttpRequest& request, std::vector<std::string>,
                   std::shared_ptr<Exchange> exchange) {
          context.Prepare(
              [&context, request] { return Prepare(request, context); },
              [&context, exchange](ApiResult<Prepared> prepared) {
                if (!prepared.ok()) {
                  return exchange->Send(prepared.error().ToResponse());
                }
                std::make_shared<CompletionBatch>(std::move(*prepared), context, exchange)->Start();
              });
        });
}

}  // namespace aha
