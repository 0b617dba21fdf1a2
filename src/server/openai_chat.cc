#include "server/openai_chat.h"

#include "server/chat_messages.h"
#include "server/chat_sink.h"
#include "server/limits.h"
#include "server/next_turn.h"
#include "server/random_id.h"
#include "server/receipt.h"
#include "server/request_fields.h"
#include "server/unix_time.h"
#include "server/vote.h"

namespace aha {
namespace {

// What all forms of the answer begin with.
struct ResponseHead {
  std::string id = RandomId("chatcmpl-");
  int64_t created = UnixTime();
  std::string model;
  std::string fingerprint;

  Json ToJson(const char* object) const {
    return {{"id", id},
            {"object", object},
            {"created", created},
            {"model", model},
            {"system_fingerprint", fingerprint}};
  }
};

// One request: from its parsed form to the last byte of its answer.
class ChatCompletion : public ChatSink {
 public:
  ChatCompletion(const ChatSpec& spec, const OpenAiStyle& style, const PreparedChat& prepared,
                 ApiContext& context, std::string owner, std::shared_ptr<Exchange> exchange)
      : ChatSink(prepared),
        spec_(spec),
        style_(style),
        context_(context),
        owner_(std::move(owner)),
        exchange_(std::move(exchange)),
        cache_salt_(prepared.generation.cache_salt) {
    head_.model = prepared.generation.model->id;
    head_.fingerprint = "aha-" + context.version;
  }

  void Started(uint64_t generation) {
    context_.live.Add(head_.id, owner_, generation);
    exchange_->OnGone([this, host = context_.host, generation] {
      context_.live.Remove(head_.id);
      host->Cancel(generation);
    });
    if (!style_.stream) return;
    exchange_->Begin(
        {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}});
    for (int32_t i = 0; i < spec_.n; ++i) {
      Chunk(i, {{"role", "assistant"}, {"content", nullptr}, {"reasoning_content", ""}});
    }
  }

 private:
  void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) override {
    if (!style_.stream) return;
    if (spec_.logprobs || !event.thought.empty()) Delta(event, true);
    if (spec_.logprobs || !event.answer.empty()) Delta(event, false);
    for (const ToolCallDelta& call : calls) {
      Json one = {{"index", call.index}};
      // Clients join what comes twice: id and name stand in a call's first delta only.
      if (!call.id.empty()) {
        one["id"] = call.id;
        one["type"] = "function";
      }
      one["function"] = Json::object();
      if (!call.name.empty()) one["function"]["name"] = call.name;
      one["function"]["arguments"] = call.arguments;
      Chunk(event.sample, {{"tool_calls", Json::array({std::move(one)})}});
    }
  }

  void Delta(const GenerationEvent& event, bool thought) {
    const std::string& text = thought ? event.thought : event.answer;
    Json logprobs = nullptr;
    if (spec_.logprobs) {
      Json list = LogprobsJson(event.tokens, thought);
      if (list.empty() && text.empty()) return;
      logprobs = thought ? Json{{"content", nullptr}, {"reasoning_content", std::move(list)}}
                         : Json{{"content", std::move(list)}};
    }
    Chunk(event.sample,
          thought ? Json{{"content", nullptr}, {"reasoning_content", text}}
                  : Json{{"content", text}, {"reasoning_content", nullptr}},
          std::move(logprobs));
  }

  void OnSampleEnd(int32_t sample) override {
    if (!style_.stream) return;
    const SampleResult& result = results()[static_cast<size_t>(sample)];
    if (result.reason == FinishReason::kError) return;
    Chunk(sample, Json::object(), nullptr, FinishName(result.reason, !result.calls.empty()));
  }

  void OnEnd() override {
    context_.live.Remove(head_.id);
    for (const SampleResult& result : results()) {
      if (result.reason == FinishReason::kError) return Fail();
    }
    WarmAfter(context_, spec_, results()[spec_.vote ? Vote().chosen() : 0], shared_model(),
              cache_salt_);
    if (style_.stream) {
      if (spec_.vote) {
        Json chunk = head_.ToJson("chat.completion.chunk");
        chunk["choices"] = Json::array();
        chunk["aha"] = Vote().ToJson();
        Event(chunk);
      }
      if (Json receipt = Receipt(); !receipt.is_null()) {
        Json chunk = head_.ToJson("chat.completion.chunk");
        chunk["choices"] = Json::array();
        chunk["receipt"] = std::move(receipt);
        Event(chunk);
      }
      if (style_.include_usage) {
        Json last = head_.ToJson("chat.completion.chunk");
        last["choices"] = Json::array();
        last["usage"] = usage().ToJson();
        Event(last);
      }
      exchange_->Write("data: [DONE]\n\n");
      return exchange_->End();
    }
    Json out = head_.ToJson("chat.completion");
    out["choices"] = Json::array();
    if (spec_.vote) {
      const VoteResult vote = Vote();
      out["choices"].push_back(Choice(vote.chosen()));
      out["choices"][0]["index"] = 0;
      out["aha"] = vote.ToJson();
    } else {
      for (size_t i = 0; i < results().size(); ++i) out["choices"].push_back(Choice(i));
    }
    out["usage"] = usage().ToJson();
    if (Json receipt = Receipt(); !receipt.is_null()) out["receipt"] = std::move(receipt);
    exchange_->Send(JsonResponse(out));
  }

  VoteResult Vote() const {
    std::vector<VoteSample> samples;
    for (const SampleResult& r : results()) {
      samples.push_back({.thought = r.thought,
                         .content = r.answer,
                         .finish_reason = FinishName(r.reason, false),
                         .tokens = static_cast<int64_t>(r.tokens.size())});
    }
    return TallyVotes(samples, spec_.verify_math);
  }

  Json Choice(size_t i) const {
    const SampleResult& result = results()[i];
    Json message = {{"role", "assistant"}, {"content", result.answer}, {"refusal", nullptr}};
    if (!result.thought.empty() || result.thought_tokens > 0) {
      message["reasoning_content"] = result.thought;
    }
    if (!result.calls.empty()) {
      if (result.answer.empty()) message["content"] = nullptr;
      message["tool_calls"] = Json::array();
      for (const ToolCall& call : result.calls) message["tool_calls"].push_back(call.ToJson());
    }
    Json choice = {{"index", i},
                   {"message", std::move(message)},
                   {"logprobs", nullptr},
                   {"finish_reason", FinishName(result.reason, !result.calls.empty())}};
    if (spec_.logprobs) {
      choice["logprobs"] = {{"content", LogprobsJson(result.tokens, false)},
                            {"reasoning_content", LogprobsJson(result.tokens, true)},
                            {"refusal", nullptr}};
    }
    return choice;
  }

  void Chunk(int32_t sample, Json delta, Json logprobs = nullptr, const char* finish = nullptr) {
    Json chunk = head_.ToJson("chat.completion.chunk");
    chunk["choices"] = {{{"index", sample},
                         {"delta", std::move(delta)},
                         {"logprobs", std::move(logprobs)},
                         {"finish_reason", finish == nullptr ? Json(nullptr) : Json(finish)}}};
    if (style_.include_usage) chunk["usage"] = nullptr;
    Event(chunk);
  }

  void Event(const Json& json) { exchange_->Write("data: " + DumpJson(json) + "\n\n"); }

  void Fail() {
    const ApiError error = NotFiniteError();
    if (!style_.stream) return exchange_->Send(error.ToResponse());
    Event(error.ToJson());
    exchange_->End();
  }

  ChatSpec spec_;
  OpenAiStyle style_;
  ApiContext& context_;
  std::string owner_;
  std::shared_ptr<Exchange> exchange_;
  ResponseHead head_;
  uint64_t cache_salt_;
};

struct ParsedRequest {
  ChatSpec spec;
  OpenAiStyle style;
  PreparedChat prepared;
};

ApiResult<ParsedRequest> ParseAndPrepare(const HttpRequest& request, ApiContext& context) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<ChatSpec> spec = ParseOpenAiChat(*body);
  if (!spec.ok()) return spec.error();
  ParsedRequest out{.spec = std::move(*spec)};
  if (auto error = ReadStyle(*body, &out.style)) return *error;
  ApiResult<PreparedChat> prepared =
      PrepareChat(out.spec, *context.host, context.CallerOf(request, out.spec.user_id));
  if (!prepared.ok()) return prepared.error();
  out.prepared = std::move(*prepared);
  if (auto error = AddReceipt(*body, out.spec, context, &out.prepared)) return *error;
  return out;
}

void HandleChat(ApiContext& context, HttpRequest request, std::shared_ptr<Exchange> exchange) {
  context.Prepare([&context, request] { return ParseAndPrepare(request, context); },
                  [&context, owner = request.owner, exchange](ApiResult<ParsedRequest> parsed) {
                    if (!parsed.ok()) return exchange->Send(parsed.error().ToResponse());
                    auto sink = std::make_shared<ChatCompletion>(
                        parsed->spec, parsed->style, parsed->prepared, context, owner, exchange);
                    const Result<uint64_t> id =
                        context.host->Start(std::move(parsed->prepared.generation), sink);
                    if (!id.ok()) return exchange->Send(Overloaded(id.status()).ToResponse());
                    sink->Started(*id);
                  });
}

void HandleControl(ApiContext& context, const HttpRequest& request,
                   const std::shared_ptr<Exchange>& exchange) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return exchange->Send(body.error().ToResponse());
  RequestFields f(*body);
  std::string id, action;
  f.Read("id", &id, 200);
  f.Read("action", &action, 64);
  if (f.failed()) return exchange->Send(f.error().ToResponse());
  const std::optional<uint64_t> generation = context.live.Find(id, request.owner);
  if (!generation) {
    return exchange->Send(
        NotFoundError(fmt::format("no response '{}' is being made", id), "response_not_found")
            .ToResponse());
  }
  if (action == "reasoning_end") {
    context.host->EndThought(*generation);
  } else if (action == "stop") {
    context.host->Cancel(*generation);
  } else {
    return exchange->Send(
        BadField("action", "action is '{}': reasoning_end and stop are possible", action)
            .ToResponse());
  }
  exchange->Send(JsonResponse({{"id", id}, {"action", action}, {"success", true}}));
}

}  // namespace

ApiResult<ChatSpec> ParseOpenAiChat(const Json& body) {
  ChatSpec spec;
  if (auto error = ReadMessages(body, &spec)) return *error;
  if (auto error = ReadTools(body, &spec)) return *error;
  if (auto error = ReadFormat(body, &spec)) return *error;
  RequestFields f(body);
  f.Read("model", &spec.model, 1024);
  ReadSampling(f, &spec.sampling);
  f.Read("n", &spec.n, 1, limits::kSamples);
  f.Read("max_tokens", &spec.max_tokens, 1, limits::kMaxTokens);
  f.Read("max_completion_tokens", &spec.max_tokens, 1, limits::kMaxTokens);
  f.ReadStrings("stop", &spec.stop, limits::kStopStrings, limits::kStopStringBytes);
  f.Read("logprobs", &spec.logprobs);
  f.Read("top_logprobs", &spec.top_logprobs, 0, limits::kTopLogprobs);
  f.Read("thinking_token_budget", &spec.think_budget, 0, limits::kMaxTokens);
  f.Read("reasoning_budget_tokens", &spec.think_budget, -1, limits::kMaxTokens);
  f.Read("receipt", &spec.receipt);
  if (const Json* vote = f.Find("aha")) {
    if (!vote->is_object()) return BadField("aha", "aha must be an object");
    RequestFields v(*vote, "aha.");
    std::string verify;
    v.Read("samples", &spec.n, 1, limits::kSamples);
    v.Read("verify", &verify, 32);
    if (v.failed()) return v.error();
    if (!verify.empty() && verify != "majority" && verify != "math") {
      return BadField("aha.verify", "aha.verify is '{}': majority and math are possible", verify);
    }
    spec.vote = true;
    spec.verify_math = verify == "math";
  }
  f.Read("user", &spec.user_id, 512);
  f.Read("user_id", &spec.user_id, 512);
  std::string effort;
  f.Read("reasoning_effort", &effort, 64);
  if (effort == "none") spec.thinking = false;
  if (const Json* thinking = f.Find("thinking")) {
    if (!thinking->is_object()) return BadField("thinking", "thinking must be an object");
    RequestFields t(*thinking, "thinking.");
    std::string type;
    t.Read("type", &type, 64);
    t.Read("budget_tokens", &spec.think_budget, 0, limits::kMaxTokens);
    if (t.failed()) return t.error();
    if (type != "enabled" && type != "disabled" && type != "auto" && type != "adaptive") {
      return BadField("thinking.type", "thinking.type is '{}': enabled and disabled are possible",
                      type);
    }
    if (type == "enabled" || type == "disabled") spec.thinking = type == "enabled";
  }
  if (const Json* extra = f.Find("chat_template_kwargs")) {
    if (!extra->is_object()) f.Fail("chat_template_kwargs", "must be an object");
    spec.template_extra = *extra;
  }
  if (f.failed()) return f.error();
  if (spec.top_logprobs > 0 && !spec.logprobs) {
    return BadField("top_logprobs", "top_logprobs needs logprobs: true");
  }
  return spec;
}

std::optional<ApiError> ReadStyle(const Json& body, OpenAiStyle* out) {
  RequestFields f(body);
  f.Read("stream", &out->stream);
  if (const Json* options = f.Find("stream_options")) {
    if (!options->is_object())
      return BadField("stream_options", "stream_options must be an object");
    RequestFields o(*options, "stream_options.");
    o.Read("include_usage", &out->include_usage);
    if (o.failed()) return o.error();
  }
  if (f.failed()) return f.error();
  return std::nullopt;
}

void AddOpenAiChat(Router& router, ApiContext& context) {
  AddV1(router, "POST", "/chat/completions",
        [&context](const HttpRequest& request, std::vector<std::string>,
                   std::shared_ptr<Exchange> exchange) {
          HandleChat(context, request, std::move(exchange));
        });
  AddV1(router, "POST", "/chat/completions/control",
        [&context](const HttpRequest& request, std::vector<std::string>,
                   std::shared_ptr<Exchange> exchange) {
          HandleControl(context, request, exchange);
        });
}

}  // namespace aha
