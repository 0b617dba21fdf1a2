// What `aha train` says that a run needs against what the run takes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "run_aha.h"

#ifdef __has_feature
#define AHA_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define AHA_SANITIZED 0
#endif

namespace aha {
namespace {

namespace fs = std::filesystem;

class TrainMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (AHA_SANITIZED) GTEST_SKIP() << "SKIPPED: a sanitizer takes memory of its own";
    root_ = fs::temp_directory_path() / ("aha-train-memory-" + std::to_string(::getpid()));
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  Ran Train(int hidden, std::vector<std::string> more) {
    const std::string recipe = std::string(AHA_SOURCE_DIR) + "/recipes/parity.toml";
    const std::string width = std::to_string(hidden);
    std::vector<std::string> arguments = {"train", recipe, "--threads", "2"};
    for (const std::string& set :
         {std::string("pretrain.steps=3"), std::string("pretrain.batch_tokens=1024"),
          std::string("rl.steps=1"), std::string("rl.prompts=2"), std::string("rl.samples=4"),
          std::string("eval.problems=8"), std::string("micro_batch_tokens=256"),
          std::string("model.config.num_hidden_layers=4"), "model.config.hidden_size=" + width,
          "model.config.intermediate_size=" + std::to_string(4 * hidden)}) {
      arguments.insert(arguments.end(), {"--set", set});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    Ran ran = RunAha(arguments);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return ran;
  }

  static double Megabytes(const std::string& text, const char* after) {
    std::smatch found;
    if (!std::regex_search(text, found, std::regex(std::string("([0-9.]+) MB ") + after))) {
      ADD_FAILURE() << "no '" << after << "' in " << text;
      return 0;
    }
    return std::stod(found[1]);
  }

  fs::path root_;
};

TEST_F(TrainMemory, IsWhatThePlanSays) {
  const std::string plan = Train(256, {"--dry-run"}).out;
  const double weights = Megabytes(plan, "for weights, gradients and moments");
  const double activations = Megabytes(plan, "for activations of 256 tokens");
  EXPECT_GT(weights, 60);
  // The program itself, and what a model that is nearly nothing takes.
  const double least = Train(8, {"--out", (root_ / "small").string()}).peak_bytes / 1e6;
  const double taken = Train(256, {"--out", (root_ / "run").string()}).peak_bytes / 1e6;
  EXPECT_LT(taken - least, 1.05 * (weights + activations)) << taken << " MB; " << plan;
  EXPECT_GT(taken - least, 0.9 * weights) << plan;
}

}  // namespace
}  // namespace aha
