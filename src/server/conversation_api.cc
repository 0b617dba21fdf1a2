#include "server/conversation_api.h"

#include <cmath>
#include <optional>
#include <utility>

#include "server/limits.h"
#include "server/request_fields.h"
#include "server/request_query.h"
#include "server/store_key.h"

namespace aha {
namespace {

HttpResponse NoContent() { return {.status = 204, .content_type = ""}; }

HttpResponse Locked() {
  return ApiError{.status = 423,
                  .message = "the conversations are encrypted: unlock them first",
                  .code = "locked"}
      .ToResponse();
}

HttpResponse Answer(const Result<Json>& result) {
  return result.ok() ? JsonResponse(*result) : FromStatus(result.status()).ToResponse();
}

HttpResponse Answer(const Status& status) {
  return status.ok() ? NoContent() : FromStatus(status).ToResponse();
}

// The first wrong field of `settings`, which may be null.
std::optional<ApiError> CheckSettings(const Json* settings, const std::string& where) {
  if (settings == nullptr) return std::nullopt;
  if (!settings->is_object()) return BadField(where, "{} must be an object", where);
  RequestFields f(*settings, where + ".");
  std::optional<double> real;
  std::optional<int32_t> whole;
  std::optional<bool> flag;
  std::optional<uint64_t> seed;
  std::string system, verify;
  f.Read("system", &system, limits::kBodyBytes);
  f.Read("temperature", &real, 0, 2);
  f.Read("top_p", &real, 0, 1);
  f.Read("top_k", &whole, 0, 1 << 30);
  f.Read("min_p", &real, 0, 1);
  f.Read("max_tokens", &whole, 1, static_cast<int32_t>(limits::kMaxTokens));
  f.Read("think_budget", &whole, 0, static_cast<int32_t>(limits::kMaxTokens));
  f.Read("thinking", &flag);
  f.ReadSeed("seed", &seed);
  f.Read("samples", &whole, 1, limits::kSamples);
  f.Read("verify", &verify, 32);
  if (!verify.empty() && verify != "majority" && verify != "math") {
    f.Fail("verify", fmt::format("is '{}': majority and math are possible", verify));
  }
  if (f.failed()) return f.error();
  return std::nullopt;
}

// title, model, settings and leaf of a body, where they are there.
std::optional<ApiError> CheckFields(const Json& body) {
  RequestFields f(body);
  std::string text;
  f.Read("title", &text, limits::kTitleBytes);
  f.Read("model", &text, limits::kModelNameBytes);
  f.Read("leaf", &text, 200);
  if (f.failed()) return f.error();
  return CheckSettings(f.Find("settings"), "settings");
}

HttpResponse List(ConversationStore& store, const HttpRequest& request) {
  double before = 0, limit = 50;
  if (auto error = ReadQuery(request, "before", 0, 1e12, &before)) return error->ToResponse();
  if (auto error = ReadQuery(request, "limit", 1, limits::kConversationPage, &limit)) {
    return error->ToResponse();
  }
  const auto found = request.query.find("q");
  const std::string q = found == request.query.end() ? "" : found->second;
  if (q.size() > limits::kSearchBytes) {
    return BadField("q", "q has {} bytes: at most {} are possible", q.size(), limits::kSearchBytes)
        .ToResponse();
  }
  return Answer(store.List(request.owner, q, before, std::llround(limit)));
}

HttpResponse Create(ConversationStore& store, const HttpRequest& request) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error().ToResponse();
  if (auto error = CheckFields(*body)) return error->ToResponse();
  return Answer(store.Create(request.owner, *body));
}

HttpResponse Patch(ConversationStore& store, const HttpRequest& request, const std::string& id) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error().ToResponse();
  if (auto error = CheckFields(*body)) return error->ToResponse();
  return Answer(store.Patch(request.owner, id, *body));
}

HttpResponse Export(ConversationStore& store, const HttpRequest& request, const std::string& id) {
  HttpResponse response = Answer(store.Export(request.owner, id));
  if (response.status == 200) {
    response.headers.emplace_back("Content-Disposition",
                                  "attachment; filename=\"aha-conversations.json\"");
  }
  return response;
}

HttpResponse Import(ConversationStore& store, const HttpRequest& request) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error().ToResponse();
  if (const Json* list = FindKey(*body, "conversations"); list != nullptr && list->is_array()) {
    for (size_t i = 0; i < list->size(); ++i) {
      const Json& one = (*list)[i];
      const Json* settings = one.is_object() ? FindKey(one, "settings") : nullptr;
      if (auto error = CheckSettings(settings, fmt::format("conversations[{}].settings", i))) {
        return error->ToResponse();
      }
    }
  }
  const Result<int> imported = store.Import(request.owner, *body);
  if (!imported.ok()) return FromStatus(imported.status()).ToResponse();
  return JsonResponse({{"imported", *imported}});
}

// The passphrase of a body; errors never hold it.
ApiResult<std::string> ReadPassphrase(const HttpRequest& request) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return BadField("", "the body is no JSON object");
  const Json* value = FindKey(*body, "passphrase");
  if (value == nullptr || !value->is_string()) {
    return BadField("passphrase", "passphrase must be a string");
  }
  std::string passphrase = value->get<std::string>();
  if (passphrase.empty() || passphrase.size() > limits::kPassphraseBytes) {
    return BadField("passphrase", "passphrase has {} bytes: 1 to {} are possible",
                    passphrase.size(), limits::kPassphraseBytes);
  }
  return passphrase;
}

HttpResponse Unlock(ConversationStore& store, const HttpRequest& request) {
  ApiResult<std::string> passphrase = ReadPassphrase(request);
  if (!passphrase.ok()) return passphrase.error().ToResponse();
  if (!store.encrypted()) return NoContent();
  const Status status = store.Unlock(*passphrase);
  WipeText(&*passphrase);
  if (status.code() != StatusCode::kInvalidArgument) return Answer(status);
  return ApiError{.status = 403,
                  .message = status.message(),
                  .type = "permission_error",
                  .param = "passphrase",
                  .code = "wrong_passphrase"}
      .ToResponse();
}

HttpResponse Encrypt(ConversationStore& store, const HttpRequest& request) {
  ApiResult<std::string> passphrase = ReadPassphrase(request);
  if (!passphrase.ok()) return passphrase.error().ToResponse();
  if (store.encrypted()) {
    return ApiError{.status = 409,
                    .message = "the conversations are encrypted already",
                    .code = "already_encrypted"}
        .ToResponse();
  }
  const Status status = store.Encrypt(*passphrase);
  WipeText(&*passphrase);
  return Answer(status);
}

}  // namespace

void AddConversationRoutes(Router& router, ApiContext& context, ConversationStore& store) {
  // `work` is done where it may wait for the disk; `open`: also while the store is locked.
  const auto add = [&](const char* method, const char* pattern, auto work, bool open = false) {
    router.Add(
        method, pattern,
        [&context, &store, work, open](const HttpRequest& request, std::vector<std::string> parts,
                                       const std::shared_ptr<Exchange>& exchange) {
          context.Prepare(
              [&store, work, open, request, parts = std::move(parts)] {
                if (!open && store.locked()) return Locked();
                return work(store, request, parts.empty() ? std::string() : parts[0]);
              },
              [exchange](HttpResponse response) { exchange->Send(std::move(response)); });
        });
  };
  using Store = ConversationStore&;
  using In = const HttpRequest&;
  using Id = const std::string&;
  add("GET", "/api/conversations", [](Store s, In in, Id) { return List(s, in); });
  add("POST", "/api/conversations", [](Store s, In in, Id) { return Create(s, in); });
  add("DELETE", "/api/conversations",
      [](Store s, In in, Id) { return Answer(s.DeleteAll(in.owner)); });
  add("GET", "/api/conversations/*",
      [](Store s, In in, Id id) { return Answer(s.Get(in.owner, id)); });
  add("PATCH", "/api/conversations/*", [](Store s, In in, Id id) { return Patch(s, in, id); });
  add("DELETE", "/api/conversations/*",
      [](Store s, In in, Id id) { return Answer(s.Delete(in.owner, id)); });
  add("GET", "/api/conversations/*/export",
      [](Store s, In in, Id id) { return Export(s, in, id); });
  add("GET", "/api/export", [](Store s, In in, Id) { return Export(s, in, ""); });
  add("POST", "/api/import", [](Store s, In in, Id) { return Import(s, in); });
  add(
      "POST", "/api/unlock", [](Store s, In in, Id) { return Unlock(s, in); }, true);
  add(
      "POST", "/api/encrypt", [](Store s, In in, Id) { return Encrypt(s, in); }, true);
}

}  // namespace aha
