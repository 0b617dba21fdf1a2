#include "server/app_routes.h"

#include <sys/utsname.h>

#include <algorithm>
#include <fstream>

#include "base/machine_memory.h"
#include "server/conversation_store.h"
#include "server/limits.h"

namespace aha {
namespace {

std::string CpuName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    return colon == std::string::npos ? std::string() : line.substr(colon + 2);
  }
  return "unknown";
}

Json StatusJson(const ApiContext& context, const AppFacts& facts) {
  const bool store = context.store != nullptr;
  return {{"version", context.version},
          {"key_required", facts.key_required},
          {"default_model", context.host->default_model()},
          {"encrypted", store && context.store->encrypted()},
          {"locked", store && context.store->locked()},
          {"limits",
           {{"max_message_bytes", limits::kBodyBytes / 2},
            {"max_samples", limits::kSamples},
            {"max_tokens", limits::kMaxTokens}}},
          {"machine",
           {{"cpu", CpuName()},
            {"cores", facts.cores},
            {"memory_bytes", TotalMemory()},
            {"available_bytes", AvailableMemory()},
            {"code_path", facts.code_path}}},
          {"sandbox", facts.sandbox},
          {"runs", facts.can_train}};
}

Json ModelsJson(const ApiContext& context, ModelCards& cards, double read_bytes_per_s) {
  const std::vector<std::string> loaded = context.host->Loaded();
  const int64_t available = AvailableMemory();
  Json list = Json::array();
  for (const ModelCard& card : cards.List()) {
    const bool is_loaded = std::ranges::find(loaded, card.id) != loaded.end();
    list.push_back(CardJson(card, is_loaded, available, read_bytes_per_s));
  }
  return {{"models", std::move(list)}};
}

}  // namespace

void AddAppRoutes(Router& router, ApiContext& context, ModelCards& cards, AppFacts& facts) {
  router.Add("GET", "/api/status",
             [&](const HttpRequest&, std::vector<std::string>, std::shared_ptr<Exchange> exchange) {
               context.Prepare([&] { return StatusJson(context, facts); },
                               [exchange](Json json) { exchange->Send(JsonResponse(json)); });
             });
  router.Add("GET", "/api/models",
             [&](const HttpRequest&, std::vector<std::string>, std::shared_ptr<Exchange> exchange) {
               context.Prepare([&] { return ModelsJson(context, cards, facts.read_bytes_per_s); },
                               [exchange](Json json) { exchange->Send(JsonResponse(json)); });
             });
}

}  // namespace aha
