#include "run_aha.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace aha {
namespace {

std::string Slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void Wait(pid_t pid, int seconds, Ran* ran) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  int status = 0;
  rusage usage = {};
  while (::wait4(pid, &status, WNOHANG, &usage) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      ADD_FAILURE() << "aha did not end in " << seconds << " s";
      ::kill(pid, SIGKILL);
      ::wait4(pid, &status, 0, &usage);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ran->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran->peak_bytes = 1024.0 * static_cast<double>(usage.ru_maxrss);
}

}  // namespace

Ran RunAha(const std::vector<std::string>& arguments, const std::string& input,
           const std::map<std::string, std::string>& environment, int seconds) {
  const std::string base =
      testing::TempDir() + "aha_" + std::to_string(::getpid()) + "_" +
      std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  std::ofstream(base + ".in", std::ios::binary) << input;

  std::vector<std::string> words = {AHA_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  for (char** v = environ; *v != nullptr; ++v) {
    const std::string name = std::string(*v).substr(0, std::string(*v).find('='));
    if (!environment.contains(name)) variables.emplace_back(*v);
  }
  std::vector<char*> env;
  for (std::string& v : variables) env.push_back(v.data());
  env.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, (base + ".in").c_str(), O_RDONLY, 0);
  const int write = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&files, 1, (base + ".out").c_str(), write, 0600);
  posix_spawn_file_actions_addopen(&files, 2, (base + ".err").c_str(), write, 0600);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, AHA_BINARY, &files, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&files);
  Ran ran;
  EXPECT_EQ(error, 0) << "cannot start " << AHA_BINARY;
  if (error == 0) Wait(pid, seconds, &ran);
  ran.out = Slurp(base + ".out");
  ran.err = Slurp(base + ".err");
  for (const char* end : {".in", ".out", ".err"}) ::unlink((base + end).c_str());
  return ran;
}

}  // namespace aha
