// The app's runs with real trainers: begun, watched, stopped, gone on with, and ended with the
// server.
#include "server/runs_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunsApiTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / fmt::format("aha-runs-api-{}", getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
    Open();
  }
  void TearDown() override {
    api_ = nullptr;
    fs::remove_all(root_);
  }
  void Open() {
    api_ =
        std::make_unique<RunsApi>(RunsApiOptions{.runs = root_ / "runs",
                                                 .recipes = {fs::path(AHA_SOURCE_DIR) / "recipes"},
                                                 .program = AHA_BINARY,
                                                 .threads = 1});
  }

  static Json BodyOf(const HttpResponse& response) { return ParseJson(response.body).value(); }
  static std::string ErrorOf(const HttpResponse& response) {
    EXPECT_GE(response.status, 400) << response.body;
    return BodyOf(response)["error"]["message"].get<std::string>();
  }
  HttpResponse Start(const std::string& name, std::vector<std::string> set) {
    return api_->StartRun({{"recipe", "parity"}, {"name", name}, {"set", set}});
  }
  Json Show(const std::string& name) { return BodyOf(api_->ShowRun(name)); }
  bool Await(const std::function<bool()>& what) {
    for (int i = 0; i < 600; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

  const std::vector<std::string> small_ = {
      "pretrain.steps=6", "pretrain.batch_tokens=500", "rl.steps=3",        "rl.prompts=3",
      "rl.samples=4",     "eval.problems=8",           "checkpoint.every=1"};
  // As many steps as it takes to be stopped in their midst.
  const std::vector<std::string> long_ = {"pretrain.steps=100000"};
  fs::path root_;
  std::unique_ptr<RunsApi> api_;
};

TEST_F(RunsApiTest, ARunFromItsBeginningToItsEnd) {
  const HttpResponse begun = Start("one", small_);
  ASSERT_EQ(begun.status, 201) << begun.body;
  EXPECT_EQ(BodyOf(begun)["name"], "one");
  RunEventCursor cursor;
  std::vector<Json> events;
  ASSERT_TRUE(Await([&] {
    ApiResult<std::vector<Json>> more = api_->Events("one", &cursor);
    if (more.ok()) events.insert(events.end(), more->begin(), more->end());
    return Show("one")["status"] == "finished";
  }));
  int lines = 0;
  for (const Json& event : events) {
    if (event["type"] == "metrics") EXPECT_EQ(event["index"], lines++);
  }
  EXPECT_GE(lines, 8);
  const Json metrics = BodyOf(api_->ShowMetrics("one", {.query = {{"from", "2"}}}));
  EXPECT_EQ(metrics["lines"].size(), 7u);
  EXPECT_EQ(metrics["next"], 9);
  EXPECT_EQ(BodyOf(api_->ShowSamples("one", {}))["steps"].size(), 3u);
  const Json groups =
      BodyOf(api_->ShowSamples("one", {.query = {{"stage", "rl"}, {"step", "2"}}}))["groups"];
  EXPECT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0]["samples"].size(), 4u);
  const Json problem = BodyOf(api_->ShowProblem("one", {.query = {{"index", "7"}}}));
  EXPECT_EQ(problem["count"], 8);
  EXPECT_THAT(ErrorOf(api_->ShowProblem("one", {.query = {{"index", "8"}}})), HasSubstr("0 to 7"));
  EXPECT_THAT(ErrorOf(api_->ResumeRun("one")), HasSubstr("has finished"));
  EXPECT_THAT(ErrorOf(Start("one", small_)), HasSubstr("already"));

  ApiResult<AnswerJob> job = api_->PrepareAnswer("one", {{"index", 7}, {"checkpoint", "final"}});
  ASSERT_TRUE(job.ok());
  EXPECT_EQ(job->model, "runs/one/final");
  const Tokenizer tokenizer = Tokenizer::FromFolder(root_ / "runs/one/final").value();
  const std::string right = problem["answer"].get<std::string>();
  const Json answered = BodyOf(api_->Answered(
      *job, tokenizer,
      {.ids = tokenizer.Encode("<think>0</think>" + right, {.allow_special = true}).value(),
       .logprobs = {}}));
  EXPECT_EQ(answered["correct"], 1.0);
  EXPECT_EQ(answered["thought"], "0");
  EXPECT_FALSE(api_->PrepareAnswer("one", {{"index", 8}, {"checkpoint", "final"}}).ok());
  EXPECT_FALSE(api_->PrepareAnswer("one", {{"index", 0}, {"checkpoint", "../final"}}).ok());
}

TEST_F(RunsApiTest, StoppedAndGoneOnWith) {
  ASSERT_EQ(Start("two", long_).status, 201);
  ASSERT_TRUE(Await([&] { return Show("two")["total_step"].get<int>() > 2; }));
  EXPECT_THAT(ErrorOf(api_->ResumeRun("two")), HasSubstr("is running"));
  EXPECT_EQ(api_->StopRun("two").status, 202);
  EXPECT_EQ(api_->StopRun("two").status, 202);  // a second wish does not cut the first short
  ASSERT_TRUE(Await([&] { return Show("two")["status"] == "stopped"; }));
  const Json stopped = Show("two");
  EXPECT_TRUE(stopped["message"].is_null());
  ASSERT_EQ(stopped["checkpoints"].size(), 1u);
  EXPECT_EQ(api_->StopRun("two").status, 409);
  EXPECT_EQ(api_->ResumeRun("two").status, 202);
  const int before = stopped["total_step"].get<int>();
  ASSERT_TRUE(Await([&] { return Show("two")["total_step"].get<int>() > before; }));
  // The server goes: so does the run, with a checkpoint.
  api_ = nullptr;
  Open();
  const Json ended = Show("two");
  EXPECT_EQ(ended["status"], "stopped");
  EXPECT_EQ(ended["here"], false);
  EXPECT_EQ(ended["checkpoints"].back(), fmt::format("step-{:06}", ended["total_step"].get<int>()));
}

TEST_F(RunsApiTest, WhatCannotBeBegunSaysWhy) {
  EXPECT_THAT(ErrorOf(Start("x", {"rl.stepss=3"})), HasSubstr("did you mean 'steps'"));
  EXPECT_THAT(ErrorOf(Start("x", {"pretrain.data={name=\"jsonl\",path=\"nope.jsonl\"}"})),
              HasSubstr("nope.jsonl"));
  EXPECT_FALSE(fs::exists(root_ / "runs/x"));
  EXPECT_THAT(ErrorOf(api_->StartRun({{"recipe", "nope"}, {"name", "x"}})), HasSubstr("nope"));
  EXPECT_THAT(ErrorOf(api_->StartRun({{"recipe", "../x"}, {"name", "x"}})), HasSubstr("../x"));
  for (const std::string name : {"", ".", "..", "../x", "a/b", "a b", "-x", ".x", "a\n"}) {
    EXPECT_THAT(ErrorOf(Start(name, {})), HasSubstr("may not be called")) << name;
    EXPECT_EQ(api_->StopRun(name).status, 404);
    EXPECT_EQ(api_->ShowRun(name).status, 404);
  }
  for (const std::string set : {"", "=1", "a", "--out=/tmp/x", "a b=1", "seed=1\nkind=2"}) {
    EXPECT_EQ(Start("x", {set}).status, 400) << set;
  }
  EXPECT_TRUE(fs::is_empty(root_ / "runs") || !fs::exists(root_ / "runs"));
}

TEST(RunSettings, StartNoProgramsAndReadNoFilesElsewhere) {
  const Json recipe = {{"task", {{"name", "jsonl"}, {"path", "/data/p.jsonl"}}},
                       {"model", {{"base", "/models/base"}}}};
  EXPECT_TRUE(CheckSettings(recipe, recipe).ok());
  const auto with = [&](const char* pointer, const Json& value) {
    Json after = recipe;
    after[Json::json_pointer(pointer)] = value;
    return CheckSettings(recipe, after);
  };
  EXPECT_TRUE(with("/seed", 1).ok());
  EXPECT_TRUE(with("/task/path", "data/other.jsonl").ok());
  for (const char* path : {"/etc/passwd", "../x", "a/../../x", "~/x"}) {
    EXPECT_FALSE(with("/task/path", path).ok()) << path;
    EXPECT_FALSE(with("/model/base", path).ok()) << path;
    EXPECT_FALSE(with("/sft/data", {{"name", "jsonl"}, {"path", path}}).ok()) << path;
  }
  EXPECT_FALSE(with("/task", {{"name", "command"}, {"command", {"sh"}}}).ok());
  Json command = recipe;
  command["task"] = {{"name", "command"}, {"command", {"./check.py"}}};
  Json faster = command;
  faster["seed"] = 2;
  EXPECT_TRUE(CheckSettings(command, faster).ok());
  faster["task"]["command"] = {"sh", "-c", "x"};
  EXPECT_FALSE(CheckSettings(command, faster).ok());
}

}  // namespace
}  // namespace aha
