#include "model/weight_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "model/model_test_run.h"
#include "weights/dequantize.h"

namespace aha {
namespace {

class OwnedTranspose : public testing::TestWithParam<DType> {};

// W_UK of MLA: what comes out is what the kernels would have made of the stored rows.
TEST_P(OwnedTranspose, IsTheTransposeOfTheDequantisedRows) {
  constexpr int64_t kRows = 5, kCols = 64;
  std::vector<float> values(kRows * kCols);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(Rng(1, 2).Uniform(i) - 0.5);
  }
  const std::string bytes = Quantize(values, GetParam()).value();
  const ConstView w = {
      reinterpret_cast<const std::byte*>(bytes.data()), GetParam(), {kRows, kCols}};
  std::vector<float> stored(values.size()), transposed(values.size());
  Dequantize(w, stored);

  const Result<ModelFiles> files = ModelFiles::Open(ModelTestData("llama"));
  ASSERT_TRUE(files.ok()) << files.status().message();
  WeightLoader load(*files, false);
  const ConstView t = load.OwnedTranspose(w);
  EXPECT_EQ(t.shape, Shape({kCols, kRows}));
  EXPECT_EQ(t.dtype, Info(GetParam()).quantized ? DType::kF32 : GetParam());
  Dequantize(t, transposed);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kCols; ++c) {
      ASSERT_EQ(transposed[static_cast<size_t>(c * kRows + r)],
                stored[static_cast<size_t>(r * kCols + c)]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, OwnedTranspose,
                         testing::Values(DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0,
                                         DType::kQ4_1),
                         [](const auto& param) { return std::string(Info(param.param).name); });

TEST(WeightLoader, VectorsBecomeFloat32AndErrorsStick) {
  const Result<ModelFiles> files = ModelFiles::Open(ModelTestData("qwen2_yarn_bf16"));
  ASSERT_TRUE(files.ok()) << files.status().message();
  WeightLoader load(*files, false);
  const ConstView norm = load.Vector("model.norm.weight", 24);
  EXPECT_EQ(norm.dtype, DType::kF32);
  std::vector<float> stored(24);
  Dequantize(files->Find("model.norm.weight").value(), stored);
  EXPECT_EQ(std::memcmp(norm.data, stored.data(), 96), 0);
  EXPECT_TRUE(load.Matrix("lm_head.weight", 47, 24).empty());
  EXPECT_TRUE(load.Vector("model.norm.weight", 24).empty());
  EXPECT_THAT(load.status().message(),
              testing::HasSubstr("lm_head.weight has shape [48, 24], config.json asks [47, 24]"));
  EXPECT_EQ(load.Take().status().message(), load.status().message());
}

}  // namespace
}  // namespace aha
