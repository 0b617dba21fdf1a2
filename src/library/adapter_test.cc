// Adapters' folders opened over the bases they name, and merged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/files.h"
#include "library/convert.h"
#include "library/library.h"
#include "weights/peft_adapter.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class AdapterFolder : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / fmt::format("aha-adapter-test-{}", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_ / "models");
    setenv("AHA_MODELS", (root_ / "models").c_str(), 1);
    fs::copy(data_ / "lora_llama", root_ / "adapter");
  }
  void TearDown() override {
    unsetenv("AHA_MODELS");
    fs::remove_all(root_);
  }
  void SetBase(const Json& base) {
    Json json = ParseJson(ReadFile(root_ / "adapter/adapter_config.json").value()).value();
    json["base_model_name_or_path"] = base;
    CHECK(WriteFileAtomic(root_ / "adapter/adapter_config.json", DumpJson(json)).ok());
  }
  std::string Error() const { return OpenModelFiles(root_ / "adapter").status().message(); }

  const fs::path data_ = fs::path(AHA_SOURCE_DIR) / "src/model/testdata";
  fs::path root_;
};

TEST_F(AdapterFolder, FindsTheBaseItNames) {
  EXPECT_TRUE(OpenModelFiles(data_ / "lora_llama")->adapted());  // "../llama", seen from the folder
  EXPECT_THAT(Error(), HasSubstr("is an adapter of '../llama', which is no path here"));
  SetBase((data_ / "llama").string());
  EXPECT_EQ(Error(), "");
  SetBase("some-org/tiny");
  EXPECT_THAT(Error(), HasSubstr("aha models pull some-org/tiny"));
  fs::copy(data_ / "llama", root_ / "models/tiny");
  EXPECT_EQ(Error(), "");
  SetBase(nullptr);
  EXPECT_THAT(Error(), HasSubstr("does not say which base it is for"));
  EXPECT_TRUE(OpenModelFiles(root_ / "adapter", "tiny").ok());
  SetBase("../adapter");
  EXPECT_THAT(Error(), HasSubstr("is an adapter too"));
}

TEST_F(AdapterFolder, IsMerged) {
  const std::string base = (data_ / "llama").string();
  const auto merged =
      MergeAdapter(root_ / "adapter", {.base = base, .dtype = {}}, root_ / "out", {});
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(*merged, DType::kF32);
  const ModelFiles files = OpenModelFiles(root_ / "out").value();
  EXPECT_FALSE(files.adapted());
  EXPECT_EQ(files.names(), ModelFiles::Open(base)->names());
  EXPECT_TRUE(LoadModel(files).ok());
  EXPECT_EQ(
      *MergeAdapter(root_ / "adapter", {.base = base, .dtype = DType::kBF16}, root_ / "half", {}),
      DType::kBF16);
  EXPECT_THAT(MergeAdapter(root_ / "out", {}, root_ / "again", {}).status().message(),
              HasSubstr("is no adapter"));
  EXPECT_THAT(QuantizeModel(root_ / "adapter", DType::kQ8_0, root_ / "q.gguf", {}).message(),
              HasSubstr("merge it first"));
}

}  // namespace
}  // namespace aha
