#include "engine/request_check.h"

#include <cmath>
#include <type_traits>

namespace aha {
namespace {

// NaN is in no range.
template <typename T>
Status CheckRange(const char* name, T value, std::type_identity_t<T> least,
                  std::type_identity_t<T> most) {
  if (value >= least && value <= most) return OkStatus();
  return InvalidArgument("{} is {}: from {} to {} is possible", name, value, least, most);
}

Status CheckPositive(const char* name, float value) {
  if (std::isfinite(value) && value > 0) return OkStatus();
  return InvalidArgument("{} is {}: it must be above 0 and finite", name, value);
}

Status CheckId(const char* name, int32_t id, int64_t vocab) {
  if (id >= 0 && id < vocab) return OkStatus();
  return InvalidArgument("{} {} is outside the vocabulary of {}", name, id, vocab);
}

Status CheckSampling(const SamplingParams& p, int64_t vocab) {
  if (!std::isfinite(p.temperature) || p.temperature < 0) {
    return InvalidArgument("temperature is {}: it must be 0 or above, and finite", p.temperature);
  }
  if (p.top_k < 0) return InvalidArgument("top_k is {}: 0 turns it off", p.top_k);
  AHA_RETURN_IF_ERROR(CheckPositive("top_p", p.top_p));
  AHA_RETURN_IF_ERROR(CheckRange("top_p", p.top_p, 0.0f, 1.0f));
  AHA_RETURN_IF_ERROR(CheckRange("min_p", p.min_p, 0.0f, 1.0f));
  AHA_RETURN_IF_ERROR(CheckPositive("repetition_penalty", p.repetition_penalty));
  AHA_RETURN_IF_ERROR(CheckRange("presence_penalty", p.presence_penalty, -2.0f, 2.0f));
  AHA_RETURN_IF_ERROR(CheckRange("frequency_penalty", p.frequency_penalty, -2.0f, 2.0f));
  for (const auto& [id, bias] : p.logit_bias) {
    AHA_RETURN_IF_ERROR(CheckId("logit_bias id", id, vocab));
    AHA_RETURN_IF_ERROR(CheckRange("logit_bias", bias, -100.0f, 100.0f));
  }
  return OkStatus();
}

}  // namespace

Status CheckOptions(const EngineOptions& o, const ModelInfo& model) {
  constexpr int64_t kMost = int64_t{1} << 30;
  AHA_RETURN_IF_ERROR(CheckRange("page_tokens", o.page_tokens, kernels::kAttentionPageUnit, 4096));
  if (o.page_tokens % kernels::kAttentionPageUnit != 0) {
    return InvalidArgument("page_tokens is {}: a multiple of {} is possible", o.page_tokens,
                           kernels::kAttentionPageUnit);
  }
  AHA_RETURN_IF_ERROR(CheckRange("cache_tokens", o.cache_tokens, 0, kMost));
  if (o.max_context < 0 || o.max_context > model.max_positions) {
    return InvalidArgument("max_context is {}: the model was made for {} positions", o.max_context,
                           model.max_positions);
  }
  AHA_RETURN_IF_ERROR(CheckRange("prefill_chunk", o.prefill_chunk, 1, kMost));
  if (o.cache_dtype != DType::kF32 && o.cache_dtype != DType::kF16) {
    return InvalidArgument("cache_dtype is {}: {} and {} are possible", Info(o.cache_dtype).name,
                           Info(DType::kF32).name, Info(DType::kF16).name);
  }
  return CheckRange("max_sequences", o.max_sequences, 1, 65536);
}

Status CheckRequest(const Request& request, int64_t vocab, int64_t max_context) {
  const auto size = static_cast<int64_t>(request.prompt.size());
  if (size == 0) return InvalidArgument("the prompt is empty");
  for (int32_t id : request.prompt) AHA_RETURN_IF_ERROR(CheckId("prompt id", id, vocab));
  if (request.max_tokens < 0) {
    return InvalidArgument("max_tokens is {}: it must be 0 or above", request.max_tokens);
  }
  if (size > max_context || (request.max_tokens > 0 && size == max_context)) {
    return InvalidArgument("the prompt has {} tokens{}: the context holds {}", size,
                           request.max_tokens > 0 ? ", and one more is asked for" : "",
                           max_context);
  }
  AHA_RETURN_IF_ERROR(CheckRange("n", request.n, 1, kMostSamples));
  AHA_RETURN_IF_ERROR(CheckRange("top_logprobs", request.top_logprobs, 0, vocab));
  for (int32_t id : request.stop_ids) AHA_RETURN_IF_ERROR(CheckId("stop id", id, vocab));
  return CheckSampling(request.sampling, vocab);
}

}  // namespace aha
