#include "server/run_control.h"

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

namespace aha {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kBeginning{2000};  // a wrong recipe says so sooner
constexpr std::streamoff kLogTail = 8192;
constexpr int kNice = 10;  // chats go first

// The last line of a log when it is an error of ours, without "aha: ".
std::string ErrorAtEnd(const std::string& log) {
  constexpr std::string_view kOurs = "aha: ";
  std::string_view text = log;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const size_t begin = text.rfind('\n') + 1;  // npos + 1 is 0
  text.remove_prefix(begin);
  if (!text.starts_with(kOurs)) return "";
  text.remove_prefix(kOurs.size());
  return text.starts_with("stopped;") ? "" : std::string(text);
}

}  // namespace

bool IsRunName(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name[0] != '-' &&
         std::ranges::all_of(name, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' ||
                  c == '-';
         });
}

RunControl::~RunControl() {
  const MutexLock lock(mutex_);
  Sweep();
  for (const auto& [name, child] : children_) {
    if (!asked_.contains(name)) child->Signal(SIGINT);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kGraceSeconds);
  for (const auto& [name, child] : children_) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    child->AwaitEnd(std::max(left, milliseconds(0)));
  }
}

fs::path RunControl::LogOf(const std::string& name) const {
  return options_.runs / name / "train.log";
}

Status RunControl::CheckNew(const RunToStart& run) const {
  if (!IsRunName(run.name)) {
    return InvalidArgument(
        "a run may not be called '{}': 1 to 100 letters, digits, '.', '_' and '-', not beginning "
        "with '.' or '-'",
        run.name);
  }
  std::error_code error;
  const fs::path folder = options_.runs / run.name;
  if (run.resume) {
    if (fs::exists(folder / "recipe.json", error)) return OkStatus();
    return NotFound("there is no run '{}' to go on with", run.name);
  }
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    // What a trainer leaves that failed before it began.
    const std::string name = it->path().filename().string();
    if (name == "train.log" || name == "run.lock") continue;
    return InvalidArgument("there is a run '{}' already: choose another name", run.name);
  }
  return OkStatus();
}

Status RunControl::Start(const RunToStart& run) {
  const MutexLock starting(starting_);
  AHA_RETURN_IF_ERROR(CheckNew(run));
  std::error_code error;
  fs::create_directories(options_.runs / run.name, error);
  if (error) return IoError("{}: {}", (options_.runs / run.name).string(), error.message());
  std::vector<std::string> argv = {options_.program.string(), "train", run.recipe.string(), "--out",
                                   (options_.runs / run.name).string()};
  for (const std::string& one : run.set) {
    argv.emplace_back("--set");
    argv.push_back(one);
  }
  if (run.resume) argv.emplace_back("--resume");
  if (options_.threads > 0) {
    argv.emplace_back("--threads");
    argv.push_back(std::to_string(options_.threads));
  }
  {
    const MutexLock lock(mutex_);
    Sweep();
    if (children_.contains(run.name)) return InvalidArgument("'{}' is running", run.name);
    fs::remove(LogOf(run.name), error);
    AHA_ASSIGN_OR_RETURN(children_[run.name], ChildProcess::Start({.argv = std::move(argv),
                                                                   .death_signal = SIGINT,
                                                                   .log = LogOf(run.name).string(),
                                                                   .nice = kNice}));
    failed_.erase(run.name);
    asked_.erase(run.name);
  }
  return AwaitBeginning(run.name);
}

Status RunControl::AwaitBeginning(const std::string& name) {
  const auto deadline = std::chrono::steady_clock::now() + kBeginning;
  while (std::chrono::steady_clock::now() < deadline) {
    {
      const MutexLock lock(mutex_);
      Sweep();
      if (!children_.contains(name)) break;
    }
    std::error_code error;
    if (fs::exists(options_.runs / name / "metrics.jsonl", error)) return OkStatus();
    std::this_thread::sleep_for(milliseconds(20));
  }
  const MutexLock lock(mutex_);
  const auto failed = failed_.find(name);
  const std::string words = failed != failed_.end() ? failed->second : LastWords(name);
  if (children_.contains(name) || words.empty()) return OkStatus();
  if (failed != failed_.end()) failed_.erase(failed);  // said now
  return InvalidArgument("{}", words);
}

Status RunControl::Stop(const std::string& name, pid_t holder) {
  const MutexLock lock(mutex_);
  Sweep();
  const auto child = children_.find(name);
  const pid_t trainer = holder != 0 ? holder : child != children_.end() ? child->second->pid() : 0;
  if (trainer == 0) return InvalidArgument("'{}' is not running", name);
  const auto asked = asked_.find(name);
  // A second SIGINT would end it without the checkpoint.
  if (asked != asked_.end() && asked->second == trainer) return OkStatus();
  asked_[name] = trainer;
  if (child != children_.end() && child->second->pid() == trainer) {
    child->second->Signal(SIGINT);
    return OkStatus();
  }
  if (kill(trainer, SIGINT) == 0) return OkStatus();
  return IoError("cannot stop process {}, which trains '{}': {}", trainer, name,
                 std::strerror(errno));
}

void RunControl::Sweep() {
  for (auto it = children_.begin(); it != children_.end();) {
    if (!it->second->AwaitEnd(milliseconds(0))) {
      ++it;
      continue;
    }
    const std::string name = it->first;
    const std::string ending = it->second->Ending();
    it = children_.erase(it);
    asked_.erase(name);
    std::error_code error;
    if (fs::exists(options_.runs / name / "recipe.json", error)) continue;
    const std::string words = LastWords(name);
    failed_[name] = words.empty() ? "the training program ended before it began: " + ending : words;
    fs::remove(LogOf(name), error);
    fs::remove(options_.runs / name / "run.lock", error);
    fs::remove(options_.runs / name, error);  // stays when anything else is in it
  }
}

bool RunControl::Alive(const std::string& name) {
  const MutexLock lock(mutex_);
  Sweep();
  return children_.contains(name);
}

bool RunControl::Stopping(const std::string& name, pid_t holder) {
  const MutexLock lock(mutex_);
  const auto asked = asked_.find(name);
  return asked != asked_.end() && asked->second == holder;
}

std::vector<std::pair<std::string, std::string>> RunControl::WithoutRecord() {
  const MutexLock lock(mutex_);
  Sweep();
  std::vector<std::pair<std::string, std::string>> out(failed_.begin(), failed_.end());
  std::error_code error;
  for (const auto& [name, child] : children_) {
    if (!fs::exists(options_.runs / name / "recipe.json", error)) out.emplace_back(name, "");
  }
  return out;
}

std::string RunControl::LastWords(const std::string& name) const {
  std::ifstream file(LogOf(name), std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg();
  const std::streamoff tail = std::min(size, kLogTail);
  file.seekg(size - tail);
  std::string text(static_cast<size_t>(tail), '\0');
  file.read(text.data(), tail);
  return ErrorAtEnd(text);
}

}  // namespace aha
