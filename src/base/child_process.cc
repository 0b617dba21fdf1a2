#include "base/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/mutex.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLaunchTime{30'000};  // an exec from a file system that does not answer
constexpr milliseconds kEndTime{5'000};      // a kill the system is slow to carry out

std::string SystemError(int error) { return std::generic_category().message(error); }

struct Pipe {
  Descriptor read, write;
};

Result<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return IoError("a pipe: {}", SystemError(errno));
  Pipe pipe{Descriptor(fds[0]), Descriptor(fds[1])};
  // Away from 0, 1 and 2, which the child's own are moved to.
  for (Descriptor* end : {&pipe.read, &pipe.write}) {
    if (end->fd() > 2) continue;
    Descriptor moved(fcntl(end->fd(), F_DUPFD_CLOEXEC, 3));
    if (moved.fd() < 0) return IoError("a pipe: {}", SystemError(errno));
    *end = std::move(moved);
  }
  return pipe;
}

bool SetNonblocking(const Descriptor& file) {
  const int flags = fcntl(file.fd(), F_GETFL);
  return flags >= 0 && fcntl(file.fd(), F_SETFL, flags | O_NONBLOCK) == 0;
}

Result<std::string> FindProgram(const std::string& name) {
  if (name.empty()) return InvalidArgument("the program's name is empty");
  if (name.find('/') != std::string::npos) return name;
  const char* variable = std::getenv("PATH");
  const std::string path = variable != nullptr ? variable : "/usr/bin:/bin";
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    const std::string found = (folder.empty() ? "." : folder) + "/" + name;
    std::error_code error;
    if (fs::is_regular_file(found, error) && access(found.c_str(), X_OK) == 0) return found;
    begin = end + 1;
  }
  return NotFound("there is no program '{}' in PATH", name);
}

void Lower(__rlimit_resource what, rlim_t most) {
  rlimit limit{};
  getrlimit(what, &limit);
  limit.rlim_max = std::min(limit.rlim_max, most);
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  setrlimit(what, &limit);
}

}  // namespace

// What the child needs, made before the fork: after it nothing may be allocated.
struct ChildProcess::Launch {
  std::string program;
  std::vector<std::string> argv;
  uint64_t memory_bytes = 0;
  int death_signal = SIGKILL;
  int nice = 0;
  Descriptor in, out, errors;  // the child's ends
  Pipe failed;                 // says why exec did not work; closed by one that did
};

// The child's life, shared by the caller and the thread that keeps it.
struct ChildProcess::Keeper {
  Mutex mutex;
  Condition changed;
  enum class Stage { kNew, kForked, kRuns, kEnded } stage AHA_GUARDED_BY(mutex) = Stage::kNew;
  pid_t pid AHA_GUARDED_BY(mutex) = -1;
  int error AHA_GUARDED_BY(mutex) = 0;   // of fork or exec
  int status AHA_GUARDED_BY(mutex) = 0;  // of waitpid

  void Enter(Stage to, pid_t child, int why) {
    const MutexLock lock(mutex);
    stage = to;
    pid = child;
    error = why;
    changed.NotifyAll();
  }
  void Failed(int why) { Enter(Stage::kEnded, -1, why); }
  // The child has ended: kills what it leaves behind.
  void Reap() {
    const MutexLock lock(mutex);
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    stage = Stage::kEnded;
    changed.NotifyAll();
  }
  // Until the stage is `least` or later; false when that takes longer.
  bool Await(Stage least, milliseconds time) {
    const Clock::time_point deadline = Clock::now() + time;
    const MutexLock lock(mutex);
    while (stage < least) {
      if (!changed.WaitUntil(mutex, deadline)) return stage >= least;
    }
    return true;
  }
  void Kill() {
    const MutexLock lock(mutex);
    // Until the stage is kEnded the child is not reaped, so that its number is nobody else's.
    if (stage == Stage::kForked || stage == Stage::kRuns) kill(-pid, SIGKILL);
  }
  void Signal(int number) {
    const MutexLock lock(mutex);
    if (stage == Stage::kRuns) kill(pid, number);
  }
};

// The child, from fork to exec: calls only what is async-signal-safe.
[[noreturn]] void ChildProcess::Become(const Launch& launch, char* const* argv, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, launch.death_signal);
  if (getppid() != parent) _exit(127);  // it died before the line above
  Lower(RLIMIT_CORE, 0);
  if (launch.memory_bytes != 0) Lower(RLIMIT_AS, launch.memory_bytes);
  if (launch.nice != 0) setpriority(PRIO_PROCESS, 0, launch.nice);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(launch.in.fd(), 0);
  dup2(launch.out.fd(), 1);
  dup2(launch.errors.fd(), 2);
  // Whatever else is open here (a run's files, a server's sockets) stays here.
  close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
  execv(launch.program.c_str(), argv);
  const int error = errno;
  if (write(launch.failed.write.fd(), &error, sizeof(error)) < 0) _exit(126);
  _exit(127);
}

// Forks and waits for the end. PR_SET_PDEATHSIG speaks of the thread that forked, so the child gets
// one that lives as long; and a child that ends while nobody asks it leaves no zombie.
void ChildProcess::Keep(const std::shared_ptr<Keeper>& keeper, Launch launch) {
  std::vector<char*> argv;
  for (std::string& argument : launch.argv) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(launch, argv.data(), parent);
  if (pid < 0) return keeper->Failed(errno);
  setpgid(pid, pid);  // as the child does, so that from now on it can be killed by its group
  keeper->Enter(Keeper::Stage::kForked, pid, 0);
  for (Descriptor* end : {&launch.in, &launch.out, &launch.errors, &launch.failed.write}) {
    end->Close();
  }
  int error = 0;
  while (read(launch.failed.read.fd(), &error, sizeof(error)) < 0 && errno == EINTR) {
  }
  keeper->Enter(Keeper::Stage::kRuns, pid, error);
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  keeper->Reap();
}

ChildProcess::ChildProcess() : keeper_(std::make_shared<Keeper>()) {}

ChildProcess::~ChildProcess() {
  Kill();
  if (!thread_.joinable()) return;
  // A program that the system itself cannot end (a disk that does not answer) is left to it.
  if (AwaitEnd(kEndTime)) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void ChildProcess::Kill() { keeper_->Kill(); }
void ChildProcess::Signal(int number) { keeper_->Signal(number); }
bool ChildProcess::AwaitEnd(milliseconds time) {
  return keeper_->Await(Keeper::Stage::kEnded, time);
}

std::string ChildProcess::Ending() const {
  const MutexLock lock(keeper_->mutex);
  const int status = keeper_->status;
  if (WIFEXITED(status)) return fmt::format("it ended with status {}", WEXITSTATUS(status));
  const char* name = sigdescr_np(WTERMSIG(status));
  return fmt::format("it was ended by signal {} ({})", WTERMSIG(status),
                     name != nullptr ? name : "unknown");
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(const SubprocessOptions& options) {
  if (options.argv.empty()) return InvalidArgument("no program is named");
  for (const std::string& argument : options.argv) {
    if (argument.find('\0') != std::string::npos) {
      return InvalidArgument("the argument '{}' holds a zero byte", argument.c_str());
    }
  }
  AHA_ASSIGN_OR_RETURN(std::string program, FindProgram(options.argv[0]));
  AHA_ASSIGN_OR_RETURN(Pipe in, MakePipe());
  AHA_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  AHA_ASSIGN_OR_RETURN(Pipe errors, MakePipe());
  AHA_ASSIGN_OR_RETURN(Pipe failed, MakePipe());
  if (!SetNonblocking(in.write) || !SetNonblocking(out.read) || !SetNonblocking(errors.read)) {
    return IoError("a pipe: {}", SystemError(errno));
  }
  if (!options.log.empty()) {
    for (Pipe* pipe : {&out, &errors}) {
      *pipe = Pipe{};
      pipe->write =
          Descriptor(open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      if (pipe->write.fd() < 0) return IoError("{}: {}", options.log, SystemError(errno));
    }
  }
  std::unique_ptr<ChildProcess> child(new ChildProcess());
  child->in = std::move(in.write);
  child->out = std::move(out.read);
  child->errors = std::move(errors.read);
  AHA_RETURN_IF_ERROR(child->Run({.program = std::move(program),
                                  .argv = options.argv,
                                  .memory_bytes = options.memory_bytes,
                                  .death_signal = options.death_signal,
                                  .nice = options.nice,
                                  .in = std::move(in.read),
                                  .out = std::move(out.write),
                                  .errors = std::move(errors.write),
                                  .failed = std::move(failed)}));
  return child;
}

Status ChildProcess::Run(Launch launch) {
  const std::string program = launch.program;
  try {
    thread_ = std::thread(Keep, keeper_, std::move(launch));
  } catch (const std::system_error& e) {
    return ResourceExhausted("no thread for '{}': {}", program, e.what());
  }
  if (!keeper_->Await(Keeper::Stage::kRuns, kLaunchTime)) {
    return IoError("'{}' does not start", program);
  }
  const MutexLock lock(keeper_->mutex);
  pid_ = keeper_->pid;
  if (keeper_->error == 0) return OkStatus();
  std::error_code error;
  const bool interpreter = keeper_->error == ENOENT && fs::exists(program, error);
  return IoError("cannot run '{}': {}", program,
                 interpreter ? "the interpreter that its first line names is not there"
                             : SystemError(keeper_->error));
}

}  // namespace aha
