#include "base/subprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// There is no such process, or only its zombie (whose parent is not us).
bool Gone(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string stat;
  if (!std::getline(file, stat)) return true;
  return stat.substr(stat.rfind(')')).starts_with(") Z");
}

bool Ends(pid_t pid) {
  for (const double until = Seconds() + 10; Seconds() < until; usleep(5'000)) {
    if (Gone(pid)) return true;
  }
  return false;
}

class SubprocessTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("aha-subprocess-test-{}", getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::unique_ptr<Subprocess> Shell(const std::string& script, uint64_t memory_bytes = 0) {
    auto p = Subprocess::Start({{"sh", "-c", script}, memory_bytes});
    CHECK(p.ok(), p.ok() ? "" : p.status().message());
    return *std::move(p);
  }
  static std::string StartError(std::vector<std::string> argv) {
    const auto p = Subprocess::Start({std::move(argv), 0});
    return p.ok() ? "none" : p.status().message();
  }
  // What Ask says of a script that does not answer as it should.
  static std::string AskError(const std::string& script, double timeout = 10) {
    return Shell(script)->Ask("hello", timeout).status().message();
  }
  std::string WriteScript(const std::string& name, const std::string& text, int mode) const {
    const fs::path path = folder_ / name;
    std::ofstream(path) << text;
    chmod(path.c_str(), static_cast<mode_t>(mode));
    return path.string();
  }

  fs::path folder_;
};

TEST_F(SubprocessTest, AnswersLineByLine) {
  const auto p = Shell("while read -r line; do echo \"got $line\"; done");
  for (int i = 0; i < 100; ++i) {
    const Result<std::string> answer = p->Ask(std::to_string(i), 10);
    ASSERT_TRUE(answer.ok()) << answer.status().message();
    EXPECT_EQ(*answer, "got " + std::to_string(i));
  }
  // More than a pipe holds, both ways.
  const std::string large(500'000, 'x');
  EXPECT_EQ(Shell("cat")->Ask(large, 30).value(), large);
}

TEST_F(SubprocessTest, NamesAProgramThatCannotRun) {
  EXPECT_EQ(StartError({}), "no program is named");
  EXPECT_EQ(StartError({""}), "the program's name is empty");
  EXPECT_EQ(StartError({"no-such-program"}), "there is no program 'no-such-program' in PATH");
  const std::string absent = (folder_ / "absent").string();
  EXPECT_EQ(StartError({absent}), "cannot run '" + absent + "': No such file or directory");
  const std::string text = WriteScript("text", "#!/bin/sh\n", 0644);
  EXPECT_EQ(StartError({text}), "cannot run '" + text + "': Permission denied");
  EXPECT_EQ(StartError({folder_.string()}),
            "cannot run '" + folder_.string() + "': Permission denied");
  const std::string empty = WriteScript("empty", "", 0755);
  EXPECT_EQ(StartError({empty}), "cannot run '" + empty + "': Exec format error");
  const std::string strange = WriteScript("strange", "#!/no/such/interpreter\n", 0755);
  EXPECT_THAT(StartError({strange}), HasSubstr("the interpreter that its first line names"));
  EXPECT_EQ(StartError({"sh", std::string("a\0b", 3)}), "the argument 'a' holds a zero byte");
}

TEST_F(SubprocessTest, SaysHowItEnded) {
  EXPECT_EQ(AskError("exit 3"), "it ended with status 3");
  EXPECT_EQ(AskError("read -r line; echo first >&2; echo \"no $line\" >&2; exit 1"),
            "it ended with status 1; its last words: no hello");
  EXPECT_EQ(AskError("kill -SEGV $$"), "it was ended by signal 11 (Segmentation fault)");
  EXPECT_EQ(AskError("exec 1>&-; sleep 100"), "it closed its output");
  EXPECT_EQ(AskError("printf '\\033[31mred\\n' >&2; exit 1"),
            "it ended with status 1; its last words:  [31mred");
}

TEST_F(SubprocessTest, HangsNoLongerThanItsTime) {
  const double start = Seconds();
  EXPECT_EQ(AskError("echo working >&2; sleep 100", 0.3),
            "it did not answer within 0.3 s; its last words: working");
  EXPECT_LT(Seconds() - start, 5);
  // Half a line is no answer.
  EXPECT_THAT(AskError("printf half; sleep 100", 0.2), HasSubstr("did not answer"));
}

TEST_F(SubprocessTest, IsDeadAfterAnError) {
  const auto p = Shell("sleep 100");
  EXPECT_FALSE(p->Ask("", 0.1).ok());
  EXPECT_TRUE(Gone(p->pid()));
  EXPECT_EQ(p->Ask("", 10).status().message(), "it is dead");
}

TEST_F(SubprocessTest, IgnoredOrClosedInputIsNoTrap) {
  const std::string large(1 << 20, 'x');
  const auto deaf = Shell("sleep 100");
  EXPECT_EQ(deaf->Ask(large, 0.3).status().message(), "it did not answer within 0.3 s");
  const auto closed = Shell("read -r line; exec 0<&-; echo ready; sleep 100");
  EXPECT_EQ(closed->Ask("", 10).value(), "ready");
  EXPECT_EQ(closed->Ask(large, 10).status().message(), "it closed its input");  // and no SIGPIPE
}

TEST_F(SubprocessTest, AFloodIsCut) {
  EXPECT_EQ(AskError("tr '\\0' x </dev/zero; cat"), "it wrote a line of more than 1048576 bytes");
  // Endless errors: read while the answer is waited for, and no longer than that.
  EXPECT_THAT(AskError("tr '\\0' '\\n' </dev/zero >&2; cat", 0.3), HasSubstr("did not answer"));
  const auto p = Shell("while read -r line; do head -c 300000 /dev/zero >&2; echo ok; done");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(p->Ask("", 10).value(), "ok");
  // Lines that nobody asked for.
  const auto chatty = Shell("printf 'one\\ntwo\\n'; cat");
  EXPECT_EQ(chatty->Ask("", 10).value(), "one");
  EXPECT_EQ(chatty->Ask("", 10).status().message(), "it wrote what nobody asked for");
}

TEST_F(SubprocessTest, LeavesNoProcessBehind) {
  const std::string forks = "sleep 1000 & echo $!; wait";
  const auto child_of = [](Subprocess& p) {
    return static_cast<pid_t>(std::stol(p.Ask("", 10).value()));
  };
  auto destroyed = Shell(forks);
  const pid_t leader = destroyed->pid();
  const pid_t one = child_of(*destroyed);
  EXPECT_FALSE(Gone(one));
  destroyed.reset();
  EXPECT_TRUE(Gone(leader));
  EXPECT_NE(kill(leader, 0), 0);  // not even a zombie
  EXPECT_TRUE(Ends(one));

  const auto hangs = Shell(forks);
  const pid_t two = child_of(*hangs);
  EXPECT_FALSE(hangs->Ask("", 0.1).ok());
  EXPECT_TRUE(Ends(two));

  // A program that ends while nobody asks takes its children along and is no zombie.
  const auto ends = Shell("read -r line; sleep 1000 & echo $!");
  const pid_t three = child_of(*ends);
  EXPECT_TRUE(Ends(three));
  for (const double until = Seconds() + 10; Seconds() < until && kill(ends->pid(), 0) == 0;) {
    usleep(5'000);
  }
  EXPECT_NE(kill(ends->pid(), 0), 0);
  EXPECT_EQ(ends->Ask("", 10).status().message(), "it ended with status 0");
}

TEST_F(SubprocessTest, OutlivesTheThreadThatStartedIt) {
  std::unique_ptr<Subprocess> p;
  std::thread([&p] { p = Shell("cat"); }).join();
  usleep(50'000);
  EXPECT_EQ(p->Ask("still here", 10).value(), "still here");
}

TEST_F(SubprocessTest, DiesWithItsParent) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "SKIPPED: ThreadSanitizer does not let a forked child start threads";
#endif
#endif
  const fs::path file = folder_ / "pid";
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    const auto child = Shell("sleep 1000");  // deaf: the end of its input does not end it
    std::ofstream(file.string() + ".part") << child->pid();
    fs::rename(file.string() + ".part", file);
    pause();
    _exit(0);
  }
  for (const double until = Seconds() + 10; Seconds() < until && !fs::exists(file);) usleep(5'000);
  const auto child = static_cast<pid_t>(std::stol(ReadFile(file).value()));
  EXPECT_FALSE(Gone(child));
  kill(parent, SIGKILL);
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  EXPECT_TRUE(Ends(child));
}

TEST_F(SubprocessTest, HasItsLimitsAndNothingOfOurs) {
  EXPECT_EQ(Shell("ulimit -c; cat")->Ask("", 10).value(), "0");
  EXPECT_EQ(Shell("ulimit -v; cat", uint64_t{64} << 20)->Ask("", 10).value(), "65536");
  const std::string hoard =
      "dd bs=80M count=1 if=/dev/zero of=/dev/null 2>/dev/null && echo enough || echo short; cat";
  EXPECT_EQ(Shell(hoard)->Ask("", 60).value(), "enough");
  EXPECT_EQ(Shell(hoard, uint64_t{64} << 20)->Ask("", 60).value(), "short");
  // An open file of ours, though not marked close-on-exec, is not the child's.
  const int ours = dup(1);
  ASSERT_GE(ours, 3);
  EXPECT_EQ(Shell(fmt::format("[ -e /proc/self/fd/{} ] && echo leak || echo none; cat", ours))
                ->Ask("", 10)
                .value(),
            "none");
  close(ours);
  // A group of its own, default signals.
  EXPECT_EQ(
      Shell("cut -d' ' -f5 /proc/$$/stat | grep -qx $$ && echo own; cat")->Ask("", 10).value(),
      "own");
  EXPECT_EQ(Shell("(kill -PIPE $(exec sh -c 'echo $PPID'); echo survived); echo $?; cat")
                ->Ask("", 10)
                .value(),
            "141");
}

}  // namespace
}  // namespace aha
