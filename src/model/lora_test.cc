// Low-rank adapters: new ones change nothing, PEFT's compute what PEFT does, and written or merged
// they mean the same.
#include "model/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "model/initialize.h"
#include "model/model_test_run.h"
#include "weights/gguf_writer.h"
#include "weights/peft_adapter.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<float> Logits(const ModelFiles& files, const std::vector<int32_t>& tokens) {
  Result<std::unique_ptr<Model>> model = LoadModel(files);
  CHECK(model.ok(), model.ok() ? "" : model.status().message());
  return ModelRun(model->get(), kernels::AvailableBackends().front(), 2).Logits(0, tokens, 100);
}

ModelFiles Open(const std::string& name) {
  Result<ModelFiles> files = ModelFiles::Open(ModelTestData(name));
  CHECK(files.ok(), files.ok() ? "" : files.status().message());
  return *std::move(files);
}

// B is no longer zero.
void FillB(ModelFiles& files) {
  for (const std::string& name : files.names()) {
    if (!name.ends_with(kLoraB)) continue;
    const int64_t n = files.Find(name)->shape.elements();
    for (int64_t i = 0; i < n; ++i)
      files.Floats(name)[i] = 0.02f * static_cast<float>((i * 5 + n) % 9 - 4);
  }
}

// Every linear map there is, by its last name.
std::vector<std::string> All(const ModelFiles& base) {
  std::set<std::string> names;
  const std::unique_ptr<Model> model = LoadModel(base).value();
  for (const LinearMap& l : model->linears()) names.insert(l.name.substr(l.name.rfind('.') + 1));
  return {names.begin(), names.end()};
}

double Farthest(const std::vector<float>& a, const std::vector<float>& b) {
  CHECK(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(double{a[i]} - b[i]));
  return most;
}

class LoraFolder : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / fmt::format("aha-lora-test-{}", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  fs::path root_;
};

class NewAdapters : public testing::TestWithParam<std::string> {};

TEST_P(NewAdapters, ComputeWhatTheBaseDoes) {
  const ModelFiles base = Open(GetParam());
  const std::vector<int32_t> tokens = Golden::Read(GetParam()).Tokens(1);
  Result<ModelFiles> files =
      WithNewAdapters(base, {.rank = 3, .alpha = 6, .targets = All(base), .seed = 4});
  ASSERT_TRUE(files.ok()) << files.status().message();
  const std::vector<float> want = Logits(base, tokens);
  EXPECT_EQ(Logits(*files, tokens), want);
  FillB(*files);
  EXPECT_GT(Farthest(Logits(*files, tokens), want), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Tiny, NewAdapters, testing::ValuesIn(TinyModels()));

TEST(Lora, FirstValuesAreThoseOfPeft) {
  const ModelFiles base = Open("llama");
  const std::string q = "model.layers.0.self_attn.q_proj";
  Result<ModelFiles> files = WithNewAdapters(base, {.rank = 8, .alpha = 16, .seed = 1});
  Result<ModelFiles> other = WithNewAdapters(base, {.rank = 8, .alpha = 16, .seed = 2});
  ASSERT_TRUE(files.ok() && other.ok());
  const float* a = files->Floats(q + ".lora_A.weight");
  ASSERT_NE(a, nullptr);
  const double bound = 1 / std::sqrt(24.0);
  double low = 1, high = -1;
  for (int i = 0; i < 8 * 24; ++i) {
    low = std::min(low, double{a[i]});
    high = std::max(high, double{a[i]});
  }
  // 192 draws reach within a tenth of both ends, and never past them.
  EXPECT_GE(low, -bound);
  EXPECT_LT(low, -0.9 * bound);
  EXPECT_LE(high, bound);
  EXPECT_GT(high, 0.9 * bound);
  EXPECT_NE(a[0], other->Floats(q + ".lora_A.weight")[0]);
  EXPECT_EQ(files->Floats(q + ".weight"), nullptr);  // frozen
}

TEST(Lora, TargetsAreEndingsOfNames) {
  const ModelFiles base = Open("deepseek_v3");
  const auto adapted = [&](std::vector<std::string> targets) {
    const Result<ModelFiles> files =
        WithNewAdapters(base, {.rank = 2, .alpha = 2, .targets = std::move(targets), .seed = 0});
    CHECK(files.ok(), files.ok() ? "" : files.status().message());
    std::vector<std::string> names;
    for (const std::string& name : files->names()) {
      if (name.ends_with(kLoraA)) names.push_back(name);
    }
    return names;
  };
  EXPECT_EQ(adapted({"kv_b_proj"}).size(), 3u);
  EXPECT_THAT(adapted({"mlp.up_proj"}),
              testing::ElementsAre("model.layers.0.mlp.up_proj.lora_A.weight"));
  EXPECT_EQ(adapted({"up_proj"}).size(), 3u);  // one dense, two shared; never a routed expert
  EXPECT_EQ(adapted({"up_proj", "o_proj"}).size(), 6u);
  EXPECT_EQ(adapted({}).size(), 3u * 5);  // of the attention: experts have the MLP's names
  const Result<ModelFiles> wrong =
      WithNewAdapters(base, {.rank = 2, .alpha = 2, .targets = {"kvb_proj"}, .seed = 0});
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.status().message(),
              HasSubstr("lora_targets has 'kvb_proj', did you mean 'kv_b_proj'?"));
}

// Made by PEFT (tools/make_lora_goldens.py): what it computes, and its merged weights' logits.
class PeftGolden : public testing::TestWithParam<std::string> {};

TEST_P(PeftGolden, LoadsAndComputesTheSame) {
  ModelFiles files = Open(GetParam());
  const Status status = files.AddAdapter(ModelTestData("lora_" + GetParam()));
  ASSERT_TRUE(status.ok()) << status.message();
  const Golden golden = Golden::Read("lora_" + GetParam());
  const std::vector<int32_t> tokens = golden.Tokens(0);
  const std::vector<float>& want = golden.tensors.at("logits.0");
  EXPECT_LT(Farthest(Logits(files, tokens), want), 2e-5);
  EXPECT_GT(Farthest(Logits(Open(GetParam()), tokens), want), 0.05);
}

INSTANTIATE_TEST_SUITE_P(Tiny, PeftGolden, testing::Values("llama", "deepseek_v3"));

TEST_F(LoraFolder, ComesBackAsItWasWritten) {
  for (const char* name : {"qwen2_yarn_bf16", "deepseek_v3"}) {
    const ModelFiles base = Open(name);
    const std::vector<int32_t> tokens = Golden::Read(name).Tokens(1);
    ModelFiles files =
        WithNewAdapters(base, {.rank = 3, .alpha = 6, .targets = All(base), .seed = 4}).value();
    FillB(files);
    const Status written = WritePeftAdapter(files, "the/base", root_ / name);
    ASSERT_TRUE(written.ok()) << written.message();
    const PeftConfig config = ReadPeftConfig(root_ / name).value();
    EXPECT_EQ(config.base, "the/base");
    EXPECT_EQ(config.rank, 3);
    ModelFiles again = Open(name);
    ASSERT_TRUE(again.AddAdapter(root_ / name).ok());
    EXPECT_EQ(Logits(again, tokens), Logits(files, tokens));
  }
  const Json json = ParseJson(ReadFile(root_ / "deepseek_v3/adapter_config.json").value()).value();
  // In transformers 4 routed experts are called ...mlp.experts.0.up_proj: not meant.
  EXPECT_THAT(json["target_modules"].get<std::vector<std::string>>(),
              testing::UnorderedElementsAre("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa",
                                            "kv_b_proj", "o_proj", "mlp.gate_proj", "mlp.up_proj",
                                            "mlp.down_proj", "shared_experts.gate_proj",
                                            "shared_experts.up_proj", "shared_experts.down_proj"));
}

TEST_F(LoraFolder, MergedItIsAModelOfItsOwn) {
  for (const char* name : {"llama3_tied", "deepseek_v3"}) {
    const ModelFiles base = Open(name);
    const std::vector<int32_t> tokens = Golden::Read(name).Tokens(1);
    ModelFiles files =
        WithNewAdapters(base, {.rank = 3, .alpha = 6, .targets = All(base), .seed = 4}).value();
    EXPECT_EQ(FolderDType(files), DType::kF32);
    ASSERT_TRUE(WriteHuggingFaceFolder(files, DType::kF32, root_ / name / "same", {}).ok());
    FillB(files);
    ASSERT_TRUE(WriteHuggingFaceFolder(files, DType::kF32, root_ / name / "merged", {}).ok());
    const ModelFiles same = ModelFiles::Open(root_ / name / "same").value();
    EXPECT_EQ(Logits(same, tokens), Logits(base, tokens));
    const ModelFiles merged = ModelFiles::Open(root_ / name / "merged").value();
    EXPECT_FALSE(merged.adapted());
    EXPECT_FALSE(merged.config().contains("lora_alpha"));
    EXPECT_EQ(merged.names(), base.names());
    const std::vector<float> want = Logits(files, tokens);
    EXPECT_LT(Farthest(Logits(merged, tokens), want), 5e-5);
    EXPECT_GT(Farthest(Logits(base, tokens), want), 1e-3);
  }
  EXPECT_EQ(FolderDType(Open("qwen2_yarn_bf16")), DType::kBF16);
}

TEST_F(LoraFolder, WhatDoesNotFitIsNamed) {
  const ModelFiles base = Open("llama");
  ModelFiles files = WithNewAdapters(base, {.rank = 3, .alpha = 6, .seed = 4}).value();
  ASSERT_TRUE(WritePeftAdapter(files, "b", root_ / "a").ok());
  const std::string written = ReadFile(root_ / "a/adapter_config.json").value();
  const auto error = [&](const std::string& model) {
    ModelFiles to = Open(model);
    return to.AddAdapter(root_ / "a").message();
  };
  EXPECT_EQ(error("llama"), "");
  EXPECT_THAT(error("smollm"), HasSubstr("do not fit the base's weight"));
  EXPECT_THAT(error("deepseek_v3"), HasSubstr("adapts what the base lacks"));
  const auto with = [&](const char* key, const Json& value) {
    Json json = ParseJson(written).value();
    json[key] = value;
    CHECK(WriteFileAtomic(root_ / "a/adapter_config.json", DumpJson(json)).ok());
    return error("llama");
  };
  EXPECT_THAT(with("peft_type", "IA3"), HasSubstr("peft_type is IA3"));
  EXPECT_THAT(with("use_dora", true), HasSubstr("use_dora is true"));
  EXPECT_THAT(with("init_lora_weights", "pissa"), HasSubstr("init_lora_weights is \"pissa\""));
  EXPECT_THAT(with("bias", "all"), HasSubstr("bias is \"all\""));
  EXPECT_THAT(with("alpha_pattern", {{"q_proj", 4}}), HasSubstr("alpha_pattern is {"));
  EXPECT_THAT(with("modules_to_save", {"lm_head"}), HasSubstr("modules_to_save"));
  EXPECT_THAT(with("r", 4), HasSubstr("the rank is 3, adapter_config.json says r is 4"));
  EXPECT_THAT(with("r", "x"), HasSubstr("\"x\""));
  EXPECT_THAT(with("lora_alpha", nullptr), HasSubstr("lora_alpha"));
  EXPECT_EQ(with("use_rslora", true), "");  // the last that is written: read below
  ModelFiles scaled = Open("llama");
  ASSERT_TRUE(scaled.AddAdapter(root_ / "a").ok());
  EXPECT_DOUBLE_EQ(scaled.config()["lora_alpha"].get<double>() / 3, 6 / std::sqrt(3.0));
  fs::remove(root_ / "a/adapter_model.safetensors");
  EXPECT_THAT(error("llama"), HasSubstr("has no adapter_model.safetensors"));
}

}  // namespace
}  // namespace aha
