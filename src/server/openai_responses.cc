#include "server/openai_responses.h"

#include <map>
#include <vector>

#include "server/limits.h"
#include "server/openai_chat.h"
#include "server/random_id.h"
#include "server/receipt.h"
#include "server/request_fields.h"
#include "server/request_query.h"
#include "server/response_input.h"
#include "server/responses_request.h"
#include "server/responses_sink.h"
#include "server/unix_time.h"

namespace aha {
namespace {

struct Asked {
  ResponseReply reply;
  ChatSpec spec;
  PreparedChat prepared;
};

// What the response says back of its request.
Json ObjectOf(const Json& body, const std::string& id, const GenerationSpec& generation) {
  Json out = {{"id", id},
              {"object", "response"},
              {"created_at", UnixTime()},
              {"model", generation.model->id},
              {"error", nullptr},
              {"temperature", generation.sampling.temperature},
              {"top_p", generation.sampling.top_p},
              {"parallel_tool_calls", true},
              {"tool_choice", "auto"},
              {"tools", Json::array()},
              {"truncation", "disabled"},
              {"store", true},
              {"background", false},
              {"top_logprobs", 0},
              {"text", {{"format", {{"type", "text"}}}}},
              {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
              {"metadata", Json::object()},
              {"instructions", nullptr},
              {"max_output_tokens", nullptr},
              {"previous_response_id", nullptr},
              {"user", nullptr}};
  for (const char* key : {"parallel_tool_calls", "tool_choice", "tools", "store", "background",
                          "text", "reasoning", "metadata", "top_logprobs", "instructions",
                          "max_output_tokens", "previous_response_id", "user"}) {
    if (const Json* value = FindKey(body, key)) out[key] = *value;
  }
  return out;
}

ApiResult<Json> MessagesBefore(const std::string& id, const std::string& owner,
                               const ResponseStore& store) {
  if (id.empty()) return Json::array();
  const std::shared_ptr<const StoredResponse> found = store.Find(owner, id);
  if (found != nullptr && !found->in_progress()) return found->messages;
  if (found != nullptr) {
    return BadField("previous_response_id", "previous_response_id '{}' is still being made",
                    id.substr(0, 80));
  }
  ApiError error =
      NotFoundError(fmt::format("there is no response '{}' to go on from", id.substr(0, 80)),
                    "previous_response_not_found");
  error.param = "previous_response_id";
  return error;
}

// Puts output items of the owner's stored responses where the input refers to them by id.
std::optional<ApiError> ResolveReferences(const std::string& owner, const ResponseStore& store,
                                          Json* input) {
  if (!input->is_array()) return std::nullopt;
  std::vector<std::shared_ptr<const StoredResponse>> stored;
  std::map<std::string, const Json*> items;  // of `stored`, by id
  size_t bytes = 0;                          // of all that is referred to, as often as it is
  for (size_t i = 0; i < input->size(); ++i) {
    Json& item = (*input)[i];
    if (!IsReference(item)) continue;
    if (stored.empty()) {
      stored = store.OfOwner(owner);
      for (const auto& response : stored) {
        for (const Json& output : response->response["output"]) {
          items.emplace(StringAt(output, "id"), &output);
        }
      }
    }
    const std::string id = StringAt(item, "id");
    const auto found = items.find(id);
    if (found == items.end()) {
      const std::string where = fmt::format("input[{}].id", i);
      return BadField(where, "{} refers to '{}': no item of a stored response has that id", where,
                      id.substr(0, 80));
    }
    bytes += DumpJson(*found->second).size();
    if (bytes > limits::kBodyBytes) {
      return BadField("input", "input refers to more than {} bytes of items", limits::kBodyBytes);
    }
    item = *found->second;
  }
  return std::nullopt;
}

ApiResult<Asked> Read(const HttpRequest& request, ApiContext& context, const ResponseStore& store) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  Asked out{.reply = {.id = RandomId("resp_"), .owner = request.owner}};
  RequestFields f(*body);
  std::string previous;
  f.Read("previous_response_id", &previous, 200);
  f.Read("store", &out.reply.store);
  f.Read("stream", &out.reply.stream);
  f.Read("background", &out.reply.background);
  if (out.reply.background && !out.reply.store) {
    f.Fail("background", "needs store: who asks later must find it");
  }
  if (f.failed()) return f.error();
  if (const auto input = body->find("input"); input != body->end()) {
    if (auto error = ResolveReferences(request.owner, store, &*input)) return *error;
  }
  ApiResult<Json> before = MessagesBefore(previous, request.owner, store);
  if (!before.ok()) return before.error();
  ApiResult<TranslatedBody> chat = ChatBodyOfResponses(*body, *before);
  if (!chat.ok()) return chat.error();
  ApiResult<ChatSpec> spec = ParseOpenAiChat(chat->json);
  if (!spec.ok()) return chat->InClientsWords(spec.error());
  out.spec = std::move(*spec);
  out.reply.input_messages = out.spec.messages;
  // Instructions hold for one response; the next has its own.
  if (!StringAt(*body, "instructions").empty()) out.reply.input_messages.erase(0);
  ApiResult<PreparedChat> prepared =
      PrepareChat(out.spec, *context.host, context.CallerOf(request, out.spec.user_id));
  if (!prepared.ok()) return chat->InClientsWords(prepared.error());
  out.prepared = std::move(*prepared);
  if (auto error = AddReceipt(chat->json, out.spec, context, &out.prepared)) return *error;
  out.reply.input = InputItems((*body)["input"]);
  out.reply.object = ObjectOf(*body, out.reply.id, out.prepared.generation);
  return out;
}

void HandleCreate(ApiContext& context, ResponseStore& store, HttpRequest request,
                  std::shared_ptr<Exchange> exchange) {
  context.Prepare([&context, &store, request] { return Read(request, context, store); },
                  [&context, &store, exchange](ApiResult<Asked> asked) {
                    if (!asked.ok()) return exchange->Send(asked.error().ToResponse());
                    auto sink =
                        std::make_shared<ResponsesSink>(std::move(asked->reply), asked->spec,
                                                        asked->prepared, context, store, exchange);
                    const Result<uint64_t> id =
                        context.host->Start(std::move(asked->prepared.generation), sink);
                    if (!id.ok()) return exchange->Send(Overloaded(id.status()).ToResponse());
                    sink->Started(*id);
                  });
}

HttpResponse Unknown(const std::string& id) {
  return NotFoundError(fmt::format("there is no response '{}'", id.substr(0, 80)),
                       "response_not_found")
      .ToResponse();
}

// As it stands now, or (stream=true) its events after number `starting_after` and those to come.
void HandleGet(const ResponseStore& store, const HttpRequest& request, const std::string& id,
               const std::shared_ptr<Exchange>& exchange) {
  const std::shared_ptr<const StoredResponse> found = store.Find(request.owner, id);
  if (found == nullptr) return exchange->Send(Unknown(id));
  bool stream = false;
  double after = -1;
  auto error = ReadQuery(request, "stream", &stream);
  if (!error) error = ReadQuery(request, "starting_after", -1, 1e15, &after);
  if (!error && !stream && after >= 0) {
    error = BadField("starting_after", "starting_after is of a stream: send stream=true with it");
  }
  if (!error && stream && (found->events == nullptr || !found->events->kept())) {
    error = BadField("stream", "the events of response '{}' are not kept: {}", id.substr(0, 80),
                     found->events == nullptr ? "it was not made with background: true"
                                              : "they were too many; ask without stream");
  }
  if (error) return exchange->Send(error->ToResponse());
  if (!stream) return exchange->Send(JsonResponse(found->response));
  found->events->Follow(exchange, static_cast<int64_t>(after));
}

void HandleCancel(ApiContext& context, const ResponseStore& store, const HttpRequest& request,
                  const std::string& id, const std::shared_ptr<Exchange>& exchange) {
  const std::shared_ptr<const StoredResponse> found = store.Find(request.owner, id);
  if (found == nullptr) return exchange->Send(Unknown(id));
  const std::optional<uint64_t> live = context.live.Find(id, request.owner);
  if (live) {
    context.host->Cancel(*live);
  } else if (!found->in_progress()) {
    return exchange->Send(BadField("response_id", "response '{}' is {} already", id.substr(0, 80),
                                   StringAt(found->response, "status"))
                              .ToResponse());
  }
  Json response = found->response;
  response["status"] = "cancelled";
  exchange->Send(JsonResponse(response));
}

}  // namespace

void AddOpenAiResponses(Router& router, ApiContext& context, ResponseStore& store) {
  AddV1(router, "POST", "/responses",
        [&context, &store](const HttpRequest& request, std::vector<std::string>,
                           std::shared_ptr<Exchange> exchange) {
          HandleCreate(context, store, request, std::move(exchange));
        });
  AddV1(router, "GET", "/responses/*",
        [&store](const HttpRequest& request, std::vector<std::string> parts,
                 std::shared_ptr<Exchange> exchange) {
          HandleGet(store, request, parts[0], exchange);
        });
  AddV1(router, "GET", "/responses/*/input_items",
        [&store](const HttpRequest& request, std::vector<std::string> parts,
                 std::shared_ptr<Exchange> exchange) {
          const auto found = store.Find(request.owner, parts[0]);
          if (found == nullptr) return exchange->Send(Unknown(parts[0]));
          ApiResult<Json> page = PageOfItems(found->input, request);
          exchange->Send(page.ok() ? JsonResponse(*page) : page.error().ToResponse());
        });
  AddV1(router, "DELETE", "/responses/*",
        [&context, &store](const HttpRequest& request, std::vector<std::string> parts,
                           std::shared_ptr<Exchange> exchange) {
          const std::shared_ptr<const StoredResponse> found = store.Find(request.owner, parts[0]);
          if (found == nullptr) return exchange->Send(Unknown(parts[0]));
          // Nobody could ask for what is made in the background, or stop it, any more.
          const std::optional<uint64_t> live = context.live.Find(parts[0], request.owner);
          if (live && found->response["background"] == true) context.host->Cancel(*live);
          store.Remove(request.owner, parts[0]);
          exchange->Send(
              JsonResponse({{"id", parts[0]}, {"object", "response.deleted"}, {"deleted", true}}));
        });
  AddV1(router, "POST", "/responses/*/cancel",
        [&context, &store](const HttpRequest& request, std::vector<std::string> parts,
                           std::shared_ptr<Exchange> exchange) {
          HandleCancel(context, store, request, parts[0], exchange);
        });
}

}  // namespace aha
