#include "train/rollout.h"

#include <algorithm>
#include <map>

#include "base/rng.h"

namespace aha {
namespace {

class Collector : public RequestListener {
 public:
  Collector(size_t prompts, int32_t samples)
      : completions_(prompts, std::vector<Completion>(static_cast<size_t>(samples))) {}

  void Expect(RequestId id, size_t prompt) { prompt_[id] = prompt; }

  bool OnToken(const TokenEvent& e) override {
    Completion& c = At(e.request, e.sample);
    c.ids.push_back(e.id);
    c.logprobs.push_back(e.logprob);
    return true;
  }
  void OnFinish(RequestId id, int32_t sample, FinishReason reason) override {
    At(id, sample).truncated = reason == FinishReason::kLength;
    failed_ |= reason == FinishReason::kError;
  }

  bool failed() const { return failed_; }
  std::vector<std::vector<Completion>> Take() { return std::move(completions_); }

 private:
  Completion& At(RequestId id, int32_t sample) {
    return completions_[prompt_.at(id)][static_cast<size_t>(sample)];
  }
  std::vector<std::vector<Completion>> completions_;
  std::map<RequestId, size_t> prompt_;
  bool failed_ = false;
};

}  // namespace

int64_t CacheTokens(const ModelInfo& info, int64_t sequences, int64_t longest) {
  const int64_t row_bytes = info.cache_row_bytes(DType::kF32);
  const int64_t margin = 64;  // pages are whole
  return std::min(sequences * (longest + margin),
                  std::max((int64_t{1} << 30) / row_bytes, longest + margin));
}

Result<std::vector<std::vector<Completion>>> Rollout(Engine& engine,
                                                     std::span<const std::vector<int32_t>> prompts,
                                                     const RolloutOptions& options,
                                                     const std::function<bool()>& stop) {
  Collector collector(prompts.size(), options.samples);
  std::vector<RequestId> ids;
  const auto cancel = [&] {
    for (const RequestId id : ids) engine.Cancel(id);
  };
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request request{.prompt = prompts[i],
                    .sampling = options.sampling,
                    .n = options.samples,
                    .max_tokens = options.max_tokens,
                    .stop_ids = options.stop_ids};
    request.sampling.seed = Rng(options.seed, options.first_stream + i).Bits(0);
    Result<RequestId> id = engine.Submit(std::move(request), &collector);
    if (!id.ok()) {
      cancel();
      return id.status().Within("prompt " + std::to_string(i));
    }
    ids.push_back(*id);
    collector.Expect(*id, i);
  }
  while (engine.Step()) {
    if (collector.failed()) {
      cancel();
      return InvalidArgument("the model's logits are not finite");
    }
    if (stop && stop()) {
      cancel();
      return Cancelled("stopped");
    }
  }
  if (collector.failed()) return InvalidArgument("the model's logits are not finite");
  return collector.Take();
}

}  // namespace aha
