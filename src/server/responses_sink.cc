#include "server/responses_sink.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/next_turn.h"
#include "server/random_id.h"

namespace aha {

using Kind = ResponseItem::Kind;

bool ResponseItem::open() const { return std::string_view(status) == "in_progress"; }

Json ResponseItem::ToJson() const {
  if (kind == Kind::kCall) {
    return {{"id", id},         {"type", "function_call"},
            {"status", status}, {"call_id", call_id},
            {"name", name},     {"arguments", open() ? "" : text}};
  }
  const Json content = open() ? Json::array() : Json::array({Part()});
  if (kind == Kind::kReasoning) {
    return {{"id", id},
            {"type", "reasoning"},
            {"status", status},
            {"summary", Json::array()},
            {"content", content}};
  }
  return {{"id", id},
          {"type", "message"},
          {"role", "assistant"},
          {"status", status},
          {"content", content}};
}

Json ResponseItem::Part() const {
  if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", logprobs}};
}

ResponsesSink::ResponsesSink(ResponseReply reply, ChatSpec spec, const PreparedChat& prepared,
                             ApiContext& context, ResponseStore& store,
                             std::shared_ptr<Exchange> exchange)
    : ChatSink(prepared),
      reply_(std::move(reply)),
      spec_(std::move(spec)),
      context_(context),
      store_(store),
      exchange_(std::move(exchange)),
      cache_salt_(prepared.generation.cache_salt),
      events_(std::make_shared<ResponseEvents>(/*keep=*/reply_.background)) {}

void ResponsesSink::Started(uint64_t generation) {
  context_.live.Add(reply_.id, reply_.owner, generation);
  if (reply_.stream) events_->Follow(exchange_, /*after=*/-1);
  if (!reply_.background) {
    exchange_->OnGone([this, host = context_.host, generation] {
      context_.live.Remove(reply_.id);
      host->Cancel(generation);
    });
  }
  if (reply_.store) store_.Add(reply_.id, Kept(Whole("in_progress"), reply_.input_messages));
  if (reply_.background && !reply_.stream) exchange_->Send(JsonResponse(Whole("in_progress")));
  Event("response.created", {{"response", Whole("in_progress")}});
  Event("response.in_progress", {{"response", Whole("in_progress")}});
}

void ResponsesSink::OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) {
  if (!event.thought.empty()) Grow(Kind::kReasoning, event.thought);
  if (spec_.logprobs) {
    std::ranges::copy_if(event.tokens, std::back_inserter(untold_),
                         [](const GeneratedToken& token) { return !token.thought; });
  }
  if (!event.answer.empty()) Grow(Kind::kMessage, event.answer);
  // The tokens of a call are not the message's.
  if (!calls.empty()) untold_.clear();
  for (const ToolCallDelta& call : calls) {
    if (items_.empty() || items_.back().call != call.index) {
      Open({.kind = Kind::kCall,
            .id = RandomId("fc_"),
            .name = call.name,
            .call_id = call.id,
            .call = call.index});
    }
    Grow(Kind::kCall, call.arguments);
  }
}

void ResponsesSink::Grow(Kind kind, const std::string& text) {
  if (items_.empty() || !items_.back().open() || items_.back().kind != kind) {
    Open({.kind = kind, .id = RandomId(kind == Kind::kReasoning ? "rs_" : "msg_")});
  }
  items_.back().text += text;
  if (text.empty()) return;
  switch (kind) {
    case Kind::kReasoning:
      return PartEvent("response.reasoning_text.delta", {{"delta", text}});
    case Kind::kMessage: {
      Json logprobs = LogprobsJson(std::exchange(untold_, {}), /*thought=*/false);
      Json& all = items_.back().logprobs;
      all.insert(all.end(), logprobs.begin(), logprobs.end());
      return PartEvent("response.output_text.delta",
                       {{"delta", text}, {"logprobs", std::move(logprobs)}});
    }
    case Kind::kCall:
      return ItemEvent("response.function_call_arguments.delta", {{"delta", text}});
  }
}

void ResponsesSink::Open(ResponseItem item) {
  Close("completed");
  items_.push_back(std::move(item));
  Event("response.output_item.added",
        {{"output_index", items_.size() - 1}, {"item", items_.back().ToJson()}});
  if (items_.back().kind != Kind::kCall) {
    PartEvent("response.content_part.added", {{"part", items_.back().Part()}});
  }
}

void ResponsesSink::Close(const char* status) {
  if (items_.empty() || !items_.back().open()) return;
  ResponseItem& item = items_.back();
  item.status = status;
  switch (item.kind) {
    case Kind::kReasoning:
      PartEvent("response.reasoning_text.done", {{"text", item.text}});
      break;
    case Kind::kMessage:
      PartEvent("response.output_text.done", {{"text", item.text}, {"logprobs", item.logprobs}});
      break;
    case Kind::kCall:
      ItemEvent("response.function_call_arguments.done",
                {{"name", item.name}, {"arguments", item.text}});
      break;
  }
  if (item.kind != Kind::kCall) PartEvent("response.content_part.done", {{"part", item.Part()}});
  Event("response.output_item.done",
        {{"output_index", items_.size() - 1}, {"item", item.ToJson()}});
}

void ResponsesSink::OnEnd() {
  context_.live.Remove(reply_.id);
  const SampleResult& result = results()[0];
  const bool whole = result.reason == FinishReason::kStop;
  const bool failed = result.reason == FinishReason::kError;
  if (!failed && items_.empty()) Grow(Kind::kMessage, "");
  Close(whole ? "completed" : "incomplete");
  Json response = Whole(whole                                       ? "completed"
                        : failed                                    ? "failed"
                        : result.reason == FinishReason::kCancelled ? "cancelled"
                                                                    : "incomplete");
  const ApiError error = NotFiniteError();
  if (failed) {
    response["error"] = {{"code", "server_error"}, {"message", error.message}};
  } else {
    WarmAfter(context_, spec_, result, shared_model(), cache_salt_);
  }
  if (Json receipt = Receipt(); !receipt.is_null()) response["receipt"] = std::move(receipt);
  if (result.reason == FinishReason::kLength) {
    response["incomplete_details"] = {{"reason", "max_output_tokens"}};
  }
  if (!reply_.stream && !reply_.background) {
    exchange_->Send(failed ? error.ToResponse() : JsonResponse(response));
  }
  // One that was cancelled is told of as cut off: clients know no event of its own for it.
  Event(whole    ? "response.completed"
        : failed ? "response.failed"
                 : "response.incomplete",
        {{"response", response}});
  events_->End();
  // Once its events are all there, for they count in the store.
  if (reply_.store) store_.Replace(reply_.id, Kept(std::move(response), Messages()));
}

StoredResponse ResponsesSink::Kept(Json response, Json messages) const {
  return {.owner = reply_.owner,
          .response = std::move(response),
          .messages = std::move(messages),
          .input = reply_.input,
          .events = reply_.background ? events_ : nullptr};
}

Json ResponsesSink::Messages() const {
  const SampleResult& result = results()[0];
  Json messages = reply_.input_messages;
  if (result.reason == FinishReason::kError) return messages;
  Json message = {{"role", "assistant"}, {"content", result.answer}};
  if (!result.thought.empty()) message["reasoning_content"] = result.thought;
  for (const ToolCall& call : result.calls) message["tool_calls"].push_back(call.ToJson());
  messages.push_back(std::move(message));
  return messages;
}

Json ResponsesSink::Whole(const char* status) const {
  Json out = reply_.object;
  out["status"] = status;
  out["incomplete_details"] = nullptr;
  out["output"] = Json::array();
  for (const ResponseItem& item : items_) out["output"].push_back(item.ToJson());
  out["usage"] = std::string_view(status) == "in_progress" ? Json(nullptr) : UsageJson();
  return out;
}

Json ResponsesSink::UsageJson() const {
  const Usage u = usage();
  return {{"input_tokens", u.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", u.cached_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", u.completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", u.reasoning_tokens}}},
          {"total_tokens", u.prompt_tokens + u.completion_tokens}};
}

void ResponsesSink::Event(const char* type, Json fields) { events_->Add(type, std::move(fields)); }

// Of the last item.
void ResponsesSink::ItemEvent(const char* type, Json fields) {
  fields["item_id"] = items_.back().id;
  fields["output_index"] = items_.size() - 1;
  Event(type, std::move(fields));
}

// Of its only part.
void ResponsesSink::PartEvent(const char* type, Json fields) {
  fields["content_index"] = 0;
  ItemEvent(type, std::move(fields));
}

}  // namespace aha
