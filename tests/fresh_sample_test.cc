// A fresh sample's importance ratio is exactly 1: the log-probabilities that the engine recorded
// while sampling equal, with ==, those that training computes for the same tokens on the same
// weights, packed with other samples, recorded on a tape, recomputed or not; also after the weights
// have been changed in place under both.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/recorder.h"
#include "kernels/kernels.h"
#include "model/packed_batch.h"
#include "ops/log_probs.h"
#include "ops/rows.h"
#include "ops/tape.h"
#include "weights/model_files.h"

namespace aha {
namespace {

struct Sampled {
  std::vector<int32_t> ids;     // prompt and output
  std::vector<float> logprobs;  // of ids[1..]
};

class FreshSample : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const Result<ModelFiles> stored =
        ModelFiles::Open(std::filesystem::path(AHA_SOURCE_DIR) / "src/model/testdata" / GetParam());
    ASSERT_TRUE(stored.ok()) << stored.status().message();
    files_ = std::make_unique<ModelFiles>(ModelFiles::InMemoryCopy(*stored).value());
    model_ = LoadModel(*files_).value();
    model_->ReservePositions(kLongest);
  }

  // Prompts around page and span borders, two samples of each.
  std::vector<Sampled> Sample(Engine& engine) {
    std::vector<Recorder> heard(kPrompts.size());
    std::vector<std::vector<int32_t>> prompts;
    for (size_t i = 0; i < kPrompts.size(); ++i) {
      Request r;
      for (int64_t p = 0; p < kPrompts[i]; ++p) {
        r.prompt.push_back(static_cast<int32_t>(Rng(i / 2, 1).Bits(static_cast<uint64_t>(p)) %
                                                static_cast<uint64_t>(model_->info().vocab)));
      }
      r.max_tokens = 20;
      r.n = 2;
      r.sampling.temperature = 0.9f;  // the recorded ones are the model's own
      r.sampling.seed = i;
      r.prompt_logprobs = true;
      prompts.push_back(r.prompt);
      EXPECT_TRUE(engine.Submit(std::move(r), &heard[i]).ok());
    }
    while (engine.Step()) {
    }
    std::vector<Sampled> out;
    for (size_t i = 0; i < heard.size(); ++i) {
      for (const auto& [index, sample] : heard[i].samples) {
        Sampled s{prompts[i], {}};
        for (size_t p = 0; p + 1 < prompts[i].size(); ++p) {
          s.logprobs.push_back(heard[i].prompt[p].logprob);
        }
        for (const HeardToken& t : sample.tokens) {
          s.ids.push_back(t.id);
          s.logprobs.push_back(t.logprob);
        }
        out.push_back(std::move(s));
      }
    }
    return out;
  }

  // Training's forward over `samples` packed in that order.
  std::vector<float> Train(const std::vector<Sampled>& samples, int threads, bool recompute) {
    ThreadPool pool(threads);
    ops::Context cx(kernels::AvailableBackends().front(), &pool, ops::Numerics::kPortable);
    ops::ParameterGradients none;
    ops::Tape tape(&none, recompute);
    cx.tape = &tape;
    PackedBatch batch(model_->info());
    std::vector<int32_t> rows, targets;
    for (const Sampled& s : samples) {
      for (size_t i = 0; i + 1 < s.ids.size(); ++i) {
        rows.push_back(static_cast<int32_t>(batch.tokens() + static_cast<int64_t>(i)));
        targets.push_back(s.ids[i + 1]);
      }
      batch.Add(s.ids);
    }
    const Tensor hidden = model_->Forward(cx, batch.forward());
    const Tensor logits = model_->Logits(cx, ops::Rows(cx, hidden, rows));
    const Tensor logprob = ops::LogProbs(cx, logits, targets).logprob;
    return {logprob.span().begin(), logprob.span().end()};
  }

  void ExpectRatioOne(const std::vector<Sampled>& samples) {
    std::vector<Sampled> order = samples;
    for (const int threads : {1, 3}) {
      std::vector<float> recorded;
      for (const Sampled& s : order) {
        recorded.insert(recorded.end(), s.logprobs.begin(), s.logprobs.end());
      }
      EXPECT_EQ(Train(order, threads, threads == 3), recorded) << threads << " threads";
      std::reverse(order.begin(), order.end());
    }
  }

  static constexpr int64_t kLongest = 320;
  // 1 and 2, 3 and 4 begin alike: the later finds pages of the earlier in the cache.
  const std::vector<int64_t> kPrompts = {1, 40, 70, 250, 262};
  std::unique_ptr<ModelFiles> files_;
  std::unique_ptr<Model> model_;
};

TEST_P(FreshSample, HasRatioOne) {
  EngineOptions options;
  options.max_context = kLongest;
  options.cache_tokens = 4 * kLongest;
  options.prefill_chunk = 48;
  TestEngine engine(model_.get(), options, 2, kernels::AvailableBackends().front());
  const std::vector<Sampled> before = Sample(*engine.engine);
  ExpectRatioOne(before);

  // An update, in place.
  for (const std::string& name : files_->names()) {
    float* w = files_->Floats(name);
    const int64_t n = files_->Find(name)->shape.elements();
    for (int64_t i = 0; i < n; ++i) w[i] *= 1 + 0.03f * static_cast<float>(i % 5 - 2);
  }
  model_->WeightsChanged();
  engine->ClearCache();
  const std::vector<Sampled> after = Sample(*engine.engine);
  EXPECT_NE(before.back().logprobs, after.back().logprobs);
  ExpectRatioOne(after);
}

INSTANTIATE_TEST_SUITE_P(Tiny, FreshSample,
                         ::testing::Values("llama", "llama3_tied", "qwen2", "qwen3", "deepseek_v3",
                                           "deepseek_v3_plain_q", "deepseek_v2"));

}  // namespace
}  // namespace aha
