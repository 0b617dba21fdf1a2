// What an answer was made of, so that anybody with the same weights makes the same bits again.
//
//   {"aha_receipt": 1, "program", "model": {"id", "sha256"}, "numerics", "kv_cache", "code_path",
//    "template_sha256", "prompt_sha256",
//    "request": {...},        as OpenAI's chat or completions would have it, with the seed and all
//                             that was left open filled in
//    "samples": [{"tokens": [id, ...], "finish_reason", "end_thought_at"?, "sha256"}]}
//
// A sample's sha256 is over its ids and the bits of their log-probabilities, all as little-endian
// 32-bit words. `end_thought_at`: after so many tokens somebody asked for the thought's end.
#ifndef AHA_SERVER_RECEIPT_H_
#define AHA_SERVER_RECEIPT_H_

#include <span>
#include <string>
#include <vector>

#include "server/api_context.h"
#include "server/chat_sink.h"
#include "server/model_host.h"

namespace aha {

// All but the samples. `body`: the request that `generation` was prepared from. Reads the model's
// files when it is the first receipt of that model. Errors: they cannot be read any more.
Result<Json> BeginReceipt(const Json& body, const GenerationSpec& generation,
                          const ModelHostOptions& options, const std::string& version);

// Gives a chat that asks for a receipt its beginning. `body`: the chat request, OpenAI's.
std::optional<ApiError> AddReceipt(const Json& body, const ChatSpec& spec,
                                   const ApiContext& context, PreparedChat* prepared);

Json WithSamples(Json receipt, const std::vector<SampleResult>& samples);

std::string Sha256OfIds(std::span<const int32_t> ids);
std::string Sha256OfSample(std::span<const GeneratedToken> tokens);

}  // namespace aha

#endif  // AHA_SERVER_RECEIPT_H_
