// What is given up is tried in a child that gives it up.
#include "server/sandbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <thread>

namespace aha {
namespace {

namespace fs = std::filesystem;

// The number that `work` gives, in a process of its own.
int InChild(const std::function<int()>& work) {
  const pid_t pid = fork();
  if (pid == 0) _exit(work());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

constexpr int kNoSandbox = 77;

bool Reads(const fs::path& file) {
  const int fd = open(file.c_str(), O_RDONLY);
  if (fd >= 0) close(fd);
  return fd >= 0;
}
bool Writes(const fs::path& file) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT, 0600);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

TEST(Sandbox, FilesOutsideItsFoldersDoNotExist) {
  const fs::path root = fs::temp_directory_path() / ("aha-sandbox-" + std::to_string(getpid()));
  for (const char* name : {"read", "write", "other"}) {
    fs::create_directories(root / name);
    std::ofstream(root / name / "file") << name;
  }
  const int result = InChild([&] {
    if (!RestrictFiles(
             {.read = {root / "read", "/usr", "/lib", "/lib64", "/bin"}, .write = {root / "write"}})
             .on) {
      return kNoSandbox;
    }
    int wrong = 0;
    const auto expect = [&](bool held, int bit) { wrong |= held ? 0 : 1 << bit; };
    expect(Reads(root / "read/file"), 0);
    expect(!Writes(root / "read/file") && !Writes(root / "read/new"), 1);
    expect(Reads(root / "write/file") && Writes(root / "write/new"), 2);
    expect(!Reads(root / "other/file") && !Writes(root / "other/new"), 3);
    std::error_code error;
    fs::rename(root / "write/new", root / "other/new", error);
    expect(static_cast<bool>(error), 4);
    fs::create_symlink(root / "other/file", root / "write/link", error);
    expect(!Reads(root / "write/link"), 5);
    // A thread and a child have no more than we have.
    bool thread_reads = true;
    std::thread([&] { thread_reads = Reads(root / "other/file"); }).join();
    expect(!thread_reads, 6);
    return wrong;
  });
  if (result == kNoSandbox) {
    fs::remove_all(root);
    GTEST_SKIP() << "SKIPPED: this kernel has no Landlock;";
  }
  EXPECT_EQ(result, 0) << "bits of what did not hold";
  EXPECT_EQ(InChild([&] {
              RestrictFiles({.read = {"/usr", "/lib", "/lib64", "/bin", "/etc"}, .write = {"/dev/null"}});
              const std::string command =
                  "cat '" + (root / "other/file").string() + "' 2>/dev/null";
              return WEXITSTATUS(std::system(command.c_str()));
            }),
            1)
      << "a program that it starts reads what it may not";
  fs::remove_all(root);
}

TEST(Sandbox, NoConnectionIsOpenedOnlyAccepted) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener, plain, size), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  ASSERT_EQ(getsockname(listener, plain, &size), 0);
  const int spare = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Somebody who comes.
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(client, plain, size), 0);
  const int result = InChild([&] {
    if (!RestrictCalls().on) return kNoSandbox;
    int wrong = 0;
    const auto refused = [&](long got, int bit) {
      wrong |= got < 0 && errno == EPERM ? 0 : 1 << bit;
    };
    refused(socket(AF_INET, SOCK_STREAM, 0), 0);
    refused(socket(AF_INET6, SOCK_DGRAM, 0), 1);
    refused(socket(AF_UNIX, SOCK_STREAM, 0), 2);
    refused(connect(spare, plain, size), 3);
    iovec nothing{};
    refused(process_vm_readv(getppid(), &nothing, 1, &nothing, 1, 0), 4);
    wrong |= accept(listener, nullptr, nullptr) >= 0 ? 0 : 1 << 5;
    int other_thread = 0;
    std::thread([&] { other_thread = socket(AF_INET, SOCK_STREAM, 0); }).join();
    wrong |= other_thread < 0 ? 0 : 1 << 6;
    return wrong;
  });
  for (const int fd : {listener, spare, client}) close(fd);
  if (result == kNoSandbox) GTEST_SKIP() << "SKIPPED: this kernel has no seccomp;";
  EXPECT_EQ(result, 0) << "bits of what did not hold";
}

}  // namespace
}  // namespace aha
