// Real SmolLM2 (Q4_1) against transformers on its dequantised weights: the greedy text, token by
// token along transformers' choices, wherever its margin is not a near-tie.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/test_data.h"
#include "model/model_test_run.h"
#include "tensor/storage.h"
#include "weights/dequantize.h"
#include "weights/safetensors_writer.h"

namespace aha {
namespace {

constexpr const char* kFile = "smollm2-135m-instruct-q4_1.gguf";

struct Compared {
  std::vector<double> errors;  // of the chosen ids' log-probabilities, against transformers
  int near_ties = 0;           // steps with a margin below the limit
  int different_at_near_ties = 0;
  int different = 0;  // at the others
};

Json GoldenTexts() {
  return ParseJson(ReadFile(ModelTestData("smollm2_greedy.json")).value()).value()["texts"];
}

// Scores prompt + text at once; position i predicts i + 1. Margins and log-probabilities in nats.
Compared Compare(Model* model, double near_tie) {
  const int64_t vocab = model->info().vocab;
  Compared out;
  for (const Json& text : GoldenTexts()) {
    std::vector<int32_t> tokens = text["prompt"].get<std::vector<int32_t>>();
    const auto ids = text["ids"].get<std::vector<int32_t>>();
    const size_t first = tokens.size() - 1;
    tokens.insert(tokens.end(), ids.begin(), ids.end() - 1);
    ModelRun run(model, kernels::AvailableBackends().front(), 2, 0, 128, 1,
                 DefaultCacheDtype(model->info()));
    const std::vector<float> logits = run.Step({{0, tokens}});
    for (size_t i = 0; i < ids.size(); ++i) {
      const float* row = logits.data() + static_cast<int64_t>(first + i) * vocab;
      double sum = 0;
      for (int64_t v = 0; v < vocab; ++v) {
        sum += std::exp(static_cast<double>(row[v]) - static_cast<double>(row[ids[i]]));
      }
      out.errors.push_back(std::abs(-std::log(sum) - text["logprobs"][i].get<double>()));
      const bool near = text["margins"][i].get<double>() < near_tie;
      const bool other = std::max_element(row, row + vocab) - row != ids[i];
      out.near_ties += near;
      out.different_at_near_ties += near && other;
      out.different += !near && other;
    }
  }
  return out;
}

// The errors of the golden's own 8-bit rounding, one list for each of its two precisions.
std::vector<double> RoundedErrors(size_t precision) {
  std::vector<double> errors;
  for (const Json& text : GoldenTexts()) {
    for (size_t i = 0; i < text["ids"].size(); ++i) {
      errors.push_back(std::abs(text["rounded"][precision][i].get<double>() -
                                text["logprobs"][i].get<double>()));
    }
  }
  return errors;
}

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

TEST(SmolLM2, GreedyTextOnTheQuantisedWeights) {
  AHA_REQUIRE_TEST_DATA(kFile);
  const Result<ModelFiles> files = ModelFiles::Open(TestDataPath(kFile));
  ASSERT_TRUE(files.ok()) << files.status().message();
  Result<std::unique_ptr<Model>> model = LoadModel(*files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  // Activations are rounded to 8 bits on their way into integer products. One value that rounds the
  // other way moves those after it, so after 30 layers two such computations agree in the size of
  // their error only: the golden's float32 and float64 ones are as far from each other as from the
  // unrounded model. So the error is held to theirs in distribution (twice it, at two quantiles),
  // and choices where both candidates moving by their worst error could not swap them.
  const std::vector<double> in_float = RoundedErrors(0), in_double = RoundedErrors(1);
  const double worst = std::max(Quantile(in_float, 1), Quantile(in_double, 1));
  const Compared c = Compare(model->get(), 2 * worst);
  for (double share : {0.5, 0.9}) {
    EXPECT_LT(Quantile(c.errors, share),
              2 * std::max(Quantile(in_float, share), Quantile(in_double, share)))
        << "quantile " << share;
  }
  EXPECT_EQ(c.different, 0);
  EXPECT_LT(static_cast<size_t>(c.near_ties), c.errors.size() / 3);
  RecordProperty("near_ties", c.near_ties);
  RecordProperty("different_at_near_ties", c.different_at_near_ties);
  RecordProperty("worst_logprob", std::to_string(Quantile(c.errors, 1)));
}

// The same model as a folder of float32 weights.
Status WriteDequantised(const ModelFiles& files, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  SafetensorsWriter writer(folder / "model.safetensors");
  std::vector<Storage> tensors;
  for (const std::string& name : files.names()) {
    AHA_ASSIGN_OR_RETURN(const ConstView stored, files.Find(name));
    Storage& values = tensors.emplace_back(DType::kF32, stored.shape);
    Dequantize(stored, {values.floats(), static_cast<size_t>(stored.shape.elements())});
    writer.Add(name, values.view());
  }
  AHA_RETURN_IF_ERROR(writer.Finish());
  return WriteFileAtomic(folder / "config.json", DumpJson(files.config()));
}

TEST(SmolLM2, GreedyTextAndLogProbsOnTheDequantisedWeights) {
  AHA_REQUIRE_TEST_DATA(kFile);
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "smollm2_f32";
  {
    const Result<ModelFiles> gguf = ModelFiles::Open(TestDataPath(kFile));
    ASSERT_TRUE(gguf.ok()) << gguf.status().message();
    const Status written = WriteDequantised(*gguf, folder);
    ASSERT_TRUE(written.ok()) << written.message();
  }
  {
    const Result<ModelFiles> files = ModelFiles::Open(folder);
    ASSERT_TRUE(files.ok()) << files.status().message();
    Result<std::unique_ptr<Model>> model = LoadModel(*files, /*check_all=*/true);
    ASSERT_TRUE(model.ok()) << model.status().message();
    const Compared c = Compare(model->get(), 1e-3);
    EXPECT_EQ(c.different, 0);
    EXPECT_EQ(c.near_ties, 0);
    EXPECT_LT(Quantile(c.errors, 1), 1e-4);
    RecordProperty("worst_logprob", std::to_string(Quantile(c.errors, 1)));
  }
  std::filesystem::remove_all(folder);
}

// 4-bit weights times 8-bit activations: integer sums, so every backend can be held to `==`.
TEST(SmolLM2, SameBitsOnQuantisedWeights) {
  AHA_REQUIRE_TEST_DATA(kFile);
  const Result<ModelFiles> files = ModelFiles::Open(TestDataPath(kFile));
  ASSERT_TRUE(files.ok()) << files.status().message();
  const std::unique_ptr<Model> model = LoadModel(*files).value();
  const auto ids = GoldenTexts()[0]["ids"].get<std::vector<int32_t>>();
  const std::vector<int32_t> tokens(ids.begin(), ids.begin() + 10);
  const std::vector<float> want =
      ModelRun(model.get(), &kernels::RefBackend(), 2, 0, 32, 1).Logits(0, tokens, 100);
  for (const kernels::Backend* backend : kernels::AvailableBackends()) {
    if (backend == &kernels::RefBackend()) continue;
    for (size_t chunk : {1, 7, 100}) {
      for (int64_t page : {0, 16}) {
        EXPECT_EQ(ModelRun(model.get(), backend, 2, page, 32, 2).Logits(1, tokens, chunk), want)
            << backend->name() << ", chunks of " << chunk << ", pages of " << page;
      }
    }
  }
}

}  // namespace
}  // namespace aha
