#include "envs/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// What the checkers below share: `answer REWARD` answers the request in $line, and the loop's body
// is put in at %s. A completion that ends in 4 is right.
constexpr const char* kChecker = R"(#!/bin/sh
answer() {
  id=${line#*\"id\":}
  echo "{\"id\":${id%%,*},\"reward\":$1,\"why\":\"so it is\",\"answer\":\"seen\"}"
}
echo start >> "$(dirname "$0")/starts"
while IFS= read -r line; do
  CASES
  case "$line" in
    *'"completion":'*'4"}') answer 1 ;;
    *) answer 0 ;;
  esac
done
)";

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class CommandTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("aha-command-test-{}", getpid());
    fs::create_directories(folder_);
    std::ofstream problems(folder_ / "problems.jsonl");
    for (int i = 0; i < 40; ++i) {
      problems << R"({"prompt":"2+2=)" << i << R"(","answer":"4","extra":[1,{"two":"zwölf"}]})"
               << "\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string WriteProgram(const std::string& text, int mode = 0755) const {
    const fs::path path = folder_ / "checker.sh";
    std::ofstream(path) << text;
    chmod(path.c_str(), static_cast<mode_t>(mode));
    return path.string();
  }
  // The checker with what it does before it answers.
  std::string Checker(const std::string& cases) const {
    std::string text = kChecker;
    return WriteProgram(text.replace(text.find("CASES"), 5, cases));
  }
  // One that does `what` for the completion "bad".
  std::string BadOn(const std::string& what) const {
    return Checker("case \"$line\" in *'\"completion\":\"bad\"'*) " + what + " ;; esac");
  }

  Json Options(const std::string& program, Json more = Json::object()) const {
    Json options = {{"name", "command"},
                    {"command", {program}},
                    {"path", (folder_ / "problems.jsonl").string()},
                    {"timeout_seconds", 20}};
    options.update(more);
    return options;
  }
  void Make(const std::string& program, Json more = Json::object()) {
    auto env = MakeEnvironment(Options(program, std::move(more)));
    ASSERT_TRUE(env.ok()) << env.status().message();
    env_ = *std::move(env);
  }
  std::string MakeError(const Json& options) const {
    const auto env = MakeEnvironment(options);
    return env.ok() ? "none" : env.status().message();
  }

  Result<Score> Graded(const std::string& completion) const {
    return env_->Grade(env_->Get(Split::kTrain, 0, 0), completion);
  }
  double Correct(const std::string& completion) const {
    const Result<Score> score = Graded(completion);
    CHECK(score.ok(), score.ok() ? "" : score.status().message());
    return score->correct;
  }
  std::string Why(const std::string& completion) const { return Graded(completion)->why; }
  std::string GradeError(const std::string& completion) const {
    const Result<Score> score = Graded(completion);
    return score.ok() ? "none" : score.status().message();
  }
  int64_t Starts() const {
    const std::string text = ReadFile(folder_ / "starts").value();
    return std::count(text.begin(), text.end(), '\n');
  }
  // The checker fails on "bad" so, and only on that.
  void ExpectFails(const std::string& what, const std::string& why, Json more = Json::object()) {
    Make(BadOn(what), std::move(more));
    EXPECT_EQ(Correct("4"), 1);
    const Result<Score> bad = Graded("bad");
    ASSERT_TRUE(bad.ok()) << bad.status().message();
    EXPECT_THAT(bad->why, AllOf(StartsWith("the checker failed twice on this: "), HasSubstr(why)));
    EXPECT_EQ(bad->correct, 0);
    EXPECT_FALSE(bad->format);
    EXPECT_EQ(Correct("4"), 1);
    EXPECT_EQ(Correct("5"), 0);
  }

  fs::path folder_;
  std::unique_ptr<Environment> env_;
};

TEST_F(CommandTest, PassesTheProblemAndReadsTheScore) {
  // Echoes the request as the answer's "why".
  Make(WriteProgram(R"(#!/bin/sh
while IFS= read -r line; do
  id=${line#*\"id\":}
  printf '{"id":%s,"reward":0.25,"why":%s}\n' "${id%%,*}" "$line"
done
)"));
  const Problem p = env_->Get(Split::kHeldOut, 3, 7);
  EXPECT_EQ(p.answer, "4");
  EXPECT_THAT(p.prompt, StartsWith("2+2="));
  const std::string completion = "<think>\n\"quoted\" \\ \t ü</think> four ";
  const Result<Score> score = env_->Grade(p, completion);
  ASSERT_TRUE(score.ok()) << score.status().message();
  EXPECT_EQ(score->correct, 0.25);
  EXPECT_TRUE(score->format);
  EXPECT_EQ(score->extracted, " four ");
  const Json request = ParseJson(score->why).value();
  EXPECT_EQ(request["id"], 2);  // 1 was the trial when it was made
  EXPECT_EQ(request["op"], "grade");
  EXPECT_EQ(request["problem"]["prompt"], p.prompt);
  EXPECT_EQ(request["problem"]["extra"][1]["two"], "zwölf");
  EXPECT_EQ(request["completion"], completion);
  EXPECT_FALSE(env_->Grade(p, "<think>no end")->format);
  // Bytes that are no text reach it as U+FFFD.
  EXPECT_EQ(ParseJson(env_->Grade(p, "\xff")->why).value()["completion"], "\uFFFD");
}

TEST_F(CommandTest, GradesAndTakesFormatAndAnswerFromTheChecker) {
  Make(Checker(""));
  EXPECT_EQ(Correct("4"), 1);
  EXPECT_EQ(Correct("<think>4</think>5"), 0);
  EXPECT_EQ(Graded("4")->extracted, "seen");
  EXPECT_EQ(Why("4"), "so it is");
  EXPECT_EQ(Starts(), 1);
  Make(
      Checker("echo '{\"id\":'\"${n:=1}\"',\"reward\":1.0,\"format\":false,\"answer\":42}'; "
              "n=$((n+1)); continue"));
  EXPECT_FALSE(Graded("4")->format);
  EXPECT_EQ(Graded("4")->extracted, "42");
}

TEST_F(CommandTest, OneThatDiesNowAndThenGradesEverything) {
  Make(Checker("n=$((n+1)); [ $n -eq 3 ] && exit 1"), {{"restarts", 1}});
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(Correct("4"), 1) << i;
    EXPECT_EQ(Correct("5"), 0) << i;
  }
  EXPECT_EQ(Starts(), 13);  // 25 answers, two a life
}

TEST_F(CommandTest, OneThatDies) {
  ExpectFails("echo oops >&2; exit 7", "it ended with status 7; its last words: oops");
}
TEST_F(CommandTest, OneThatSleepsForever) {
  const double start = Seconds();
  ExpectFails("sleep 1000", "it did not answer within 4 s", {{"timeout_seconds", 4}});
  EXPECT_LT(Seconds() - start, 30);
}
TEST_F(CommandTest, OneThatAllocatesTooMuch) {
  ExpectFails("exec dd bs=400M count=1 if=/dev/zero of=/dev/null", "it ended with status 1",
              {{"memory_mb", 100}});
}
TEST_F(CommandTest, OneThatWritesGarbage) {
  ExpectFails("echo 'loading model...'", "it wrote 'loading model...', which is no JSON object");
  ExpectFails("echo '[1]'", "it wrote '[1]', which is no JSON object");
  ExpectFails("printf '\\001\\377\\n'", "which is no JSON object");
  ExpectFails("echo", "it wrote '', which is no JSON object");
}
TEST_F(CommandTest, OneThatAnswersAnother) {
  ExpectFails("echo '{\"id\":1,\"reward\":1}'; continue", "it answered '{\"id\":1,\"reward\":1}'");
  ExpectFails("echo '{\"reward\":1}'; continue", "it answered '{\"reward\":1}' to request");
}
TEST_F(CommandTest, OneThatAnswersTwice) {  // the second is not taken for the next one's
  Make(BadOn("answer 1; answer 1; continue"));
  EXPECT_EQ(Correct("bad"), 1);
  EXPECT_EQ(Correct("5"), 0);
  EXPECT_EQ(Starts(), 2);
}
TEST_F(CommandTest, OneThatFloods) {
  ExpectFails("tr '\\0' x </dev/zero", "it wrote a line of more than 1048576 bytes");
  ExpectFails("tr '\\0' x </dev/zero >&2", "it did not answer within 4 s",
              {{"timeout_seconds", 4}});
}
TEST_F(CommandTest, OneThatStopsReading) {
  Make(BadOn("answer 1; exec sleep 1000"), {{"timeout_seconds", 4}});
  EXPECT_EQ(Correct("bad"), 1);
  EXPECT_EQ(Correct(std::string(100'000, 'x') + "4"), 1);  // by the next one
  EXPECT_EQ(Starts(), 2);
}
TEST_F(CommandTest, OneThatLeavesChildren) {
  const std::string pids = (folder_ / "pids").string();
  ExpectFails("sleep 1000 & echo $! >> " + pids + "; sleep 1000 & echo $! >> " + pids + "; wait",
              "it did not answer within 4 s", {{"timeout_seconds", 4}});
  std::ifstream list(pids);
  int children = 0;
  for (int64_t pid = 0; list >> pid; ++children) {
    std::string stat;
    for (const double until = Seconds() + 10; Seconds() < until; usleep(5'000)) {
      std::ifstream file(fmt::format("/proc/{}/stat", pid));
      if (!std::getline(file, stat) || stat.find(") Z") != std::string::npos) stat.clear();
      if (stat.empty()) break;
    }
    EXPECT_EQ(stat, "");
  }
  EXPECT_EQ(children, 4);  // two of each time that it was asked
}

TEST_F(CommandTest, EndsTheRunAfterTooManyFailuresInARow) {
  const std::string first = (folder_ / "first").string();
  Make(Checker("[ -e " + first + " ] && { echo broken >&2; exit 5; }"), {{"restarts", 3}});
  EXPECT_EQ(Correct("4"), 1);
  std::ofstream(first) << "";
  EXPECT_THAT(Why("4"), HasSubstr("failed twice"));  // two failures
  EXPECT_THAT(GradeError("4"),
              AllOf(StartsWith("checker '" + (folder_ / "checker.sh").string() + "'"),
                    HasSubstr("it failed 4 times in a row (restarts is 3)"),
                    HasSubstr("it ended with status 5; its last words: broken")));
  EXPECT_EQ(Starts(), 4);
  EXPECT_THAT(GradeError("4"), HasSubstr("it failed 4 times in a row"));
  EXPECT_EQ(Starts(), 4);
  // The run goes on with --resume once the checker is well.
  fs::remove(first);
  Make(Checker(""), {{"restarts", 0}});
  EXPECT_EQ(Correct("4"), 1);
  Make(BadOn("exit 1"), {{"restarts", 0}});
  EXPECT_THAT(GradeError("bad"), HasSubstr("it failed 1 times in a row"));
}

TEST_F(CommandTest, ProgramThatGoesAwayEndsTheRun) {
  const std::string program = BadOn("rm \"$0\"; exit 1");
  Make(program);
  EXPECT_EQ(GradeError("bad"),
            "checker '" + program + "': cannot run '" + program + "': No such file or directory");
}

TEST_F(CommandTest, RewardsThatAreNoneEndTheRun) {
  for (const char* reward :
       {"1.5", "-0.1", "NaN", "Infinity", "-Infinity", "\"1\"", "null", "true", "[1]"}) {
    Make(BadOn("answer '" + std::string(reward) + "'; continue"));
    EXPECT_THAT(GradeError("bad"),
                AllOf(HasSubstr("its reward is no number from 0 to 1"), HasSubstr(reward)));
    EXPECT_EQ(Correct("4"), 1);
  }
  Make(
      BadOn("id=${line#*:}; echo \"{\\\"id\\\":${id%%,*},\\\"reward\\\":1,\\\"format\\\":1}\"; "
            "continue"));
  EXPECT_THAT(GradeError("bad"), HasSubstr("format"));
}

TEST_F(CommandTest, IsThreadSafe) {
  Make(Checker(""));
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) right += Correct(t % 2 == 0 ? "4" : "5") == 1;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 50);
  EXPECT_EQ(Starts(), 1);
}

TEST_F(CommandTest, WhatCannotWorkIsNamedAtTheStart) {
  const std::string absent = (folder_ / "absent").string();
  EXPECT_EQ(MakeError(Options(absent)),
            "checker '" + absent + "': cannot run '" + absent + "': No such file or directory");
  EXPECT_EQ(MakeError(Options("no-such-program")),
            "checker 'no-such-program': there is no program 'no-such-program' in PATH");
  const std::string text = WriteProgram("#!/bin/sh\n", 0644);
  EXPECT_EQ(MakeError(Options(text)),
            "checker '" + text + "': cannot run '" + text + "': Permission denied");
  // It starts, but not what it was to run.
  Json options = Options("sh");
  options["command"] = {"sh", absent};
  EXPECT_THAT(MakeError(options),
              AllOf(HasSubstr("checker 'sh " + absent + "'"),
                    HasSubstr("does not grade an empty completion of the first problem"),
                    HasSubstr("it ended with status"), HasSubstr("its last words: ")));
  EXPECT_THAT(MakeError(Options(WriteProgram("#!/bin/sh\necho hello\ncat\n"))),
              HasSubstr("it wrote 'hello', which is no JSON object"));
  EXPECT_THAT(MakeError(Options(Checker("answer 7; continue"))), HasSubstr("\"reward\":7"));
}

TEST_F(CommandTest, NamesWrongOptions) {
  const std::string good = Checker("");
  EXPECT_EQ(MakeError({{"name", "command"}, {"path", "x"}}),
            "task command: command is missing (a list: the program and its arguments)");
  EXPECT_EQ(MakeError(Options(good, {{"command", "sh x"}})),
            "task command command is \"sh x\": want a list of strings");
  EXPECT_THAT(MakeError(Options(good, {{"command", Json::array()}})), HasSubstr("is missing"));
  EXPECT_THAT(MakeError(Options(good, {{"timeout_seconds", 0}})),
              HasSubstr("timeout_seconds is 0"));
  EXPECT_THAT(MakeError(Options(good, {{"restarts", -1}})), HasSubstr("restarts is -1"));
  EXPECT_THAT(MakeError(Options(good, {{"timeout", 1}})), HasSubstr("no key 'timeout'"));
  EXPECT_THAT(MakeError(Options(good, {{"path", "/nowhere.jsonl"}})), HasSubstr("/nowhere.jsonl"));
  EXPECT_THAT(MakeError({{"name", "command"}, {"command", {good}}}),
              StartsWith("task command: path is missing"));
}

}  // namespace
}  // namespace aha
