#include "server/anthropic_messages.h"

#include "server/anthropic_request.h"
#include "server/anthropic_sink.h"
#include "server/openai_chat.h"
#include "server/receipt.h"
#include "server/request_fields.h"

namespace aha {
namespace {

struct Asked {
  AnthropicReply reply;
  ChatSpec spec;
  PreparedChat prepared;
};

ApiResult<ChatSpec> ReadSpec(const TranslatedBody& chat, ApiContext& context) {
  ApiResult<ChatSpec> spec = ParseOpenAiChat(chat.json);
  if (!spec.ok()) return chat.InClientsWords(spec.error());
  // Clients have such names built in; one that nobody has installed means the model that is served.
  if (spec->model.starts_with("claude-")) {
    const Result<std::shared_ptr<ServedModel>> model = context.host->Acquire(spec->model);
    if (!model.ok() && FromStatus(model.status()).status < 500) spec->model.clear();
  }
  return spec;
}

ApiResult<Asked> Read(const HttpRequest& request, ApiContext& context) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<TranslatedBody> chat = ChatBodyOfAnthropic(*body, /*counting=*/false);
  if (!chat.ok()) return chat.error();
  ApiResult<ChatSpec> spec = ReadSpec(*chat, context);
  if (!spec.ok()) return spec.error();
  Asked out{.reply = {.model = StringAt(*body, "model"),
                      .request_id = request.id,
                      .owner = request.owner},
            .spec = std::move(*spec)};
  RequestFields f(*body);
  f.Read("stream", &out.reply.stream);
  if (f.failed()) return f.error();
  ApiResult<PreparedChat> prepared =
      PrepareChat(out.spec, *context.host, context.CallerOf(request, out.spec.user_id));
  if (!prepared.ok()) return chat->InClientsWords(prepared.error());
  out.prepared = std::move(*prepared);
  if (auto error = AddReceipt(chat->json, out.spec, context, &out.prepared)) return *error;
  if (out.reply.model.empty()) out.reply.model = out.prepared.generation.model->id;
  return out;
}

ApiResult<size_t> Count(const HttpRequest& request, ApiContext& context) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  ApiResult<TranslatedBody> chat = ChatBodyOfAnthropic(*body, /*counting=*/true);
  if (!chat.ok()) return chat.error();
  ApiResult<ChatSpec> spec = ReadSpec(*chat, context);
  if (!spec.ok()) return spec.error();
  ApiResult<size_t> count = CountPromptTokens(*spec, *context.host);
  return count.ok() ? count : chat->InClientsWords(count.error());
}

void HandleMessages(ApiContext& context, HttpRequest request, std::shared_ptr<Exchange> exchange) {
  context.Prepare([&context, request] { return Read(request, context); },
                  [&context, id = request.id, exchange](ApiResult<Asked> asked) {
                    if (!asked.ok()) return exchange->Send(AnthropicError(asked.error(), id));
                    auto sink = std::make_shared<AnthropicSink>(
                        std::move(asked->reply), asked->spec, asked->prepared, context, exchange);
                    const Result<uint64_t> generation =
                        context.host->Start(std::move(asked->prepared.generation), sink);
                    if (!generation.ok()) {
                      return exchange->Send(AnthropicError(Overloaded(generation.status()), id));
                    }
                    sink->Started(*generation);
                  });
}

void HandleCount(ApiContext& context, HttpRequest request, std::shared_ptr<Exchange> exchange) {
  context.Prepare([&context, request] { return Count(request, context); },
                  [id = request.id, exchange](ApiResult<size_t> count) {
                    if (!count.ok()) return exchange->Send(AnthropicError(count.error(), id));
                    HttpResponse response = JsonResponse({{"input_tokens", *count}});
                    response.headers.emplace_back("request-id", id);
                    exchange->Send(std::move(response));
                  });
}

}  // namespace

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

bool IsAnthropicPath(std::string_view path) {
  for (const std::string_view root : {"/anthropic", "/v1/messages", "/messages"}) {
    if (path == root || (path.starts_with(root) && path[root.size()] == '/')) return true;
  }
  return false;
}

}  // namespace aha
