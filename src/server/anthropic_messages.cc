#include "server/anthropic_messages.h"

#include "server/chat_sink.h"
#include "server/limits.h"
#include "server/next_turn.h"
#include "server/openai_chat.h"
#include "server/random_id.h"
#include "server/request_fields.h"

namespace aha {
namespace {

// --- the request, in OpenAI's words ---

std::string TypeOf(const Json& block) {
  const Json* type = block.is_object() ? FindKey(block, "type") : nullptr;
  return type != nullptr && type->is_string() ? type->get<std::string>() : "";
}

// A string, or text blocks joined.
ApiResult<std::string> TextOf(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return BadField(where, "{} must be a string or a list of blocks", where);
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const Json* value = content[i].is_object() ? FindKey(content[i], "text") : nullptr;
    if (TypeOf(content[i]) != "text" || value == nullptr || !value->is_string()) {
      return BadField(at, "{} is of type '{}': only text is understood here", at,
                      TypeOf(content[i]).substr(0, 40));
    }
    text += value->get<std::string>();
  }
  return text;
}

std::string StringAt(const Json& object, const char* key) {
  const Json* value = FindKey(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::optional<ApiError> AddUser(const Json& content, const std::string& where, Json* messages) {
  if (content.is_string()) {
    messages->push_back({{"role", "user"}, {"content", content}});
    return std::nullopt;
  }
  if (!content.is_array()) return BadField(where, "{} must be a string or a list of blocks", where);
  std::string text;
  bool any_text = false;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& block = content[i];
    const std::string at = fmt::format("{}[{}]", where, i);
    const std::string type = TypeOf(block);
    if (type == "tool_result") {
      const Json* result = FindKey(block, "content");
      ApiResult<std::string> words =
          result == nullptr ? ApiResult<std::string>("") : TextOf(*result, at + ".content");
      if (!words.ok()) return words.error();
      messages->push_back({{"role", "tool"},
                           {"tool_call_id", StringAt(block, "tool_use_id")},
                           {"content", *words}});
      continue;
    }
    ApiResult<std::string> words = TextOf(Json::array({block}), at);
    if (!words.ok()) {
      return BadField(at, "{} is of type '{}': text and tool_result are understood here", at,
                      type.substr(0, 40));
    }
    text += *words;
    any_text = true;
  }
  if (any_text) messages->push_back({{"role", "user"}, {"content", text}});
  return std::nullopt;
}

std::optional<ApiError> AddAssistant(const Json& content, const std::string& where,
                                     Json* messages) {
  Json message = {{"role", "assistant"}, {"content", ""}};
  if (content.is_string()) {
    message["content"] = content;
    messages->push_back(std::move(message));
    return std::nullopt;
  }
  if (!content.is_array()) return BadField(where, "{} must be a string or a list of blocks", where);
  std::string text, thought;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& block = content[i];
    const std::string at = fmt::format("{}[{}]", where, i), type = TypeOf(block);
    if (type == "text") {
      text += StringAt(block, "text");
    } else if (type == "thinking") {
      thought += StringAt(block, "thinking");
    } else if (type == "tool_use") {
      const Json* input = FindKey(block, "input");
      message["tool_calls"].push_back(
          {{"id", StringAt(block, "id")},
           {"type", "function"},
           {"function",
            {{"name", StringAt(block, "name")},
             {"arguments", input == nullptr ? std::string("{}") : DumpJson(*input)}}}});
    } else if (type != "redacted_thinking") {
      return BadField(at, "{} is of type '{}': text, thinking and tool_use are understood here", at,
                      type.substr(0, 40));
    }
  }
  message["content"] = text;
  if (!thought.empty()) message["reasoning_content"] = thought;
  messages->push_back(std::move(message));
  return std::nullopt;
}

std::optional<ApiError> AddTools(const Json& body, Json* out) {
  if (const Json* tools = FindKey(body, "tools"); tools != nullptr && !tools->is_null()) {
    if (!tools->is_array()) return BadField("tools", "tools must be a list");
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json& tool = (*tools)[i];
      const std::string type = TypeOf(tool);
      if (!tool.is_object() || (!type.empty() && type != "custom")) {
        return BadField(fmt::format("tools[{}]", i),
                        "tools[{}] is of type '{}': tools of the client are possible", i,
                        type.substr(0, 40));
      }
      Json function = {{"name", StringAt(tool, "name")}};
      if (const Json* about = FindKey(tool, "description")) function["description"] = *about;
      if (const Json* schema = FindKey(tool, "input_schema")) function["parameters"] = *schema;
      (*out)["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
    }
  }
  const Json* choice = FindKey(body, "tool_choice");
  if (choice == nullptr || choice->is_null()) return std::nullopt;
  const std::string type = TypeOf(*choice);
  if (type == "auto" || type == "none") {
    (*out)["tool_choice"] = type;
  } else if (type == "any") {
    (*out)["tool_choice"] = "required";
  } else if (type == "tool") {
    (*out)["tool_choice"] = {{"type", "function"},
                             {"function", {{"name", StringAt(*choice, "name")}}}};
  } else {
    return BadField("tool_choice",
                    "tool_choice.type is '{}': auto, any, none and tool are possible",
                    type.substr(0, 40));
  }
  const Json* serial = FindKey(*choice, "disable_parallel_tool_use");
  if (serial != nullptr && *serial == true) (*out)["parallel_tool_calls"] = false;
  return std::nullopt;
}

// --- the answer ---

class AnthropicMessage : public ChatSink {
 public:
  AnthropicMessage(ChatSpec spec, std::string asked_model, bool stream,
                   const PreparedChat& prepared, ApiContext& context, std::string owner,
                   std::shared_ptr<Exchange> exchange)
      : ChatSink(prepared),
        spec_(std::move(spec)),
        model_(std::move(asked_model)),
        stream_(stream),
        context_(context),
        owner_(std::move(owner)),
        exchange_(std::move(exchange)),
        cache_salt_(prepared.generation.cache_salt) {}

  void Started(uint64_t generation) {
    context_.live.Add(id_, owner_, generation);
    exchange_->OnGone([this, host = context_.host, generation] {
      context_.live.Remove(id_);
      host->Cancel(generation);
    });
    if (!stream_) return;
    exchange_->Begin(
        {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}});
    Json message = Head();
    message["content"] = Json::array();
    message["stop_reason"] = nullptr;
    message["stop_sequence"] = nullptr;
    message["usage"] = UsageJson();
    Event({{"type", "message_start"}, {"message", std::move(message)}});
    Event({{"type", "ping"}});
  }

 private:
  enum class Block { kNone, kThinking, kText, kTool };

  void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) override {
    if (!stream_) return;
    if (!event.thought.empty()) {
      Enter(Block::kThinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
      Delta({{"type", "thinking_delta"}, {"thinking", event.thought}});
    }
    if (!event.answer.empty()) {
      Enter(Block::kText, {{"type", "text"}, {"text", ""}});
      Delta({{"type", "text_delta"}, {"text", event.answer}});
    }
    for (const ToolCallDelta& call : calls) {
      if (block_ != Block::kTool || call.index != call_) {
        Leave();
        call_ = call.index;
        Enter(Block::kTool, {{"type", "tool_use"},
                             {"id", call.id},
                             {"name", call.name},
                             {"input", Json::object()}});
      }
      if (!call.arguments.empty()) {
        Delta({{"type", "input_json_delta"}, {"partial_json", call.arguments}});
      }
    }
  }

  void OnEnd() override {
    context_.live.Remove(id_);
    const SampleResult& result = results()[0];
    if (result.reason == FinishReason::kError) {
      const ApiError error{.status = 500, .message = "the model's logits are not finite"};
      if (!stream_) return exchange_->Send(AnthropicError(error));
      Event(ParseJson(AnthropicError(error).body).value());
      return exchange_->End();
    }
    WarmAfter(context_, spec_, result, shared_model(), cache_salt_);
    const Json stop = {
        {"stop_reason", StopReason(result)},
        {"stop_sequence", result.stop_string.empty() ? Json(nullptr) : Json(result.stop_string)}};
    if (stream_) {
      // An answer without any text has an empty block: clients look at the first one.
      if (index_ < 0) Enter(Block::kText, {{"type", "text"}, {"text", ""}});
      Leave();
      Event({{"type", "message_delta"}, {"delta", stop}, {"usage", UsageJson()}});
      Event({{"type", "message_stop"}});
      return exchange_->End();
    }
    Json message = Head();
    message["content"] = Content(result);
    message.update(stop);
    message["usage"] = UsageJson();
    exchange_->Send(JsonResponse(message));
  }

  static Json Content(const SampleResult& result) {
    Json content = Json::array();
    if (!result.thought.empty()) {
      content.push_back(
          {{"type", "thinking"}, {"thinking", result.thought}, {"signature", kSignature}});
    }
    if (!result.answer.empty() || (result.calls.empty() && content.empty())) {
      content.push_back({{"type", "text"}, {"text", result.answer}});
    }
    for (const ToolCall& call : result.calls) {
      const Result<Json> input = ParseJson(call.arguments);
      content.push_back({{"type", "tool_use"},
                         {"id", call.id},
                         {"name", call.name},
                         {"input", input.ok() ? *input : Json::object()}});
    }
    return content;
  }

  static const char* StopReason(const SampleResult& result) {
    if (!result.calls.empty()) return "tool_use";
    if (!result.stop_string.empty()) return "stop_sequence";
    return result.reason == FinishReason::kLength ? "max_tokens" : "end_turn";
  }

  void Enter(Block block, Json start) {
    if (block_ == block) return;
    Leave();
    block_ = block;
    Event({{"type", "content_block_start"},
           {"index", ++index_},
           {"content_block", std::move(start)}});
  }
  void Leave() {
    if (block_ == Block::kNone) return;
    if (block_ == Block::kThinking) {
      Delta({{"type", "signature_delta"}, {"signature", kSignature}});
    }
    Event({{"type", "content_block_stop"}, {"index", index_}});
    block_ = Block::kNone;
  }
  void Delta(Json delta) {
    Event({{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(delta)}});
  }
  void Event(const Json& event) {
    exchange_->Write(
        fmt::format("event: {}\ndata: {}\n\n", event["type"].get<std::string>(), DumpJson(event)));
  }

  Json Head() const {
    return {{"id", id_}, {"type", "message"}, {"role", "assistant"}, {"model", model_}};
  }
  // Cached tokens are no input tokens in Anthropic's count.
  Json UsageJson() const {
    const Usage u = usage();
    return {{"input_tokens", u.prompt_tokens - u.cached_tokens},
            {"cache_read_input_tokens", u.cached_tokens},
            {"cache_creation_input_tokens", 0},
            {"output_tokens", u.completion_tokens}};
  }

  // Thoughts are plain text here; the field is there because clients send it back.
  static constexpr char kSignature[] = "local";

  ChatSpec spec_;
  std::string model_;
  bool stream_;
  ApiContext& context_;
  std::string owner_;
  std::shared_ptr<Exchange> exchange_;
  uint64_t cache_salt_;
  std::string id_ = RandomId("msg_");
  Block block_ = Block::kNone;
  int index_ = -1, call_ = -1;
};

struct Asked {
  ChatSpec spec;
  std::string model;  // as the client calls it
  bool stream = false;
  PreparedChat prepared;
};

ApiResult<Asked> Read(const HttpRequest& request, ApiContext& context, bool counting) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<Json> chat = ChatBodyOfAnthropic(*body, counting);
  if (!chat.ok()) return chat.error();
  ApiResult<ChatSpec> spec = ParseOpenAiChat(*chat);
  if (!spec.ok()) return spec.error();
  Asked out{.spec = std::move(*spec), .model = StringAt(*body, "model")};
  RequestFields f(*body);
  f.Read("stream", &out.stream);
  if (f.failed()) return f.error();
  ApiResult<PreparedChat> prepared =
      PrepareChat(out.spec, *context.host, context.CallerOf(request, out.spec.user_id));
  if (!prepared.ok()) return prepared.error();
  out.prepared = std::move(*prepared);
  if (out.model.empty()) out.model = out.prepared.generation.model->id;
  return out;
}

void HandleMessages(ApiContext& context, HttpRequest request, std::shared_ptr<Exchange> exchange) {
  context.Prepare([&context, request] { return Read(request, context, /*counting=*/false); },
                  [&context, owner = request.owner, exchange](ApiResult<Asked> asked) {
                    if (!asked.ok()) return exchange->Send(AnthropicError(asked.error()));
                    auto sink = std::make_shared<AnthropicMessage>(asked->spec, asked->model,
                                                                   asked->stream, asked->prepared,
                                                                   context, owner, exchange);
                    const Result<uint64_t> id =
                        context.host->Start(std::move(asked->prepared.generation), sink);
                    if (!id.ok()) return exchange->Send(AnthropicError(Overloaded(id.status())));
                    sink->Started(*id);
                  });
}

void HandleCount(ApiContext& context, HttpRequest request, std::shared_ptr<Exchange> exchange) {
  context.Prepare(
      [&context, request] { return Read(request, context, /*counting=*/true); },
      [exchange](ApiResult<Asked> asked) {
        if (!asked.ok()) return exchange->Send(AnthropicError(asked.error()));
        exchange->Send(JsonResponse({{"input_tokens", asked->prepared.generation.prompt.size()}}));
      });
}

}  // namespace

ApiResult<Json> ChatBodyOfAnthropic(const Json& body, bool counting) {
  Json out = Json::object();
  RequestFields f(body);
  std::string model;
  int64_t max_tokens = 0;
  f.Read("model", &model, 1024);
  f.Read("max_tokens", &max_tokens, 1, limits::kMaxTokens);
  if (f.failed()) return f.error();
  if (max_tokens == 0 && !counting) return BadField("max_tokens", "max_tokens is missing");
  if (max_tokens > 0) out["max_tokens"] = max_tokens;
  // Clients have such names built in; here they mean the model that is served.
  if (!model.empty() && !model.starts_with("claude-")) out["model"] = model;
  Json& messages = out["messages"] = Json::array();
  if (const Json* system = f.Find("system")) {
    ApiResult<std::string> text = TextOf(*system, "system");
    if (!text.ok()) return text.error();
    if (!text->empty()) messages.push_back({{"role", "system"}, {"content", *text}});
  }
  const Json* given = f.Find("messages");
  if (given == nullptr || !given->is_array() || given->empty()) {
    return BadField("messages", "messages must be a list with at least one message");
  }
  for (size_t i = 0; i < given->size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    const Json& message = (*given)[i];
    if (!message.is_object()) return BadField(where, "{} must be an object", where);
    const std::string role = StringAt(message, "role");
    const Json* content = FindKey(message, "content");
    if (content == nullptr) return BadField(where + ".content", "{}.content is missing", where);
    if (role != "user" && role != "assistant") {
      return BadField(where + ".role", "{}.role is '{}': user and assistant are possible", where,
                      role.substr(0, 40));
    }
    auto error = role == "user" ? AddUser(*content, where + ".content", &messages)
                                : AddAssistant(*content, where + ".content", &messages);
    if (error) return *error;
  }
  // A last message of the assistant is the beginning of the answer.
  if (messages.back()["role"] == "assistant") messages.back()["prefix"] = true;
  if (auto error = AddTools(body, &out)) return *error;
  for (const auto& [from, to] : {std::pair{"stop_sequences", "stop"},
                                 {"temperature", "temperature"},
                                 {"top_p", "top_p"},
                                 {"top_k", "top_k"},
                                 {"thinking", "thinking"},
                                 {"seed", "seed"}}) {
    if (const Json* value = f.Find(from)) out[to] = *value;
  }
  if (const Json* metadata = f.Find("metadata"); metadata != nullptr && metadata->is_object()) {
    if (const Json* user = FindKey(*metadata, "user_id")) out["user_id"] = *user;
  }
  return out;
}

HttpResponse AnthropicError(const ApiError& error) {
  const char* type = "invalid_request_error";
  switch (error.status) {
    case 401:
      type = "authentication_error";
      break;
    case 403:
      type = "permission_error";
      break;
    case 404:
      type = "not_found_error";
      break;
    case 413:
      type = "request_too_large";
      break;
    case 429:
      type = "rate_limit_error";
      break;
    case 503:
      type = "overloaded_error";
      break;
    default:
      if (error.status >= 500) type = "api_error";
  }
  HttpResponse response = error.ToResponse();
  response.body =
      DumpJson(Json{{"type", "error"}, {"error", {{"type", type}, {"message", error.message}}}});
  return response;
}

void AddAnthropicMessages(Router& router, ApiContext& context) {
  const auto add = [&router](const std::string& path, RouteHandler handler) {
    AddV1(router, "POST", path, handler);
    router.Add("POST", "/anthropic/v1" + path, handler);
  };
  add("/messages", [&context](const HttpRequest& request, std::vector<std::string>,
                              std::shared_ptr<Exchange> exchange) {
    HandleMessages(context, request, std::move(exchange));
  });
  add("/messages/count_tokens", [&context](const HttpRequest& request, std::vector<std::string>,
                                           std::shared_ptr<Exchange> exchange) {
    HandleCount(context, request, std::move(exchange));
  });
}

}  // namespace aha
