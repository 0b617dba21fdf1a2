#include "server/openai_completions.h"

#include <algorithm>

#include "server/chat_sink.h"
#include "server/limits.h"
#include "server/random_id.h"
#include "server/request_fields.h"
#include "server/unix_time.h"

namespace aha {
namespace {

// Prompts of one request that are at work at a time: the others' requests find places too.
constexpr size_t kWindow = 64;

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

struct Prepared {
  CompletionSpec spec;
  std::vector<GenerationSpec> generations;  // one for each prompt
};

ApiResult<GenerationSpec> PrepareOne(const CompletionSpec& spec, const CompletionSpec::Prompt& p,
                                     const std::shared_ptr<ServedModel>& model) {
  const TextModel& text = *model->text;
  GenerationSpec g;
  g.model = model;
  if (const auto* words = std::get_if<std::string>(&p)) {
    // The whole prompt is the caller's own: what looks like a special token is meant as one.
    Result<std::vector<int32_t>> ids =
        text.tokenizer.Encode(*words, {.allow_special = true, .add_special_tokens = true});
    if (!ids.ok()) return FromStatus(ids.status(), "prompt");
    g.prompt = std::move(*ids);
  } else {
    g.prompt = std::get<std::vector<int32_t>>(p);
  }
  if (g.prompt.empty()) return BadField("prompt", "a prompt holds no tokens");
  for (const int32_t id : g.prompt) {
    if (id >= text.model->info().vocab) {
      return BadField("prompt", "prompt holds the id {}: '{}' has ids from 0 to {}", id, model->id,
                      text.model->info().vocab - 1);
    }
  }
  const int64_t room = model->max_context() - static_cast<int64_t>(g.prompt.size());
  if (room < (spec.max_tokens > 0 ? 1 : 0)) {
    ApiError error = BadField("prompt", "a prompt has {} tokens; the context of '{}' holds {}",
                              g.prompt.size(), model->id, model->max_context());
    error.code = "context_length_exceeded";
    return error;
  }
  g.max_tokens = std::min(spec.max_tokens, room);
  g.n = spec.n;
  g.stop = spec.stop;
  g.stop_ids = text.stop_ids;
  g.top_logprobs = std::max(spec.logprobs, 0);
  g.prompt_logprobs = spec.echo && spec.logprobs >= 0;
  return g;
}

ApiResult<Prepared> Prepare(const HttpRequest& request, ApiContext& context) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<CompletionSpec> spec = ParseCompletion(*body);
  if (!spec.ok()) return spec.error();
  Result<std::shared_ptr<ServedModel>> model = context.host->Acquire(spec->model);
  if (!model.ok()) return ModelError(model.status());
  Prepared out{.spec = std::move(*spec)};
  const SamplingParams sampling = out.spec.sampling.Resolve((*model)->text->defaults);
  if (auto error = CheckLogitBias(sampling, **model)) return *error;
  const uint64_t owner = context.CallerOf(request, out.spec.user_id).OwnerHash();
  for (const CompletionSpec::Prompt& prompt : out.spec.prompts) {
    ApiResult<GenerationSpec> one = PrepareOne(out.spec, prompt, *model);
    if (!one.ok()) return one.error();
    one->sampling = sampling;
    one->owner = one->cache_salt = owner;
    out.generations.push_back(std::move(*one));
  }
  return out;
}

// All prompts of a request, from the first start to the last byte of the answer.
class CompletionBatch : public std::enable_shared_from_this<CompletionBatch> {
 public:
  CompletionBatch(Prepared prepared, ApiContext& context, std::shared_ptr<Exchange> exchange)
      : spec_(std::move(prepared.spec)),
        waiting_(std::move(prepared.generations)),
        model_(waiting_.front().model),
        context_(context),
        exchange_(std::move(exchange)) {
    for (const GenerationSpec& g : waiting_) {
      std::string text;
      if (spec_.echo) {
        const auto* words = std::get_if<std::string>(&spec_.prompts[prompts_.size()]);
        text = words != nullptr ? *words : model_->text->tokenizer.Decode(g.prompt);
      }
      prompts_.push_back({.ids = g.prompt,
                          .text = std::move(text),
                          .scores = LegacyLogprobs(model_->text->tokenizer),
                          .samples = std::vector<Sample>(static_cast<size_t>(spec_.n))});
      usage_.prompt_tokens += static_cast<int64_t>(g.prompt.size());
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
    std::vector<GeneratedToken> tokens;
    FinishReason reason = FinishReason::kNone;
    bool begun = false;  // of a stream: the prompt was sent
  };
  struct PromptState {
    std::vector<int32_t> ids;
    std::string text;       // of an echo
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
    while (!stopped_ && next_ < waiting_.size() && running_ < kWindow) {
      PromptState& prompt = prompts_[next_];
      const auto sink = std::make_shared<Sink>(shared_from_this(), next_);
      const Result<uint64_t> id = context_.host->Start(waiting_[next_], sink);
      if (!id.ok()) {
        if (running_ > 0) return;  // when one of ours ends there is a place
        return Fail(Overloaded(id.status()));
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
      case GenerationEvent::Kind::kPromptLogprob: {
        const auto position = static_cast<size_t>(event.position);
        if (position == 1) prompt.scores.AddFirst(prompt.ids[0]);
        if (position >= prompt.ids.size()) break;
        const GeneratedToken& token = event.tokens.front();
        prompt.scores.Add(prompt.ids[position], token.logprob, token.top);
        break;
      }
      case GenerationEvent::Kind::kText: {
        Sample& sample = prompt.samples[i];
        sample.text += event.answer;
        usage_.completion_tokens += static_cast<int64_t>(event.tokens.size());
        if (spec_.style.stream) {
          Chunk(index, i, event.answer, event.tokens, nullptr);
        } else {
          std::ranges::move(event.tokens, std::back_inserter(sample.tokens));
        }
        break;
      }
      case GenerationEvent::Kind::kFinish:
        Finished(index, i, event.reason);
        break;
    }
  }

  void Finished(size_t index, size_t i, FinishReason reason) {
    PromptState& prompt = prompts_[index];
    Sample& sample = prompt.samples[i];
    sample.reason = reason;
    if (reason == FinishReason::kError) {
      return Fail({.status = 500,
                   .message =
                       "the model's logits are not finite: its weights hold NaN or infinity, "
                       "or logit_bias drove them there",
                   .type = "internal_error",
                   .code = "model_error"});
    }
    if (spec_.style.stream) Chunk(index, i, "", {}, FinishName(reason, false));
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

  Json Logprobs(const PromptState& prompt, const std::vector<GeneratedToken>& tokens,
                bool echo) const {
    if (spec_.logprobs < 0) return nullptr;
    LegacyLogprobs all = echo ? prompt.scores : LegacyLogprobs(model_->text->tokenizer);
    for (const GeneratedToken& token : tokens) all.Add(token.id, token.logprob, token.top);
    return all.ToJson();
  }

  void Chunk(size_t index, size_t i, const std::string& text,
             const std::vector<GeneratedToken>& tokens, const char* finish) {
    PromptState& prompt = prompts_[index];
    const bool echo = spec_.echo && !std::exchange(prompt.samples[i].begun, true);
    if (!echo && text.empty() && finish == nullptr && spec_.logprobs < 0) return;
    Json chunk = Head();
    chunk["choices"] = {
        {{"index", index * prompt.samples.size() + i},
         {"text", echo ? prompt.text + text : text},
         {"logprobs", finish != nullptr && !echo ? Json(nullptr) : Logprobs(prompt, tokens, echo)},
         {"finish_reason", finish == nullptr ? Json(nullptr) : Json(finish)}}};
    if (spec_.style.include_usage) chunk["usage"] = nullptr;
    exchange_->Write("data: " + DumpJson(chunk) + "\n\n");
  }

  void End() {
    if (spec_.style.stream) {
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
    for (const PromptState& prompt : prompts_) {
      for (const Sample& sample : prompt.samples) {
        out["choices"].push_back({{"index", out["choices"].size()},
                                  {"text", prompt.text + sample.text},
                                  {"logprobs", Logprobs(prompt, sample.tokens, spec_.echo)},
                                  {"finish_reason", FinishName(sample.reason, false)}});
      }
    }
    out["usage"] = usage_.ToJson();
    exchange_->Send(JsonResponse(out));
  }

  CompletionSpec spec_;
  std::vector<GenerationSpec> waiting_;
  std::shared_ptr<ServedModel> model_;
  ApiContext& context_;
  std::shared_ptr<Exchange> exchange_;
  std::string id_ = RandomId("cmpl-");
  int64_t created_ = UnixTime();
  std::vector<PromptState> prompts_;
  Usage usage_;
  size_t next_ = 0, running_ = 0, done_ = 0;
  bool stopped_ = false, failed_ = false;
};

bool IsUtf8(std::string_view bytes) {
  // The JSON writer's own judgement.
  try {
    (void)Json(std::string(bytes)).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

}  // namespace

std::string LegacyTokenText(std::string_view bytes) {
  if (IsUtf8(bytes)) return std::string(bytes);
  std::string out = "bytes:";
  for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

void LegacyLogprobs::AddText(int32_t id) {
  const std::string_view bytes = tokenizer_.TokenBytes(id);
  tokens_.push_back(LegacyTokenText(bytes));
  offsets_.push_back(offset_);
  offset_ += std::ranges::count_if(bytes, [](char c) { return (c & 0xc0) != 0x80; });
}

void LegacyLogprobs::AddFirst(int32_t id) {
  AddText(id);
  logprobs_.push_back(nullptr);
  tops_.push_back(nullptr);
}

void LegacyLogprobs::Add(int32_t id, float logprob, std::span<const TokenLogprob> top) {
  AddText(id);
  logprobs_.push_back(logprob);
  Json all = Json::object();
  // Two tokens may have one text: the likelier has the place, as they come in that order.
  for (const TokenLogprob& one : top) {
    const std::string text = LegacyTokenText(tokenizer_.TokenBytes(one.id));
    if (!all.contains(text)) all[text] = one.logprob;
  }
  const std::string own = tokens_.back();
  if (!all.contains(own)) all[own] = logprob;
  tops_.push_back(std::move(all));
}

Json LegacyLogprobs::ToJson() const {
  return {{"tokens", tokens_},
          {"token_logprobs", logprobs_},
          {"top_logprobs", tops_},
          {"text_offset", offsets_}};
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
  if (spec.max_tokens == 0 && !spec.echo) {
    return BadField("max_tokens", "max_tokens is 0: without echo nothing would come");
  }
  return spec;
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
