// Runs as others see them: a real one, old ones, broken ones, and those that are being written.
#include "train/run_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/files.h"
#include "train/run_lock.h"
#include "train/run_test_fixture.h"
#include "train/token_texts.h"

namespace aha {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RunRecordsTest : public RunTest {
 protected:
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary | std::ios::app) << text;
  }
  RunsFolder runs_{fs::temp_directory_path() / fmt::format("aha-run-test-{}", getpid())};
};

TEST_F(RunRecordsTest, ARealRun) {
  Go(Parity({"checkpoint.keep_last=2"}), Options("real"));
  RunRecord* run = runs_.Find("real").value();
  const RunSummary& s = run->summary();
  EXPECT_EQ(s.state, RunSummary::State::kFinished);
  ASSERT_EQ(s.stages.size(), 2u);
  EXPECT_EQ(s.stages[0].kind, "supervised");
  EXPECT_EQ(s.stages[1].name, "rl");
  EXPECT_EQ(s.stage, "rl");
  EXPECT_EQ(s.step, 4);
  EXPECT_EQ(s.total_step, 9);
  EXPECT_EQ(s.steps, 9);
  EXPECT_TRUE(s.last.contains("reward"));
  EXPECT_TRUE(s.last.contains("eval/accuracy"));
  EXPECT_EQ(s.checkpoints.back(), "final");
  EXPECT_EQ(run->Provenance()["program"], "test");
  EXPECT_EQ(run->metrics_size(), 9);
  EXPECT_EQ(run->Metrics(5, 6).value()[0]["total_step"], 6);

  const std::vector<SampledStep>& steps = **run->Steps();
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_EQ(steps[2].step, 3);
  EXPECT_EQ(steps[2].total_step, 8);
  EXPECT_EQ(steps[2].groups, 3);
  const std::vector<Json> groups = run->Groups("rl", 3).value();
  ASSERT_EQ(groups.size(), 3u);
  for (const Json& sample : groups[0]["samples"]) {
    std::string joined;
    for (const Json& text : sample["token_texts"]) joined += text.get<std::string>();
    EXPECT_EQ(joined, sample["text"]);
    EXPECT_EQ(sample["token_logprobs"].size(), sample["tokens"].get<size_t>());
    EXPECT_EQ(sample["rewards"]["correct"], sample["reward"]);
    EXPECT_FALSE(sample["why"].get<std::string>().empty());
  }
  EXPECT_THAT(run->Groups("rl", 77).status().message(), HasSubstr("step 77"));
  EXPECT_TRUE(run->skipped().empty());
}

TEST_F(RunRecordsTest, AnAnswerIsGradedAsTrainingGradesIt) {
  Go(Parity({"rl.rewards=[{name=\"correct\"},{name=\"format\",weight=0.1}]"}), Options("graded"));
  RunRecord* run = runs_.Find("graded").value();
  const auto problems = RunProblems::Open(run->recipe()).value();
  EXPECT_EQ(problems->count(), 16);
  const Tokenizer tokenizer = Tokenizer::FromFolder(root_ / "graded/final").value();
  const RunProblem p = problems->Get(3);
  EXPECT_EQ(tokenizer.Decode(problems->Encode(3, tokenizer, nullptr).value()), p.prompt);
  RunCompletion c{
      .ids = tokenizer.Encode("<think>01</think>" + p.answer, {.allow_special = true}).value(),
      .logprobs = std::vector<float>(5, -0.5f)};
  const RunAnswer right = problems->Grade(3, tokenizer, c).value();
  EXPECT_EQ(right.correct, 1);
  EXPECT_DOUBLE_EQ(right.reward, 1.1);
  EXPECT_EQ(right.thought, "01");
  EXPECT_EQ(right.extracted, p.answer);
  ASSERT_EQ(right.tokens.size(), 5u);
  EXPECT_TRUE(right.tokens[0].thought);
  EXPECT_EQ(right.tokens[1].text, "0");
  EXPECT_TRUE(right.tokens[3].thought);
  EXPECT_FALSE(right.tokens[4].thought);
  EXPECT_FLOAT_EQ(right.tokens[4].logprob, -0.5f);
  c.truncated = true;
  const RunAnswer cut = problems->Grade(3, tokenizer, c).value();
  EXPECT_EQ(cut.correct, 0);
  EXPECT_THAT(cut.why, HasSubstr("cut"));
  EXPECT_FALSE(RunProblems::Open({{"kind", "pretrain"}}).ok());
}

TEST_F(RunRecordsTest, LinesOfOlderProgramsAndGarbage) {
  Write("old/metrics.jsonl",
        "{\"stage\":\"rl\",\"step\":1,\"total_step\":1,\"reward\":0.5}\nnonsense\n[1]\n"
        "{\"stage\":\"rl\",\"step\":2,\"total_step\":2,\"reward\":0.75}\n{\"stage\":\"rl\",\"st");
  Write("old/samples.jsonl",
        "{\"stage\":\"rl\",\"step\":1,\"problem\":\"p\",\"prompt\":\"1+1=\",\"trained\":true,"
        "\"samples\":[{\"text\":\"<think>hm</think><answer>2</answer>\",\"thought\":\"hm\","
        "\"answer\":\"2\",\"rewards\":{\"correct\":1,\"bad\":\"x\"},\"reward\":1,\"why\":\"right\","
        "\"advantage\":0.7,\"tokens\":9}]}\n"
        "{\"stage\":\"rl\",\"step\":1,\"samples\":7}\n"
        "{\"stage\":\"rl\",\"step\":1,\"samples\":[1]}\n"
        "{\"step\":2, \"stage\":\"rl\", \"samples\":[]}\n"
        "{\"stage\":\"rl\",\"step\":\"two\"}\n"
        "{\"stage\":\"rl\",\"step\":3,\"samp");
  RunRecord* run = runs_.Find("old").value();
  EXPECT_EQ(run->summary().state, RunSummary::State::kStopped);
  EXPECT_EQ(run->summary().last["reward"], 0.75);
  EXPECT_EQ(run->metrics_size(), 2);
  EXPECT_TRUE(run->recipe().is_null());
  EXPECT_EQ((*run->Steps())->size(), 2u);
  const std::vector<Json> groups = run->Groups("rl", 1).value();
  ASSERT_EQ(groups.size(), 1u);
  const Json& sample = groups[0]["samples"][0];
  EXPECT_EQ(sample["extracted"], "2");
  EXPECT_EQ(sample["answer"], "<answer>2</answer>");
  EXPECT_EQ(sample["rewards"], (Json{{"correct", 1}}));
  EXPECT_TRUE(sample["token_texts"].is_null());
  EXPECT_THAT(run->skipped(),
              testing::IsSupersetOf({HasSubstr("metrics.jsonl:2: "), HasSubstr("metrics.jsonl:3: "),
                                     HasSubstr("samples.jsonl:5: ")}));
  // The half line's end comes.
  Write("old/metrics.jsonl", "ep\":3,\"total_step\":3,\"reward\":1}\n");
  run = runs_.Find("old").value();
  EXPECT_EQ(run->summary().total_step, 3);
}

TEST_F(RunRecordsTest, ARunThatGoesBackIsSaid) {
  Write("back/metrics.jsonl",
        "{\"stage\":\"a\",\"step\":1,\"total_step\":1,\"time\":1}\n"
        "{\"stage\":\"a\",\"step\":2,\"total_step\":2,\"time\":2}\n");
  EXPECT_EQ(runs_.Find("back").value()->rewound(), 0);
  fs::resize_file(root_ / "back/metrics.jsonl", fs::file_size(root_ / "back/metrics.jsonl") / 2);
  RunRecord* run = runs_.Find("back").value();
  EXPECT_EQ(run->rewound(), 1);
  EXPECT_EQ(run->summary().total_step, 1);
}

TEST_F(RunRecordsTest, NamesStayInTheFolder) {
  Write("x/metrics.jsonl", "");
  Write(".hidden/metrics.jsonl", "");
  EXPECT_TRUE(runs_.Find("x").ok());
  for (const std::string name : {"", ".", "..", ".hidden", "../x", "x/../x", "/etc", "y"}) {
    EXPECT_EQ(runs_.Find(name).status().code(), StatusCode::kNotFound) << name;
  }
  EXPECT_EQ(runs_.List().size(), 1u);
  EXPECT_TRUE(RunsFolder(root_ / "nowhere").List().empty());
}

TEST_F(RunRecordsTest, OneTrainerAFolder) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  fs::create_directories(root_ / "one");
  Write("one/metrics.jsonl", "");
  EXPECT_EQ(RunLock::Holder(root_ / "one"), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const Result<RunLock> lock = RunLock::Take(root_ / "one");
    const char byte = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  EXPECT_EQ(RunLock::Holder(root_ / "one"), child);
  EXPECT_EQ(runs_.Find("one").value()->summary().state, RunSummary::State::kRunning);
  EXPECT_THAT(RunLock::Take(root_ / "one").status().message(), HasSubstr(std::to_string(child)));
  // What a second `aha train --resume` is told.
  Write("one/recipe.json", "{}\n");
  EXPECT_THAT(aha::Run::Open(Parity({}), Options("one", true)).status().message(),
              HasSubstr("another process"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(RunLock::Holder(root_ / "one"), 0);
  EXPECT_TRUE(RunLock::Take(root_ / "one").ok());
}

TEST_F(RunRecordsTest, Recipes) {
  Write("recipes/b.toml", "# Two lines\n#   about it.\nkind = \"rl\"\n# not this\n");
  Write("recipes/a.toml", "kind = = 3\n");
  Write("recipes/c.txt", "");
  const std::vector<RecipeFile> all = ListRecipes(root_ / "recipes");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_THAT(all[0].problem, HasSubstr("a.toml:1"));
  EXPECT_EQ(all[1].about, "Two lines\nabout it.");
  EXPECT_EQ(all[1].tree["kind"], "rl");
  const fs::path parity = fs::path(AHA_SOURCE_DIR) / "recipes/parity.toml";
  EXPECT_EQ(RecipeTree(parity, std::vector<std::string>{"rl.steps=3"}).value()["rl"]["steps"], 3);
  EXPECT_THAT(RecipeTree(parity, std::vector<std::string>{"rl.step=3"}).status().message(),
              HasSubstr("steps"));
}

TEST(TokenTexts, CutAtCharacters) {
  const std::string text =
      "a\xe4\xb8\xad"
      "b\xf0\x9f\x98\x80";
  EXPECT_THAT(TokenTexts(text, std::vector<size_t>{2, 2, 1, 1, 3, 0}),
              ElementsAre("a", "\xe4\xb8\xad", "b", "", "\xf0\x9f\x98\x80", ""));
  EXPECT_THAT(TokenTexts("ab", std::vector<size_t>{1, 9, 9}), ElementsAre("a", "b", ""));
  EXPECT_THAT(TokenTexts("abc", std::vector<size_t>{1, 1}), ElementsAre("a", "bc"));
  EXPECT_THAT(TokenTexts("\x80\x80\x80\x80\x80", std::vector<size_t>{4, 1}),
              ElementsAre("\x80\x80\x80\x80", "\x80"));
  EXPECT_TRUE(TokenTexts("", {}).empty());
}

}  // namespace
}  // namespace aha
