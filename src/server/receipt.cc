#include "server/receipt.h"

#include <bit>

#include "library/sha256.h"

namespace aha {
namespace {

std::string HashOf(const std::string& bytes) {
  Sha256 hash;
  hash.Add(bytes);
  return hash.Hex();
}

void AddWord(uint32_t word, std::string* bytes) {
  for (int shift = 0; shift < 32; shift += 8) *bytes += static_cast<char>(word >> shift);
}

const char* ReasonName(FinishReason reason) {
  return reason == FinishReason::kCancelled ? "cancelled" : FinishName(reason, false);
}

}  // namespace

std::string Sha256OfIds(std::span<const int32_t> ids) {
  std::string bytes;
  for (const int32_t id : ids) AddWord(static_cast<uint32_t>(id), &bytes);
  return HashOf(bytes);
}

std::string Sha256OfSample(std::span<const GeneratedToken> tokens) {
  std::string bytes;
  for (const GeneratedToken& token : tokens) {
    AddWord(static_cast<uint32_t>(token.id), &bytes);
    AddWord(std::bit_cast<uint32_t>(token.logprob), &bytes);
  }
  return HashOf(bytes);
}

Result<Json> BeginReceipt(const Json& body, const GenerationSpec& generation,
                          const ModelHostOptions& options, const std::string& version) {
  const ServedModel& model = *generation.model;
  AHA_ASSIGN_OR_RETURN(const std::string hash, model.Sha256());
  Json request = body;
  // How it was sent, and by whom, is no part of the answer.
  for (const char* key : {"model", "stream", "stream_options", "receipt", "user", "user_id",
                          "metadata", "store", "max_completion_tokens"}) {
    request.erase(key);
  }
  const SamplingParams& s = generation.sampling;
  request["temperature"] = s.temperature;
  request["top_p"] = s.top_p;
  request["top_k"] = s.top_k;
  request["min_p"] = s.min_p;
  request["repetition_penalty"] = s.repetition_penalty;
  request["presence_penalty"] = s.presence_penalty;
  request["frequency_penalty"] = s.frequency_penalty;
  request["seed"] = s.seed;
  request["max_tokens"] = generation.max_tokens;
  const bool fast = options.numerics == ops::Numerics::kFast;
  return Json{{"aha_receipt", 1},
              {"program", version},
              {"model", {{"id", model.id}, {"sha256", hash}}},
              {"numerics", fast ? "fast" : "portable"},
              {"kv_cache", Info(model.cache_dtype).name},
              {"code_path", options.backend->name()},
              {"template_sha256", HashOf(std::string(model.text->chat->source()))},
              {"prompt_sha256", Sha256OfIds(generation.prompt)},
              {"request", std::move(request)}};
}

std::optional<ApiError> AddReceipt(const Json& body, const ChatSpec& spec,
                                   const ApiContext& context, PreparedChat* prepared) {
  if (!spec.receipt) return std::nullopt;
  Result<Json> receipt =
      BeginReceipt(body, prepared->generation, context.host->options(), context.version);
  if (!receipt.ok()) return FromStatus(receipt.status(), "receipt");
  prepared->receipt = *std::move(receipt);
  return std::nullopt;
}

Json WithSamples(Json receipt, const std::vector<SampleResult>& samples) {
  Json& list = receipt["samples"] = Json::array();
  for (const SampleResult& sample : samples) {
    Json ids = Json::array();
    int64_t forced = -1;
    for (size_t i = 0; i < sample.tokens.size(); ++i) {
      ids.push_back(sample.tokens[i].id);
      if (forced < 0 && sample.tokens[i].forced) forced = static_cast<int64_t>(i);
    }
    Json one = {{"tokens", std::move(ids)},
                {"finish_reason", ReasonName(sample.reason)},
                {"sha256", Sha256OfSample(sample.tokens)}};
    if (sample.thought_end == ThoughtEnd::kAsked) one["end_thought_at"] = forced;
    list.push_back(std::move(one));
  }
  return receipt;
}

}  // namespace aha
