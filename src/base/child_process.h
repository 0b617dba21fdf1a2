// A program in a process group of its own, with pipes to it and from it.
//
// The group is killed when the program ends and when this object goes; the program itself also when
// this process dies, however it dies (unless `death_signal` is a gentler one). It inherits no open
// file and writes no core.
#ifndef AHA_BASE_CHILD_PROCESS_H_
#define AHA_BASE_CHILD_PROCESS_H_

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"

namespace aha {

// An open file, closed when it goes.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

struct SubprocessOptions {
  std::vector<std::string> argv;  // no shell; found in PATH where argv[0] holds no '/'
  uint64_t memory_bytes = 0;      // address space of each of its processes; 0: as the caller's
  // What it gets when this process dies first.
  int death_signal = SIGKILL;
  // Its output and errors are added to this file; `out` and `errors` then give nothing.
  std::string log = {};
  int nice = 0;  // how much it yields to others: 0 to 19
};

class ChildProcess {
 public:
  // Errors: a program that is not there or that the system does not run.
  static Result<std::unique_ptr<ChildProcess>> Start(const SubprocessOptions& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Kill();
  // To the program alone, which may end in its own way. Does nothing once it has ended.
  void Signal(int number);
  // False when it has not ended by then.
  bool AwaitEnd(std::chrono::milliseconds time);
  // Of one that has ended: "it ended with status 3".
  std::string Ending() const;

  // Our ends of its standard input, output and errors: they do not block.
  Descriptor in, out, errors;

 private:
  struct Launch;
  struct Keeper;
  ChildProcess();
  [[noreturn]] static void Become(const Launch& launch, char* const* argv, pid_t parent);
  static void Keep(const std::shared_ptr<Keeper>& keeper, Launch launch);
  Status Run(Launch launch);

  pid_t pid_ = -1;
  std::shared_ptr<Keeper> keeper_;
  std::thread thread_;
};

}  // namespace aha

#endif  // AHA_BASE_CHILD_PROCESS_H_
