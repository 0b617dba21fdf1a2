// Whole runs on a small scale: reasoning emerges, sampler and trainer agree to the bit, and a run
// that was stopped ends as one that was not.
#include "train/run_test_fixture.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/files.h"
#include "base/rng.h"

namespace aha {
namespace {

TEST_F(RunTest, ReasoningEmergesFromReward) {
  const Recipe recipe = Parity(
      {"checkpoint.every=1000", "checkpoint.keep_best=\"\"", "eval.problems=128", "eval.every=100",
       "task.bits=8", "pretrain.data.bits=8", "pretrain.steps=200", "pretrain.batch_tokens=3000",
       "rl.steps=30", "rl.prompts=16", "rl.samples=16", "rl.drop_zero_variance=true"});
  Go(recipe, Options("emerge", false, 2));
  const std::vector<Json> lines = ReadLines(root_ / "emerge/metrics.jsonl").value();
  const Json& base = lines[200];
  const Json& last = lines.back();
  EXPECT_NEAR(base["base_eval/think_share"].get<double>(), 0.2, 0.12);
  EXPECT_LT(base["base_eval/greedy_accuracy"].get<double>(), 0.75);
  EXPECT_GE(last["eval/greedy_accuracy"].get<double>(), 0.95);
  EXPECT_GE(last["think_share"].get<double>(), 0.9);
  EXPECT_GE(last["eval/mean_length"].get<double>(), 0.95 * 8);
  for (const Json& line : lines) {
    if (line["stage"] != "rl") continue;
    EXPECT_EQ(line["sampling/logprob_diff_max"].get<double>(), 0);
    // A step whose groups were all right trains on nothing.
    EXPECT_EQ(line["sampling/ratio_max"].get<double>(), line["trained_samples"] == 0 ? 0 : 1);
  }
}

TEST_F(RunTest, BitsDoNotDependOnThreadsOrMicroBatches) {
  const RunEnd one = Go(Parity({}), Options("one", false, 1));
  const RunEnd three = Go(Parity({}), Options("three", false, 3));
  EXPECT_EQ(one.weights_sha256, three.weights_sha256);
  EXPECT_EQ(Metrics("one"), Metrics("three"));
  EXPECT_EQ(Text("one/samples.jsonl"), Text("three/samples.jsonl"));
  const RunEnd small = Go(Parity({"micro_batch_tokens=50"}), Options("small"));
  EXPECT_EQ(small.weights_sha256, one.weights_sha256);
  const RunEnd again = Go(Parity({"recompute=true"}), Options("recompute"));
  EXPECT_EQ(again.weights_sha256, one.weights_sha256);
  const RunEnd other = Go(Parity({"seed=1"}), Options("other"));
  EXPECT_NE(other.weights_sha256, one.weights_sha256);
}

TEST_F(RunTest, KilledAtAnyMomentItEndsTheSame) {
  const std::vector<std::string> set = {"rl.beta=0.01", "rl.reference_every=3", "rl.minibatches=2"};
  const RunEnd whole = Go(Parity(set), Options("whole"));
  const Rng rng(11, 0);
  for (uint64_t round = 0; round < 3; ++round) {
    const std::string name = "killed" + std::to_string(round);
    int kills = 0;
    for (uint64_t attempt = 0; attempt < 200; ++attempt) {
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const bool begun = fs::exists(root_ / name / "recipe.json");
        Result<std::unique_ptr<aha::Run>> run = aha::Run::Open(Parity(set), Options(name, begun));
        const bool ok = run.ok() && (*run)->Go().ok();
        if (!run.ok()) std::fprintf(stderr, "%s\n", run.status().message().c_str());
        _exit(ok ? 0 : 3);
      }
      // Late enough to get on, early enough to fall into every part of a step and its writes. A
      // machine that is busy with other things is given more and more time.
      const double patience = 1 + static_cast<double>(attempt / 20);
      const double share = rng.Uniform(attempt, static_cast<uint32_t>(round));
      usleep(static_cast<useconds_t>(patience * (20'000 + 130'000 * share)));
      kill(child, SIGKILL);
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      if (WIFEXITED(status)) {
        ASSERT_EQ(WEXITSTATUS(status), 0);
        break;
      }
      ++kills;
    }
    EXPECT_GT(kills, 0);
    // One more resume of what is finished says the same.
    EXPECT_EQ(Go(Parity(set), Options(name, true)).weights_sha256, whole.weights_sha256);
    EXPECT_EQ(Metrics(name), Metrics("whole"));
    EXPECT_EQ(Text(name + "/samples.jsonl"), Text("whole/samples.jsonl"));
  }
}

TEST_F(RunTest, BadInputGetsASentence) {
  const auto error = [&](const Recipe& recipe, RunOptions options) {
    const auto run = aha::Run::Open(recipe, std::move(options));
    return run.ok() ? std::string() : run.status().message();
  };
  EXPECT_NE(error(Parity({}), Options("none", true)).find("no run to resume"), std::string::npos);
  EXPECT_NE(error(Parity({"task.bits=90"}), Options("a")).find("bits is 90"), std::string::npos);
  EXPECT_NE(error(Parity({"tokenizer.characters=\"01\""}), Options("a")).find("cannot write"),
            std::string::npos);
  EXPECT_NE(error(Parity({"model.config.hidden_size=63"}), Options("a")).find("[model.config]"),
            std::string::npos);
  EXPECT_NE(error(Parity({"pretrain.data.name=parity-txt"}), Options("a")).find("parity-text"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(root_ / "a" / "recipe.json"));

  Go(Parity({}), Options("b"));
  EXPECT_NE(error(Parity({}), Options("b")).find("--resume"), std::string::npos);
  EXPECT_NE(error(Parity({"seed=3"}), Options("b", true)).find("another recipe"),
            std::string::npos);
  // One flipped byte.
  const fs::path last = ListCheckpoints(root_ / "b/checkpoints").back() / "model.safetensors";
  std::string bytes = ReadFile(last).value();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(last, std::ios::binary) << bytes;
  const std::string flipped = error(Parity({}), Options("b", true));
  EXPECT_NE(flipped.find("model.safetensors"), std::string::npos) << flipped;
  EXPECT_NE(flipped.find("sha256"), std::string::npos) << flipped;
}

TEST_F(RunTest, AnExplodingRunStopsAndSaysWhere) {
  const auto error = [&](const std::string& name, const std::vector<std::string>& set) {
    const auto run = Run::Open(Parity(set), Options(name));
    CHECK(run.ok(), run.ok() ? "" : run.status().message());
    const Result<RunEnd> end = (*run)->Go();
    return end.ok() ? std::string() : end.status().message();
  };
  const std::string nan = error("nan", {"model.config.initializer_range=1e18"});
  EXPECT_NE(nan.find("stage pretrain step 1: the loss is "), std::string::npos) << nan;
  EXPECT_NE(nan.find("the output of layer 0 is not finite"), std::string::npos) << nan;
  const std::string large =
      error("large", {"pretrain.lr=10", "pretrain.clip_norm=0", "pretrain.warmup_steps=0",
                      "pretrain.steps=60", "checkpoint.every=1", "checkpoint.keep_last=1"});
  EXPECT_NE(large.find("stage pretrain step "), std::string::npos) << large;
  EXPECT_NE(large.find("the last good checkpoint is step-"), std::string::npos) << large;
}

// What a full disk does to a checkpoint: the run ends with a sentence, nothing half written stays,
// and when there is room again it goes on to the same bits.
TEST_F(RunTest, AFullDiskLosesNothing) {
  const RunEnd whole = Go(Parity({}), Options("whole"));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // No file may grow past this; a checkpoint's moments are larger.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {500'000, 500'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto run = Run::Open(Parity({}), Options("full"));
    const Result<RunEnd> end = run.ok() ? (*run)->Go() : Result<RunEnd>(run.status());
    const bool said = !end.ok() && end.status().message().find("step-") != std::string::npos &&
                      end.status().message().find("safetensors") != std::string::npos;
    if (!said && !end.ok()) std::fprintf(stderr, "%s\n", end.status().message().c_str());
    _exit(said ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(fs::is_empty(root_ / "full/checkpoints"));
  EXPECT_EQ(Go(Parity({}), Options("full", true)).weights_sha256, whole.weights_sha256);
  EXPECT_EQ(Metrics("full"), Metrics("whole"));
}

TEST_F(RunTest, TheBaseThatRewardBeganWithStays) {
  Go(Parity({"checkpoint.every=1", "checkpoint.keep_last=1", "checkpoint.keep_best=\"\""}),
     Options("run"));
  std::vector<std::string> names;
  for (const fs::path& path : ListCheckpoints(root_ / "run/checkpoints")) {
    names.push_back(path.filename().string());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"step-000005", "step-000009"}));
}

TEST_F(RunTest, AFolderThatCannotBeWrittenIsNamed) {
  std::ofstream(root_ / "file") << "in the way";
  RunOptions options = Options("file");
  options.out /= "run";
  const auto run = Run::Open(Parity({}), std::move(options));
  ASSERT_FALSE(run.ok());
  EXPECT_NE(run.status().message().find("file/run"), std::string::npos) << run.status().message();
}

}  // namespace
}  // namespace aha
