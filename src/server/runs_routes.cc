#include "server/runs_routes.h"

#include <utility>

#include "server/limits.h"
#include "server/request_query.h"

namespace aha {
namespace {

// `work()` where it may wait, its response to the client.
template <typename Work>
void Reply(ApiContext& context, const std::shared_ptr<Exchange>& exchange, Work work) {
  context.Prepare(std::move(work),
                  [exchange](HttpResponse response) { exchange->Send(std::move(response)); });
}

// --- answers ---

// Collects what one checkpoint writes; the grading goes to a thread that may wait.
class AnswerSink : public GenerationSink, public std::enable_shared_from_this<AnswerSink> {
 public:
  AnswerSink(ApiContext& context, RunsApi& api, AnswerJob job, std::shared_ptr<ServedModel> model,
             std::shared_ptr<Exchange> exchange)
      : context_(context),
        api_(api),
        job_(std::move(job)),
        model_(std::move(model)),
        exchange_(std::move(exchange)) {}

  void OnEvents(std::vector<GenerationEvent> events) override {
    for (GenerationEvent& event : events) {
      for (const GeneratedToken& token : event.tokens) {
        if (event.kind != GenerationEvent::Kind::kText) continue;
        completion_.ids.push_back(token.id);
        completion_.logprobs.push_back(token.logprob);
      }
      if (event.kind == GenerationEvent::Kind::kFinish) Finish(event.reason);
    }
  }

 private:
  void Finish(FinishReason reason) {
    if (reason == FinishReason::kError || reason == FinishReason::kCancelled) {
      return exchange_->Send(
          FromStatus(ResourceExhausted("'{}' could not answer now", job_.model)).ToResponse());
    }
    completion_.truncated = reason == FinishReason::kLength;
    Reply(context_, exchange_, [self = shared_from_this()] {
      return self->api_.Answered(self->job_, self->model_->text->tokenizer, self->completion_);
    });
  }

  ApiContext& context_;
  RunsApi& api_;
  AnswerJob job_;
  std::shared_ptr<ServedModel> model_;
  std::shared_ptr<Exchange> exchange_;
  RunCompletion completion_;
};

struct PreparedAnswer {
  AnswerJob job;
  GenerationSpec spec;
};

ApiResult<PreparedAnswer> PrepareAnswer(ApiContext& context, RunsApi& api, const std::string& name,
                                        const HttpRequest& request) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<AnswerJob> job = api.PrepareAnswer(name, *body);
  if (!job.ok()) return job.error();
  PreparedAnswer out{.job = std::move(*job), .spec = {}};
  GenerationSpec& spec = out.spec;
  Result<std::shared_ptr<ServedModel>> model = context.host->Acquire(out.job.model);
  if (!model.ok()) return FromStatus(model.status(), "checkpoint");
  spec.model = *std::move(model);
  const TextModel& text = *spec.model->text;
  Result<std::vector<int32_t>> prompt =
      out.job.problems->Encode(out.job.index, text.tokenizer, text.chat ? &*text.chat : nullptr);
  if (!prompt.ok()) return FromStatus(prompt.status(), "index");
  spec.prompt = *std::move(prompt);
  spec.sampling.temperature = out.job.temperature;
  spec.sampling.seed = out.job.seed;
  const int64_t room = spec.model->max_context() - static_cast<int64_t>(spec.prompt.size());
  spec.max_tokens = std::min(out.job.problems->max_completion(), room);
  if (spec.max_tokens < 1) {
    return BadField("index", "the problem does not fit the model's {} positions",
                    spec.model->max_context());
  }
  spec.stop_ids = text.stop_ids;
  const Caller caller = context.CallerOf(request);
  spec.owner = caller.OwnerHash();
  spec.cache_salt = spec.owner;
  return out;
}

void Answer(ApiContext& context, RunsApi& api, const HttpRequest& request, const std::string& name,
            const std::shared_ptr<Exchange>& exchange) {
  context.Prepare(
      [&context, &api, request, name] { return PrepareAnswer(context, api, name, request); },
      [&context, &api, exchange](ApiResult<PreparedAnswer> prepared) {
        if (!prepared.ok()) return exchange->Send(prepared.error().ToResponse());
        auto sink = std::make_shared<AnswerSink>(context, api, std::move(prepared->job),
                                                 prepared->spec.model, exchange);
        const Result<uint64_t> id = context.host->Start(std::move(prepared->spec), sink);
        if (!id.ok()) return exchange->Send(Overloaded(id.status()).ToResponse());
        exchange->OnGone([&context, id = *id] { context.host->Cancel(id); });
      });
}

// --- live ---

// One reader of a run's events: looks once a second, until the reader goes.
class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  EventStream(ApiContext& context, RunsApi& api, std::string name,
              std::shared_ptr<Exchange> exchange)
      : context_(context), api_(api), name_(std::move(name)), exchange_(std::move(exchange)) {}

  void Start(int64_t from) {
    cursor_.next = from;
    exchange_->OnGone([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->gone_ = true;
    });
    Look();
  }

 private:
  using Found = ApiResult<std::vector<Json>>;

  void Look() {
    // One look at a time: the cursor is its own.
    context_.Prepare(
        [self = shared_from_this()] { return self->api_.Events(self->name_, &self->cursor_); },
        [self = shared_from_this()](Found found) { self->Tell(std::move(found)); });
  }

  void Tell(Found found) {
    if (gone_) return;
    if (!found.ok()) {
      if (!begun_) return exchange_->Send(found.error().ToResponse());
      exchange_->Write(
          "data: " + DumpJson({{"type", "error"}, {"error", found.error().ToJson()["error"]}}) +
          "\n\n");
      return exchange_->End();
    }
    if (!begun_) {
      begun_ = true;
      exchange_->Begin(
          {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-store"}}});
    }
    std::string text;
    for (const Json& event : *found) text += "data: " + DumpJson(event) + "\n\n";
    const bool more = found->size() >= static_cast<size_t>(limits::kMetricLines);
    if (!text.empty()) exchange_->Write(std::move(text));
    if (context_.stopping()) return exchange_->End();
    if (more) return Look();
    context_.after(1.0, [self = shared_from_this()] {
      if (!self->gone_) self->Look();
    });
  }

  ApiContext& context_;
  RunsApi& api_;
  std::string name_;
  std::shared_ptr<Exchange> exchange_;
  RunEventCursor cursor_;
  bool begun_ = false, gone_ = false;
};

void Watch(ApiContext& context, RunsApi& api, const HttpRequest& request, const std::string& name,
           std::shared_ptr<Exchange> exchange) {
  double from = 0;
  if (auto error = ReadQuery(request, "from", 0, 1e15, &from)) {
    return exchange->Send(error->ToResponse());
  }
  std::make_shared<EventStream>(context, api, name, std::move(exchange))
      ->Start(static_cast<int64_t>(from));
}

}  // namespace

void AddRunsRoutes(Router& router, ApiContext& context, RunsApi& api) {
  using Parts = std::vector<std::string>;
  using Out = std::shared_ptr<Exchange>;
  // Routes that read or write files and answer at once.
  const auto add = [&](const char* method, const char* pattern, auto work) {
    router.Add(method, pattern,
               [&context, work](const HttpRequest& request, Parts parts, Out exchange) {
                 Reply(context, exchange, [work, request, parts = std::move(parts)] {
                   return work(request, parts.empty() ? std::string() : parts[0]);
                 });
               });
  };
  using Name = const std::string&;
  using In = const HttpRequest&;
  add("GET", "/api/runs", [&api](In, Name) { return api.ListRuns(); });
  add("GET", "/api/runs/*", [&api](In, Name name) { return api.ShowRun(name); });
  add("GET", "/api/runs/*/metrics", [&api](In in, Name name) { return api.ShowMetrics(name, in); });
  add("GET", "/api/runs/*/samples", [&api](In in, Name name) { return api.ShowSamples(name, in); });
  add("GET", "/api/runs/*/problems",
      [&api](In in, Name name) { return api.ShowProblem(name, in); });
  add("GET", "/api/recipes", [&api](In, Name) { return api.Recipes(); });
  add("POST", "/api/runs", [&api](In in, Name) {
    ApiResult<Json> body = ParseBody(in);
    return body.ok() ? api.StartRun(*body) : body.error().ToResponse();
  });
  add("POST", "/api/runs/*/stop", [&api](In, Name name) { return api.StopRun(name); });
  add("POST", "/api/runs/*/resume", [&api](In, Name name) { return api.ResumeRun(name); });
  router.Add("POST", "/api/runs/*/answers",
             [&context, &api](In request, const Parts& parts, const Out& exchange) {
               Answer(context, api, request, parts[0], exchange);
             });
  router.Add("GET", "/api/runs/*/events",
             [&context, &api](In request, const Parts& parts, const Out& exchange) {
               Watch(context, api, request, parts[0], exchange);
             });
}

}  // namespace aha
