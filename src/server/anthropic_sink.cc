#include "server/anthropic_sink.h"

#include "server/next_turn.h"
#include "server/random_id.h"

namespace aha {
namespace {

// Thoughts are plain text here; the field is there because clients send it back.
constexpr char kSignature[] = "local";

const char* ErrorType(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json ErrorJson(const ApiError& error, const std::string& request_id) {
  return {{"type", "error"},
          {"error", {{"type", ErrorType(error.status)}, {"message", error.message}}},
          {"request_id", request_id}};
}

}  // namespace

HttpResponse AnthropicError(const ApiError& error, const std::string& request_id) {
  HttpResponse response = error.ToResponse();
  response.headers.emplace_back("request-id", request_id);
  response.body = DumpJson(ErrorJson(error, request_id));
  return response;
}

AnthropicSink::AnthropicSink(AnthropicReply reply, ChatSpec spec, const PreparedChat& prepared,
                             ApiContext& context, std::shared_ptr<Exchange> exchange)
    : ChatSink(prepared),
      reply_(std::move(reply)),
      spec_(std::move(spec)),
      context_(context),
      exchange_(std::move(exchange)),
      cache_salt_(prepared.generation.cache_salt),
      id_(RandomId("msg_")) {}

void AnthropicSink::Started(uint64_t generation) {
  context_.live.Add(id_, reply_.owner, generation);
  exchange_->OnGone([this, host = context_.host, generation] {
    context_.live.Remove(id_);
    host->Cancel(generation);
  });
  if (!reply_.stream) return;
  exchange_->Begin({.content_type = "text/event-stream",
                    .headers = {{"Cache-Control", "no-cache"}, {"request-id", reply_.request_id}}});
  Json message = Head();
  message["content"] = Json::array();
  message["stop_reason"] = nullptr;
  message["stop_sequence"] = nullptr;
  message["usage"] = UsageJson();
  Event({{"type", "message_start"}, {"message", std::move(message)}});
  Event({{"type", "ping"}});
}

void AnthropicSink::OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) {
  if (!event.thought.empty()) AddWords(Block::kThinking, "thinking", event.thought);
  if (!event.answer.empty()) AddWords(Block::kText, "text", event.answer);
  for (const ToolCallDelta& call : calls) {
    if (call.index != call_) {
      Leave();
      call_ = call.index;
      Enter(
          Block::kTool,
          {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", Json::object()}});
    }
    if (call.arguments.empty()) continue;
    input_ += call.arguments;
    Delta({{"type", "input_json_delta"}, {"partial_json", call.arguments}});
  }
}

void AnthropicSink::AddWords(Block block, const char* key, const std::string& words) {
  if (block_ != block) {
    Leave();
    Json start = {{"type", key}, {key, ""}};
    if (block == Block::kThinking) start["signature"] = "";
    Enter(block, std::move(start));
  }
  content_.back()[key].get_ref<std::string&>() += words;
  Delta({{"type", std::string(key) + "_delta"}, {key, words}});
}

void AnthropicSink::Enter(Block block, Json start) {
  block_ = block;
  content_.push_back(start);
  Event({{"type", "content_block_start"},
         {"index", content_.size() - 1},
         {"content_block", std::move(start)}});
}

void AnthropicSink::Leave() {
  if (block_ == Block::kNone) return;
  if (block_ == Block::kThinking) {
    content_.back()["signature"] = kSignature;
    Delta({{"type", "signature_delta"}, {"signature", kSignature}});
  }
  if (block_ == Block::kTool) {
    // Arguments that max_tokens cut off are no JSON; the field is an object nevertheless.
    Result<Json> input = ParseJson(std::exchange(input_, {}));
    if (input.ok() && input->is_object()) content_.back()["input"] = *std::move(input);
  }
  Event({{"type", "content_block_stop"}, {"index", content_.size() - 1}});
  block_ = Block::kNone;
}

void AnthropicSink::OnEnd() {
  context_.live.Remove(id_);
  const SampleResult& result = results()[0];
  if (result.reason == FinishReason::kError) {
    const ApiError error = NotFiniteError();
    if (!reply_.stream) return exchange_->Send(AnthropicError(error, reply_.request_id));
    Event(ErrorJson(error, reply_.request_id));
    return exchange_->End();
  }
  WarmAfter(context_, spec_, result, shared_model(), cache_salt_);
  // An answer without any text has an empty block: clients look at the first one.
  if (content_.empty()) Enter(Block::kText, {{"type", "text"}, {"text", ""}});
  Leave();
  const Json stop = {
      {"stop_reason", StopReason()},
      {"stop_sequence", result.stop_string.empty() ? Json(nullptr) : Json(result.stop_string)}};
  Json receipt = Receipt();
  if (reply_.stream) {
    Json last = {{"type", "message_delta"}, {"delta", stop}, {"usage", UsageJson()}};
    if (!receipt.is_null()) last["receipt"] = std::move(receipt);
    Event(last);
    Event({{"type", "message_stop"}});
    return exchange_->End();
  }
  Json message = Head();
  message["content"] = std::move(content_);
  message.update(stop);
  message["usage"] = UsageJson();
  if (!receipt.is_null()) message["receipt"] = std::move(receipt);
  HttpResponse response = JsonResponse(message);
  response.headers.emplace_back("request-id", reply_.request_id);
  exchange_->Send(std::move(response));
}

const char* AnthropicSink::StopReason() const {
  const SampleResult& result = results()[0];
  if (result.reason == FinishReason::kLength) return "max_tokens";
  if (!result.calls.empty()) return "tool_use";
  return result.stop_string.empty() ? "end_turn" : "stop_sequence";
}

void AnthropicSink::Delta(Json delta) {
  Event({{"type", "content_block_delta"},
         {"index", content_.size() - 1},
         {"delta", std::move(delta)}});
}

void AnthropicSink::Event(const Json& event) {
  if (!reply_.stream) return;
  exchange_->Write(
      fmt::format("event: {}\ndata: {}\n\n", event["type"].get<std::string>(), DumpJson(event)));
}

Json AnthropicSink::Head() const {
  return {{"id", id_}, {"type", "message"}, {"role", "assistant"}, {"model", reply_.model}};
}

// Cached tokens are no input tokens in Anthropic's count; the thought is part of the output's.
Json AnthropicSink::UsageJson() const {
  const Usage u = usage();
  return {{"input_tokens", u.prompt_tokens - u.cached_tokens},
          {"cache_read_input_tokens", u.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"output_tokens", u.completion_tokens},
          {"output_tokens_details", {{"thinking_tokens", u.reasoning_tokens}}}};
}

}  // namespace aha
