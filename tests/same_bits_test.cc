// Promise 2, compared with ==: tokens and log-probabilities of real engine runs do not change with
// backend, threads, prefill chunk, neighbours, position in the batch, page size, prefix cache or
// preemption (docs/numerics.md). Tiny models of the families in float32 and bfloat16, and a real
// quantised one.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/rng.h"
#include "base/test_data.h"
#include "engine/engine.h"
#include "engine/recorder.h"
#include "kernels/kernels.h"
#include "weights/model_files.h"

namespace aha {
namespace {

struct OpenModel {
  std::unique_ptr<ModelFiles> files;
  std::unique_ptr<Model> model;
};

OpenModel Open(const std::filesystem::path& path) {
  OpenModel out;
  Result<ModelFiles> files = ModelFiles::Open(path);
  CHECK(files.ok(), files.status().message());
  out.files = std::make_unique<ModelFiles>(std::move(files).value());
  Result<std::unique_ptr<Model>> model = LoadModel(*out.files);
  CHECK(model.ok(), model.status().message());
  out.model = std::move(model).value();
  return out;
}

std::vector<int32_t> Ids(int64_t n, uint64_t seed, int64_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) {
    ids.push_back(static_cast<int32_t>(Rng(seed, 5).Bits(static_cast<uint64_t>(i)) %
                                       static_cast<uint64_t>(vocab)));
  }
  return ids;
}

Request NewRequest(std::vector<int32_t> prompt, int64_t max_tokens, float temperature) {
  Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  r.sampling.temperature = temperature;
  r.sampling.seed = 9;
  r.top_logprobs = 3;
  r.prompt_logprobs = true;
  return r;
}

// Equal beginnings, lengths around pages and attention spans, greedy and sampled, several samples.
std::vector<Request> Lot(int64_t vocab) {
  const std::vector<int32_t> shared = Ids(64, 1, vocab);
  std::vector<Request> all;
  int i = 0;
  for (const int64_t length : {1, 17, 64, 96, 131, 270}) {
    std::vector<int32_t> prompt = Ids(length, static_cast<uint64_t>(length), vocab);
    if (i % 3 != 1) std::copy_n(shared.begin(), std::min<int64_t>(length, 64), prompt.begin());
    Request r = NewRequest(std::move(prompt), 12, i % 2 == 0 ? 0.0f : 0.9f);
    r.n = i % 3 == 2 ? 3 : 1;
    r.prompt_logprobs = i % 2 == 0;
    if (i == 3) r.sampling.top_p = 0.9f;
    if (i == 5) r.sampling.repetition_penalty = 1.2f;
    r.owner = static_cast<uint64_t>(i % 2);
    all.push_back(std::move(r));
    ++i;
  }
  return all;
}

struct Setting {
  EngineOptions options;
  int threads = 1;
  const kernels::Backend* backend = nullptr;
  bool alone = false;  // one request after another

  std::string Name() const {
    return std::string(backend->name()) + " threads " + std::to_string(threads) + " chunk " +
           std::to_string(options.prefill_chunk) + " page " + std::to_string(options.page_tokens) +
           " cache " + std::to_string(options.cache_tokens) + " prefix " +
           std::to_string(options.prefix_cache) + (alone ? " alone" : " together");
  }
};

std::vector<Recorder> Run(Model* model, const std::vector<Request>& requests,
                          const Setting& setting, EngineStats* stats,
                          ops::Numerics numerics = ops::Numerics::kPortable) {
  std::vector<Recorder> heard(requests.size());
  TestEngine engine(model, setting.options, setting.threads, setting.backend, numerics);
  for (size_t i = 0; i < requests.size(); ++i) {
    const size_t at = setting.threads == 2 ? requests.size() - 1 - i : i;
    engine.Submit(requests[at], &heard[at]);
    if (setting.alone) engine.Run();
  }
  engine.Run();
  *stats = engine->stats();
  return heard;
}

// The reference run: alone, one thread, no cache, one page size, the best backend.
void ExpectSame(Model* model, const std::vector<Request>& requests,
                const std::vector<Setting>& settings, EngineStats* total,
                ops::Numerics numerics = ops::Numerics::kPortable) {
  EngineStats stats;
  const DType cache = settings.front().options.cache_dtype;
  const Setting first{
      {.prefix_cache = false, .cache_dtype = cache}, 1, kernels::AvailableBackends().front(), true};
  const std::vector<Recorder> expected = Run(model, requests, first, &stats, numerics);
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(expected[i].finished, requests[i].n);
    for (const auto& [sample, heard] : expected[i].samples) {
      ASSERT_EQ(heard.tokens.size(), static_cast<size_t>(requests[i].max_tokens));
    }
  }
  for (const Setting& setting : settings) {
    const std::vector<Recorder> heard = Run(model, requests, setting, &stats, numerics);
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_TRUE(heard[i] == expected[i]) << "request " << i << ": " << setting.Name();
    }
    EXPECT_EQ(stats.pages_used, 0);
    total->preemptions += stats.preemptions;
    total->cached_tokens += stats.cached_tokens;
  }
}

class SameBits : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto path = std::filesystem::path(AHA_SOURCE_DIR) / "src/model/testdata" / GetParam();
    opened_ = Open(path);
  }
  OpenModel opened_;

  static std::vector<Setting> Settings(const std::vector<const kernels::Backend*>& backends) {
    std::vector<Setting> all;
    // Every chunk with another number of threads on each backend.
    int turn = 0;
    for (const kernels::Backend* backend : backends) {
      int i = turn++;
      for (const int64_t chunk : {1, 7, 64, 512}) {
        Setting s;
        s.backend = backend;
        s.threads = 1 + i % 4;
        s.options.prefill_chunk = chunk;
        s.options.page_tokens = 16 << (i % 3);
        s.options.prefix_cache = i % 4 != 2;
        // 320 rows hold the longest request and little more.
        s.options.cache_tokens = i % 2 == 1 ? 320 : 0;
        s.alone = i % 4 == 0;
        all.push_back(s);
        ++i;
      }
    }
    return all;
  }
};

TEST_P(SameBits, HoweverComputed) {
  EngineStats total;
  ExpectSame(opened_.model.get(), Lot(opened_.model->info().vocab),
             Settings(kernels::AvailableBackends()), &total);
  EXPECT_GT(total.preemptions, 0);
  EXPECT_GT(total.cached_tokens, 0);
}

// With keys and values rounded to float16: other bits, and as steady.
TEST_P(SameBits, RoundedCacheHoweverComputed) {
  std::vector<Setting> settings = Settings(kernels::AvailableBackends());
  for (Setting& s : settings) s.options.cache_dtype = DType::kF16;
  const std::vector<Request> requests = Lot(opened_.model->info().vocab);
  EngineStats total;
  ExpectSame(opened_.model.get(), requests, settings, &total);
  EXPECT_GT(total.preemptions, 0);
  EXPECT_GT(total.cached_tokens, 0);
  Setting exact = settings.front();
  exact.options.cache_dtype = DType::kF32;
  const std::vector<Recorder> rounded =
      aha::Run(opened_.model.get(), requests, settings[0], &total);
  const std::vector<Recorder> whole = aha::Run(opened_.model.get(), requests, exact, &total);
  ASSERT_EQ(rounded[0].prompt.size(), whole[0].prompt.size());
  EXPECT_FALSE(rounded == whole);
}

// Fast numerics: the same over all but the backend.
TEST_P(SameBits, FastIsTheSameOnOneBackend) {
  EngineStats total;
  ExpectSame(opened_.model.get(), Lot(opened_.model->info().vocab),
             Settings({kernels::AvailableBackends().front()}), &total, ops::Numerics::kFast);
  EXPECT_GT(total.preemptions, 0);
}

INSTANTIATE_TEST_SUITE_P(Tiny, SameBits,
                         ::testing::Values("llama", "qwen2_yarn_bf16", "deepseek_v3",
                                           "deepseek_v3_bf16"));

TEST(SameBitsSmolLM2, QuantisedHoweverComputed) {
  const char* name = "smollm2-135m-instruct-q4_1.gguf";
  AHA_REQUIRE_TEST_DATA(name);
  const OpenModel opened = Open(TestDataPath(name));
  const int64_t vocab = opened.model->info().vocab;
  std::vector<Request> requests = {NewRequest(Ids(40, 1, vocab), 6, 0.0f),
                                   NewRequest(Ids(40, 1, vocab), 6, 0.8f),
                                   NewRequest(Ids(19, 2, vocab), 6, 0.0f)};
  requests[1].n = 2;
  requests[1].prompt_logprobs = false;
  std::vector<Setting> settings;
  for (const kernels::Backend* backend : kernels::AvailableBackends()) {
    if (backend->name() == "ref") continue;
    for (const int64_t chunk : {1, 7, 64, 512}) {
      Setting s;
      s.backend = backend;
      s.threads = chunk == 1 ? 4 : chunk == 7 ? 3 : chunk == 64 ? 2 : 1;
      s.options.prefill_chunk = chunk;
      s.options.page_tokens = chunk == 7 ? 16 : 32;
      s.options.prefix_cache = chunk != 64;
      s.options.cache_tokens = chunk == 7 ? 64 : 256;
      s.options.cache_dtype = DefaultCacheDtype(opened.model->info());
      settings.push_back(s);
    }
  }
  EngineStats total;
  ExpectSame(opened.model.get(), requests, settings, &total);
  EXPECT_GT(total.cached_tokens, 0);
  // The scalar reference is some hundred times slower: two tokens will do.
  requests = {NewRequest(Ids(4, 1, vocab), 2, 0.0f)};
  ExpectSame(opened.model.get(), requests, {{{}, 2, &kernels::RefBackend(), true}}, &total);
}

}  // namespace
}  // namespace aha
