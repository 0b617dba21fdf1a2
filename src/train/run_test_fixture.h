// Small runs in a folder of their own, for tests.
#ifndef AHA_TRAIN_RUN_TEST_FIXTURE_H_
#define AHA_TRAIN_RUN_TEST_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "train/run.h"

namespace aha {

namespace fs = std::filesystem;

class RunTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / fmt::format("aha-run-test-{}", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  static Recipe Parity(const std::vector<std::string>& set) {
    std::vector<std::string> all = {"checkpoint.every=2",
                                    "checkpoint.supervised_every=0",
                                    "checkpoint.keep_last=2",
                                    "eval.problems=16",
                                    "pretrain.steps=5",
                                    "rl.steps=4",
                                    "pretrain.batch_tokens=500",
                                    "rl.prompts=3",
                                    "rl.samples=4",
                                    "rl.drop_zero_variance=false"};
    all.insert(all.end(), set.begin(), set.end());
    Result<Recipe> r = ReadRecipe(fs::path(AHA_SOURCE_DIR) / "recipes/parity.toml", all);
    CHECK(r.ok(), r.ok() ? "" : r.status().message());
    return *std::move(r);
  }

  RunOptions Options(const std::string& name, bool resume = false, int threads = 1) const {
    return {.out = root_ / name,
            .resume = resume,
            .threads = threads,
            .backend = kernels::AvailableBackends().front(),
            .program = "test",
            .stop = {},
            .on_step = {},
            .say = {}};
  }

  RunEnd Go(const Recipe& recipe, RunOptions options) {
    Result<std::unique_ptr<aha::Run>> run = aha::Run::Open(recipe, std::move(options));
    CHECK(run.ok(), run.ok() ? "" : run.status().message());
    Result<RunEnd> end = (*run)->Go();
    CHECK(end.ok(), end.ok() ? "" : end.status().message());
    return *end;
  }

  // Without the keys that tell of time.
  std::vector<std::string> Metrics(const std::string& name) const {
    std::vector<std::string> out;
    const std::vector<Json> lines = ReadLines(root_ / name / "metrics.jsonl").value();
    for (const Json& line : lines) {
      Json kept = Json::object();
      for (const auto& [key, value] : line.items()) {
        if (!IsTiming(key)) kept[key] = value;
      }
      out.push_back(DumpJson(kept));
    }
    return out;
  }
  std::string Text(const std::string& path) const { return ReadFile(root_ / path).value(); }

  fs::path root_;
};

}  // namespace aha

#endif  // AHA_TRAIN_RUN_TEST_FIXTURE_H_
