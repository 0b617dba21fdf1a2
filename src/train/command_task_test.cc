// A recipe whose task is the user's own checker.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "train/run.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

class CommandTaskTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / fmt::format("aha-command-task-test-{}", getpid());
    fs::create_directories(root_);
    std::ofstream problems(root_ / "problems.jsonl");
    for (int i = 0; i < 16; ++i) {
      for (int bit = 3; bit >= 0; --bit)
        problems << (bit == 3 ? R"({"prompt":")" : "") << (i >> bit & 1);
      problems << "=\"}\n";
    }
    // Right is what thinks: the checker reads the completion, not an answer.
    std::ofstream(root_ / "checker.sh") << R"(while IFS= read -r line; do
  id=${line#*\"id\":}
  case "$line" in
    *'"completion":"<think>'*) echo "{\"id\":${id%%,*},\"reward\":1,\"why\":\"it thinks\"}" ;;
    *) echo "{\"id\":${id%%,*},\"reward\":0,\"why\":\"it does not\"}" ;;
  esac
done
)";
  }
  void TearDown() override { fs::remove_all(root_); }

  // recipes/parity.toml with the checker's task, small.
  Result<Recipe> WithChecker(const std::string& program) const {
    std::string text = ReadFile(fs::path(AHA_SOURCE_DIR) / "recipes/parity.toml").value();
    const std::string parity = "name = \"parity\"\nbits = 16\n";
    const size_t at = text.find(parity);
    CHECK(at != std::string::npos, text);
    text.replace(
        at, parity.size(),
        fmt::format("name = \"command\"\ncommand = [\"{}\", \"{}\"]\npath = \"{}\"\n", program,
                    (root_ / "checker.sh").string(), (root_ / "problems.jsonl").string()));
    std::ofstream(root_ / "recipe.toml") << text;
    const std::vector<std::string> small = {"checkpoint.every=100",
                                            "checkpoint.keep_best=\"\"",
                                            "eval.problems=4",
                                            "pretrain.steps=30",
                                            "pretrain.batch_tokens=500",
                                            "pretrain.data.bits=4",
                                            "rl.steps=2",
                                            "rl.prompts=3",
                                            "rl.samples=4",
                                            "rl.max_completion=12",
                                            "rl.drop_zero_variance=false"};
    return ReadRecipe(root_ / "recipe.toml", small);
  }
  RunOptions Options(const std::string& name) const {
    return {.out = root_ / name,
            .resume = false,
            .threads = 1,
            .backend = kernels::AvailableBackends().front(),
            .program = "test",
            .stop = {},
            .on_step = {},
            .say = {}};
  }

  fs::path root_;
};

TEST_F(CommandTaskTest, TrainsOnTheCheckersReward) {
  const Result<Recipe> recipe = WithChecker("sh");
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  Result<std::unique_ptr<aha::Run>> run = aha::Run::Open(*recipe, Options("run"));
  ASSERT_TRUE(run.ok()) << run.status().message();
  const Result<RunEnd> end = (*run)->Go();
  ASSERT_TRUE(end.ok()) << end.status().message();
  EXPECT_TRUE(end->finished);
  int samples = 0;
  const std::vector<Json> groups = ReadLines(root_ / "run/samples.jsonl").value();
  EXPECT_EQ(groups.size(), 2u * 3);
  for (const Json& group : groups) {
    for (const Json& s : group["samples"]) {
      if (s["why"].get<std::string>().starts_with("cut at")) continue;  // said after the checker
      ++samples;
      const bool thinks = s["text"].get<std::string>().starts_with("<think>");
      EXPECT_EQ(s["why"], thinks ? "it thinks" : "it does not") << DumpJson(s);
    }
  }
  EXPECT_GT(samples, 0);
}

TEST_F(CommandTaskTest, AMissingProgramIsNamedBeforeAnythingIsWritten) {
  const Result<Recipe> recipe = WithChecker("no-such-checker");
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  const auto run = aha::Run::Open(*recipe, Options("run"));
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.status().message(), "checker 'no-such-checker " + (root_ / "checker.sh").string() +
                                        "': there is no program 'no-such-checker' in PATH");
  EXPECT_FALSE(fs::exists(root_ / "run"));
}

}  // namespace
}  // namespace aha
