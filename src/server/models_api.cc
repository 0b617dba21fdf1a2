#include "server/models_api.h"

#include "server/limits.h"
#include "server/request_fields.h"

namespace aha {
namespace {

// A model's entry in OpenAI's list.
Json ModelEntry(const std::string& id) {
  return {{"id", id}, {"object", "model"}, {"created", 0}, {"owned_by", "local"}};
}

std::string NameOf(const std::filesystem::path& path) {
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

std::vector<std::string> ModelIds(const ApiContext& context) {
  std::vector<std::string> ids = context.host->Loaded();
  for (const auto& path : InstalledModels()) {
    const std::string id = NameOf(path);
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  }
  return ids;
}

ApiResult<Json> Tokenize(ApiContext& context, const HttpRequest& request) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  RequestFields f(*body);
  std::string model, text, content;
  bool special = true, messages = false;
  f.Read("model", &model, 1024);
  f.Read("prompt", &text, limits::kBodyBytes);
  f.Read("content", &content, limits::kBodyBytes);  // llama.cpp's name
  f.Read("add_special_tokens", &special);
  if (f.failed()) return f.error();
  messages = f.Find("messages") != nullptr;
  Result<std::shared_ptr<ServedModel>> opened = context.host->Acquire(model);
  if (!opened.ok()) return FromStatus(opened.status(), "model");
  const TextModel& t = *(*opened)->text;
  Result<std::vector<int32_t>> ids = std::vector<int32_t>();
  if (messages) {
    if (!t.chat) return BadField("messages", "model '{}' has no chat template", t.name);
    bool generation_prompt = true;
    f.Read("add_generation_prompt", &generation_prompt);
    if (f.failed()) return f.error();
    Result<Prompt> prompt =
        t.chat->Render(*f.Find("messages"), {.add_generation_prompt = generation_prompt});
    if (!prompt.ok()) return FromStatus(prompt.status(), "messages");
    ids = EncodePrompt(t.tokenizer, *prompt);
  } else {
    ids = t.tokenizer.Encode(text.empty() ? content : text,
                             {.allow_special = true, .add_special_tokens = special});
  }
  if (!ids.ok()) return FromStatus(ids.status(), "prompt");
  return Json{
      {"count", ids->size()}, {"max_model_len", (*opened)->max_context()}, {"tokens", *ids}};
}

ApiResult<Json> Detokenize(ApiContext& context, const HttpRequest& request) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  RequestFields f(*body);
  std::string model;
  f.Read("model", &model, 1024);
  if (f.failed()) return f.error();
  Result<std::shared_ptr<ServedModel>> opened = context.host->Acquire(model);
  if (!opened.ok()) return FromStatus(opened.status(), "model");
  const Tokenizer& tokenizer = (*opened)->text->tokenizer;
  const Json* tokens = f.Find("tokens");
  if (tokens == nullptr || !tokens->is_array())
    return BadField("tokens", "tokens must be a list of ids");
  std::vector<int32_t> ids;
  for (const Json& id : *tokens) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() >= tokenizer.vocab_size()) {
      return BadField("tokens", "tokens holds {}: ids from 0 to {} are possible",
                      DumpJson(id).substr(0, 40), tokenizer.vocab_size() - 1);
    }
    ids.push_back(id.get<int32_t>());
  }
  const std::string text = tokenizer.Decode(ids);
  return Json{{"prompt", text}, {"content", text}};
}

ApiResult<Json> TokenizerInfo(ApiContext& context, const HttpRequest& request) {
  const auto it = request.query.find("model");
  Result<std::shared_ptr<ServedModel>> opened =
      context.host->Acquire(it == request.query.end() ? "" : it->second);
  if (!opened.ok()) return FromStatus(opened.status(), "model");
  const TextModel& t = *(*opened)->text;
  const auto text = [](const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); };
  return Json{{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"bos_token", text(t.tokens.bos_token)},
              {"eos_token", text(t.tokens.eos_token)},
              {"pad_token", text(t.tokens.pad_token)},
              {"unk_token", text(t.tokens.unk_token)},
              {"model_max_length", (*opened)->max_context()},
              {"chat_template", t.chat ? Json(t.chat->source()) : Json(nullptr)}};
}

// A route that may wait and answers with JSON.
template <typename Work>
RouteHandler Answer(ApiContext& context, Work work) {
  return [&context, work](const HttpRequest& request, std::vector<std::string>,
                          std::shared_ptr<Exchange> exchange) {
    context.Prepare(
        [&context, work, request] { return work(context, request); },
        [exchange](ApiResult<Json> result) {
          exchange->Send(result.ok() ? JsonResponse(*result) : result.error().ToResponse());
        });
  };
}

}  // namespace

void AddModelsApi(Router& router, ApiContext& context) {
  AddV1(router, "GET", "/models",
        Answer(context, [](ApiContext& c, const HttpRequest&) -> ApiResult<Json> {
          Json list = Json::array();
          for (const std::string& id : ModelIds(c)) list.push_back(ModelEntry(id));
          return Json{{"object", "list"}, {"data", std::move(list)}};
        }));
  AddV1(router, "GET", "/models/*",
        [&context](const HttpRequest&, std::vector<std::string> parts,
                   std::shared_ptr<Exchange> exchange) {
          context.Prepare(
              [&context] { return ModelIds(context); },
              [exchange, id = parts[0]](std::vector<std::string> ids) {
                const bool known = std::ranges::find(ids, id) != ids.end();
                exchange->Send(known ? JsonResponse(ModelEntry(id))
                                     : NotFoundError(fmt::format("there is no model '{}'", id),
                                                     "model_not_found")
                                           .ToResponse());
              });
        });
  AddV1(router, "POST", "/tokenize", Answer(context, Tokenize));
  AddV1(router, "POST", "/detokenize", Answer(context, Detokenize));
  AddV1(router, "GET", "/tokenizer_info", Answer(context, TokenizerInfo));
  router.AddOpen(
      "GET", "/health",
      [](const HttpRequest&, std::vector<std::string>, std::shared_ptr<Exchange> exchange) {
        exchange->Send(JsonResponse({{"status", "ok"}}));
      });
  AddV1(
      router, "GET", "/version",
      [&context](const HttpRequest&, std::vector<std::string>, std::shared_ptr<Exchange> exchange) {
        exchange->Send(JsonResponse({{"version", context.version}}));
      });
  router.Add(
      "GET", "/metrics",
      [&context](const HttpRequest&, std::vector<std::string>, std::shared_ptr<Exchange> exchange) {
        exchange->Send({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                        .body = context.host->metrics().Text()});
      });
  AddV1(router, "GET", "/user/balance",
        [](const HttpRequest&, std::vector<std::string>, std::shared_ptr<Exchange> exchange) {
          exchange->Send(JsonResponse({{"is_available", true}, {"balance_infos", Json::array()}}));
        });
}

}  // namespace aha
