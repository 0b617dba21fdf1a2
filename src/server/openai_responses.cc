#include "server/openai_responses.h"

#include "server/chat_sink.h"
#include "server/limits.h"
#include "server/next_turn.h"
#include "server/openai_chat.h"
#include "server/random_id.h"
#include "server/request_fields.h"
#include "server/unix_time.h"

namespace aha {
namespace {

std::string StringAt(const Json& object, const char* key) {
  const Json* value = FindKey(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

// The words of a reasoning item: its content, or else its summary.
std::string ThoughtOf(const Json& item) {
  std::string text;
  for (const char* key : {"content", "summary"}) {
    const Json* parts = FindKey(item, key);
    if (parts == nullptr || !parts->is_array() || !text.empty()) continue;
    for (const Json& part : *parts) {
      if (part.is_object()) text += StringAt(part, "text");
    }
  }
  return text;
}

// What a response is, whoever asks for it, and how far its stream has come.
struct ResponseState {
  Json object;  // without output and usage
  std::string id;
  Json input_messages;  // with those before
  bool store = true;
  bool stream = false;
};

class ResponseSink : public ChatSink {
 public:
  ResponseSink(ResponseState state, ChatSpec spec, const PreparedChat& prepared,
               ApiContext& context, ResponseStore& store, std::string owner,
               std::shared_ptr<Exchange> exchange)
      : ChatSink(prepared),
        state_(std::move(state)),
        spec_(std::move(spec)),
        context_(context),
        store_(store),
        owner_(std::move(owner)),
        exchange_(std::move(exchange)),
        cache_salt_(prepared.generation.cache_salt) {}

  void Started(uint64_t generation) {
    context_.live.Add(state_.id, owner_, generation);
    exchange_->OnGone([this, host = context_.host, generation] {
      context_.live.Remove(state_.id);
      host->Cancel(generation);
    });
    if (!state_.stream) return;
    exchange_->Begin(
        {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}});
    Event("response.created", {{"response", Whole("in_progress", nullptr)}});
    Event("response.in_progress", {{"response", Whole("in_progress", nullptr)}});
  }

 private:
  // An item of the output. Those of a stream are told of as they grow.
  struct Item {
    enum class Kind { kReasoning, kMessage, kCall } kind;
    std::string id, text, name, call_id;  // text: the thought, the answer, or the arguments
    int32_t call = -1;
    bool done = false;

    Json ToJson() const {
      const char* status = done ? "completed" : "in_progress";
      switch (kind) {
        case Kind::kReasoning: {
          Json content = Json::array();
          if (done) content.push_back(Part());
          return {{"id", id},
                  {"type", "reasoning"},
                  {"status", status},
                  {"summary", Json::array()},
                  {"content", std::move(content)}};
        }
        case Kind::kMessage: {
          Json content = Json::array();
          if (done) content.push_back(Part());
          return {{"id", id},
                  {"type", "message"},
                  {"role", "assistant"},
                  {"status", status},
                  {"content", std::move(content)}};
        }
        case Kind::kCall:
          return {{"id", id},         {"type", "function_call"},
                  {"status", status}, {"call_id", call_id},
                  {"name", name},     {"arguments", done ? text : ""}};
      }
      return nullptr;
    }
    Json Part() const {
      if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
      return {{"type", "output_text"},
              {"text", text},
              {"annotations", Json::array()},
              {"logprobs", Json::array()}};
    }
  };

  void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) override {
    if (!event.thought.empty()) Grow(Item::Kind::kReasoning, event.thought);
    if (!event.answer.empty()) Grow(Item::Kind::kMessage, event.answer);
    for (const ToolCallDelta& call : calls) {
      if (items_.empty() || items_.back().call != call.index) {
        Open({.kind = Item::Kind::kCall,
              .id = RandomId("fc_"),
              .text = {},
              .name = call.name,
              .call_id = call.id,
              .call = call.index});
      }
      Grow(Item::Kind::kCall, call.arguments);
    }
  }

  void Grow(Item::Kind kind, const std::string& text) {
    if (items_.empty() || items_.back().done || items_.back().kind != kind) {
      Open({.kind = kind,
            .id = RandomId(kind == Item::Kind::kReasoning ? "rs_" : "msg_"),
            .text = {},
            .name = {},
            .call_id = {}});
    }
    Item& item = items_.back();
    item.text += text;
    if (!state_.stream || text.empty()) return;
    switch (kind) {
      case Item::Kind::kReasoning:
        Part("response.reasoning_text.delta", {{"delta", text}});
        break;
      case Item::Kind::kMessage:
        Part("response.output_text.delta", {{"delta", text}, {"logprobs", Json::array()}});
        break;
      case Item::Kind::kCall:
        Where("response.function_call_arguments.delta", {{"delta", text}});
        break;
    }
  }

  void Open(Item item) {
    Close();
    items_.push_back(std::move(item));
    if (!state_.stream) return;
    Event("response.output_item.added",
          {{"output_index", items_.size() - 1}, {"item", items_.back().ToJson()}});
    if (items_.back().kind != Item::Kind::kCall) {
      Part("response.content_part.added", {{"part", items_.back().Part()}});
    }
  }

  void Close() {
    if (items_.empty() || items_.back().done) return;
    Item& item = items_.back();
    item.done = true;
    if (!state_.stream) return;
    switch (item.kind) {
      case Item::Kind::kReasoning:
        Part("response.reasoning_text.done", {{"text", item.text}});
        Part("response.content_part.done", {{"part", item.Part()}});
        break;
      case Item::Kind::kMessage:
        Part("response.output_text.done", {{"text", item.text}, {"logprobs", Json::array()}});
        Part("response.content_part.done", {{"part", item.Part()}});
        break;
      case Item::Kind::kCall:
        Where("response.function_call_arguments.done",
              {{"name", item.name}, {"arguments", item.text}});
        break;
    }
    Event("response.output_item.done",
          {{"output_index", items_.size() - 1}, {"item", item.ToJson()}});
  }

  void OnEnd() override {
    context_.live.Remove(state_.id);
    const SampleResult& result = results()[0];
    const bool failed = result.reason == FinishReason::kError;
    if (!failed && items_.empty()) Grow(Item::Kind::kMessage, "");
    Close();
    Json details = nullptr;
    const char* status = "completed";
    if (result.reason == FinishReason::kLength) {
      status = "incomplete";
      details = {{"reason", "max_output_tokens"}};
    } else if (result.reason == FinishReason::kCancelled) {
      status = "cancelled";
    } else if (failed) {
      status = "failed";
    }
    Json response = Whole(status, std::move(details));
    if (failed) {
      response["error"] = {{"code", "server_error"},
                           {"message", "the model's logits are not finite"}};
    }
    if (!failed) WarmAfter(context_, spec_, result, shared_model(), cache_salt_);
    if (state_.store) Keep(response, result);
    if (!state_.stream) return exchange_->Send(JsonResponse(response, failed ? 500 : 200));
    const char* event = failed                                   ? "response.failed"
                        : result.reason == FinishReason::kLength ? "response.incomplete"
                                                                 : "response.completed";
    Event(event, {{"response", std::move(response)}});
    exchange_->End();
  }

  void Keep(const Json& response, const SampleResult& result) {
    Json message = {{"role", "assistant"}, {"content", result.answer}};
    if (!result.thought.empty()) message["reasoning_content"] = result.thought;
    for (const ToolCall& call : result.calls) message["tool_calls"].push_back(call.ToJson());
    Json messages = state_.input_messages;
    messages.push_back(std::move(message));
    store_.Put(state_.id, {owner_, response, std::move(messages)});
  }

  Json Whole(const char* status, Json incomplete) const {
    Json out = state_.object;
    out["status"] = status;
    out["incomplete_details"] = std::move(incomplete);
    out["output"] = Json::array();
    for (const Item& item : items_) out["output"].push_back(item.ToJson());
    const Usage u = usage();
    out["usage"] = std::string_view(status) == "in_progress"
                       ? Json(nullptr)
                       : Json{{"input_tokens", u.prompt_tokens},
                              {"input_tokens_details",
                               {{"cached_tokens", u.cached_tokens}, {"cache_write_tokens", 0}}},
                              {"output_tokens", u.completion_tokens},
                              {"output_tokens_details", {{"reasoning_tokens", u.reasoning_tokens}}},
                              {"total_tokens", u.prompt_tokens + u.completion_tokens}};
    return out;
  }

  // Of the last item, and of its only part.
  void Where(const char* type, Json fields) {
    fields["item_id"] = items_.back().id;
    fields["output_index"] = items_.size() - 1;
    Event(type, std::move(fields));
  }
  void Part(const char* type, Json fields) {
    fields["content_index"] = 0;
    Where(type, std::move(fields));
  }
  void Event(const char* type, Json fields) {
    fields["type"] = type;
    fields["sequence_number"] = sequence_++;
    exchange_->Write(fmt::format("event: {}\ndata: {}\n\n", type, DumpJson(fields)));
  }

  ResponseState state_;
  ChatSpec spec_;
  ApiContext& context_;
  ResponseStore& store_;
  std::string owner_;
  std::shared_ptr<Exchange> exchange_;
  uint64_t cache_salt_;
  std::vector<Item> items_;
  int64_t sequence_ = 0;
};

struct Asked {
  ResponseState state;
  ChatSpec spec;
  PreparedChat prepared;
};

// What the response says back of its request.
Json ObjectOf(const Json& body, const std::string& id, const std::string& model,
              const SamplingParams& sampling) {
  Json out = {{"id", id},
              {"object", "response"},
              {"created_at", UnixTime()},
              {"model", model},
              {"error", nullptr},
              {"temperature", sampling.temperature},
              {"top_p", sampling.top_p},
              {"parallel_tool_calls", true},
              {"tool_choice", "auto"},
              {"tools", Json::array()},
              {"truncation", "disabled"},
              {"store", true},
              {"background", false},
              {"text", {{"format", {{"type", "text"}}}}},
              {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
              {"metadata", Json::object()},
              {"instructions", nullptr},
              {"max_output_tokens", nullptr},
              {"previous_response_id", nullptr},
              {"user", nullptr}};
  for (const char* key :
       {"parallel_tool_calls", "tool_choice", "tools", "store", "text", "reasoning", "metadata",
        "instructions", "max_output_tokens", "previous_response_id", "user"}) {
    const Json* value = FindKey(body, key);
    if (value != nullptr && !value->is_null()) out[key] = *value;
  }
  return out;
}

ApiResult<Asked> Read(const HttpRequest& request, ApiContext& context, ResponseStore& store) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  Asked out;
  RequestFields f(*body);
  std::string previous;
  bool background = false;
  f.Read("previous_response_id", &previous, 200);
  f.Read("store", &out.state.store);
  f.Read("stream", &out.state.stream);
  f.Read("background", &background);
  if (f.failed()) return f.error();
  if (background) return BadField("background", "background is not possible here");
  Json before = Json::array();
  if (!previous.empty()) {
    std::optional<StoredResponse> found = store.Find(request.owner, previous);
    if (!found) {
      ApiError error = NotFoundError(
          fmt::format("there is no response '{}' to go on from", previous.substr(0, 80)),
          "previous_response_not_found");
      error.param = "previous_response_id";
      return error;
    }
    before = std::move(found->messages);
  }
  ApiResult<Json> chat = ChatBodyOfResponses(*body, before);
  if (!chat.ok()) return chat.error();
  ApiResult<ChatSpec> spec = ParseOpenAiChat(*chat);
  if (!spec.ok()) return spec.error();
  out.spec = std::move(*spec);
  out.state.input_messages = out.spec.messages;
  // Instructions hold for one response; the next has its own.
  if (!StringAt(*body, "instructions").empty()) out.state.input_messages.erase(0);
  ApiResult<PreparedChat> prepared =
      PrepareChat(out.spec, *context.host, context.CallerOf(request, out.spec.user_id));
  if (!prepared.ok()) return prepared.error();
  out.prepared = std::move(*prepared);
  out.state.id = RandomId("resp_");
  out.state.object = ObjectOf(*body, out.state.id, out.prepared.generation.model->id,
                              out.prepared.generation.sampling);
  return out;
}

void HandleCreate(ApiContext& context, ResponseStore& store, HttpRequest request,
                  std::shared_ptr<Exchange> exchange) {
  context.Prepare([&context, &store, request] { return Read(request, context, store); },
                  [&context, &store, owner = request.owner, exchange](ApiResult<Asked> asked) {
                    if (!asked.ok()) return exchange->Send(asked.error().ToResponse());
                    auto sink = std::make_shared<ResponseSink>(std::move(asked->state), asked->spec,
                                                               asked->prepared, context, store,
                                                               owner, exchange);
                    const Result<uint64_t> id =
                        context.host->Start(std::move(asked->prepared.generation), sink);
                    if (!id.ok()) return exchange->Send(Overloaded(id.status()).ToResponse());
                    sink->Started(*id);
                  });
}

ApiError Unknown(const std::string& id) {
  return NotFoundError(fmt::format("there is no response '{}'", id.substr(0, 80)),
                       "response_not_found");
}

}  // namespace

ApiResult<Json> MessagesOfInput(const Json& input) {
  Json messages = Json::array();
  if (input.is_string()) {
    messages.push_back({{"role", "user"}, {"content", input}});
    return messages;
  }
  if (!input.is_array() || input.empty()) {
    return BadField("input", "input must be a text, or a list with at least one item");
  }
  std::string thought;
  // Thought, text and calls of one answer are items of their own here, and one message there.
  const auto assistant = [&]() -> Json& {
    if (messages.empty() || messages.back()["role"] != "assistant" || !thought.empty()) {
      messages.push_back({{"role", "assistant"}, {"content", ""}});
      if (!thought.empty()) messages.back()["reasoning_content"] = std::exchange(thought, "");
    }
    return messages.back();
  };
  for (size_t i = 0; i < input.size(); ++i) {
    const Json& item = input[i];
    const std::string where = fmt::format("input[{}]", i);
    if (!item.is_object()) return BadField(where, "{} must be an object", where);
    const std::string type = StringAt(item, "type");
    if (type == "reasoning") {
      thought += ThoughtOf(item);
    } else if (type == "function_call") {
      assistant()["tool_calls"].push_back(
          {{"id", StringAt(item, "call_id")},
           {"type", "function"},
           {"function",
            {{"name", StringAt(item, "name")}, {"arguments", StringAt(item, "arguments")}}}});
    } else if (type == "function_call_output") {
      const Json* output = FindKey(item, "output");
      messages.push_back({{"role", "tool"},
                          {"tool_call_id", StringAt(item, "call_id")},
                          {"content", output == nullptr ? Json("") : *output}});
    } else if (type == "message" || type.empty()) {
      const std::string role = StringAt(item, "role");
      const Json* content = FindKey(item, "content");
      if (role == "assistant" && !thought.empty()) {
        assistant()["content"] = content == nullptr ? Json("") : *content;
        continue;
      }
      Json message = {{"role", role}};
      if (content != nullptr) message["content"] = *content;
      messages.push_back(std::move(message));
    } else {
      return BadField(where + ".type",
                      "{}.type is '{}': message, reasoning, function_call and "
                      "function_call_output are understood here",
                      where, type.substr(0, 40));
    }
  }
  return messages;
}

ApiResult<Json> ChatBodyOfResponses(const Json& body, const Json& before) {
  Json out = Json::object();
  RequestFields f(body);
  std::string instructions;
  f.Read("instructions", &instructions, limits::kBodyBytes);
  if (f.failed()) return f.error();
  Json& messages = out["messages"] = Json::array();
  if (!instructions.empty()) messages.push_back({{"role", "system"}, {"content", instructions}});
  for (const Json& message : before) messages.push_back(message);
  const Json* input = f.Find("input");
  if (input == nullptr) return BadField("input", "input is missing");
  ApiResult<Json> added = MessagesOfInput(*input);
  if (!added.ok()) return added.error();
  for (Json& message : *added) messages.push_back(std::move(message));
  for (const auto& [from, to] : {std::pair{"model", "model"},
                                 {"temperature", "temperature"},
                                 {"top_p", "top_p"},
                                 {"max_output_tokens", "max_tokens"},
                                 {"parallel_tool_calls", "parallel_tool_calls"},
                                 {"user", "user"},
                                 {"seed", "seed"},
                                 {"chat_template_kwargs", "chat_template_kwargs"}}) {
    if (const Json* value = f.Find(from)) out[to] = *value;
  }
  if (const Json* tools = f.Find("tools"); tools != nullptr && !tools->empty()) {
    if (!tools->is_array()) return BadField("tools", "tools must be a list");
    for (size_t i = 0; i < tools->size(); ++i) {
      Json function = (*tools)[i];
      if (!function.is_object() || StringAt(function, "type") != "function") {
        return BadField(fmt::format("tools[{}].type", i),
                        "tools[{}] must be of type function: others need a service elsewhere", i);
      }
      function.erase("type");
      out["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
    }
  }
  if (const Json* choice = f.Find("tool_choice")) {
    out["tool_choice"] =
        choice->is_object()
            ? Json{{"type", "function"}, {"function", {{"name", StringAt(*choice, "name")}}}}
            : *choice;
  }
  if (const Json* text = f.Find("text"); text != nullptr && text->is_object()) {
    if (const Json* format = FindKey(*text, "format"); format != nullptr && format->is_object()) {
      out["response_format"] = *format;  // {type, name, schema}: the schema stands in it
    }
  }
  if (const Json* reasoning = f.Find("reasoning"); reasoning != nullptr && reasoning->is_object()) {
    if (const Json* effort = FindKey(*reasoning, "effort")) out["reasoning_effort"] = *effort;
  }
  return out;
}

void AddOpenAiResponses(Router& router, ApiContext& context, ResponseStore& store) {
  AddV1(router, "POST", "/responses",
        [&context, &store](const HttpRequest& request, std::vector<std::string>,
                           std::shared_ptr<Exchange> exchange) {
          HandleCreate(context, store, request, std::move(exchange));
        });
  AddV1(router, "GET", "/responses/*",
        [&store](const HttpRequest& request, std::vector<std::string> parts,
                 std::shared_ptr<Exchange> exchange) {
          const std::optional<StoredResponse> found = store.Find(request.owner, parts[0]);
          exchange->Send(found ? JsonResponse(found->response) : Unknown(parts[0]).ToResponse());
        });
  AddV1(router, "DELETE", "/responses/*",
        [&store](const HttpRequest& request, std::vector<std::string> parts,
                 std::shared_ptr<Exchange> exchange) {
          if (!store.Remove(request.owner, parts[0])) {
            return exchange->Send(Unknown(parts[0]).ToResponse());
          }
          exchange->Send(
              JsonResponse({{"id", parts[0]}, {"object", "response.deleted"}, {"deleted", true}}));
        });
  AddV1(router, "POST", "/responses/*/cancel",
        [&context](const HttpRequest& request, std::vector<std::string> parts,
                   std::shared_ptr<Exchange> exchange) {
          const std::optional<uint64_t> live = context.live.Find(parts[0], request.owner);
          if (!live) return exchange->Send(Unknown(parts[0]).ToResponse());
          context.host->Cancel(*live);
          exchange->Send(
              JsonResponse({{"id", parts[0]}, {"object", "response"}, {"status", "cancelled"}}));
        });
}

}  // namespace aha
