#include "base/subprocess.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace aha {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kEndTime{5'000};   // a kill the system is slow to carry out
constexpr milliseconds kLastGasp{5'000};  // between the end of the output and of the program
constexpr size_t kKeptErrors = 4096;
constexpr size_t kLongestLastWords = 300;

std::string SystemError(int error) { return std::generic_category().message(error); }

// While it lives, writing to a pipe that nobody reads is an error (EPIPE) and no signal.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
  bool was_pending_ = false;
};

}  // namespace

Result<std::string> Subprocess::Ask(std::string_view line, double timeout_seconds) {
  if (dead_) return IoError("it is dead");
  const auto time = std::chrono::duration<double>(std::clamp(timeout_seconds, 0.0, 1e6));
  const Status status = Exchange(std::string(line) + "\n",
                                 Clock::now() + std::chrono::duration_cast<Clock::duration>(time));
  if (!status.ok()) {
    dead_ = true;
    child_->Kill();
    child_->AwaitEnd(kEndTime);
    const std::string words = LastWords();
    return words.empty() ? status
                         : Status(status.code(), status.message() + "; its last words: " + words);
  }
  const size_t end = output_.find('\n');
  std::string answer = output_.substr(0, end);
  output_.erase(0, end + 1);
  return answer;
}

// Until `output_` holds a line.
Status Subprocess::Exchange(std::string_view text, Clock::time_point deadline) {
  const Clock::time_point start = Clock::now();
  size_t sent = 0;
  while (true) {
    const size_t line = std::min(output_.find('\n'), output_.size());
    if (line > kLongestLine) return IoError("it wrote a line of more than {} bytes", kLongestLine);
    if (line < output_.size()) {
      return sent == text.size() ? OkStatus() : IoError("it wrote what nobody asked for");
    }
    const Clock::time_point now = Clock::now();
    if (now >= deadline) {
      return IoError("it did not answer within {:.3g} s",
                     std::chrono::duration<double>(deadline - start).count());
    }
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - now).count() + 1;
    pollfd fds[3] = {{sent < text.size() ? child_->in.fd() : -1, POLLOUT, 0},
                     {child_->out.fd(), POLLIN, 0},
                     {child_->errors.fd(), POLLIN, 0}};
    if (poll(fds, 3, static_cast<int>(std::min<int64_t>(left, 60'000))) < 0) {
      if (errno == EINTR) continue;
      return IoError("poll: {}", SystemError(errno));
    }
    if (fds[2].revents != 0 && !ReadErrors()) child_->errors.Close();
    if (fds[1].revents != 0) AHA_RETURN_IF_ERROR(ReadOutput());
    if (fds[0].revents != 0) AHA_RETURN_IF_ERROR(Write(text, &sent));
  }
}

Status Subprocess::Write(std::string_view text, size_t* sent) {
  const NoSigpipe guard;
  const ssize_t n = write(child_->in.fd(), text.data() + *sent, text.size() - *sent);
  if (n >= 0) {
    *sent += static_cast<size_t>(n);
  } else if (errno == EPIPE) {
    return EndedOr("it closed its input");
  } else if (errno != EAGAIN && errno != EINTR) {
    return IoError("writing to it: {}", SystemError(errno));
  }
  return OkStatus();
}

Status Subprocess::ReadOutput() {
  char block[1 << 16];
  const ssize_t n = read(child_->out.fd(), block, sizeof(block));
  if (n > 0) {
    output_.append(block, static_cast<size_t>(n));
  } else if (n == 0) {
    return EndedOr("it closed its output");
  } else if (errno != EAGAIN && errno != EINTR) {
    return IoError("reading from it: {}", SystemError(errno));
  }
  return OkStatus();
}

// False at the end, or after a failure.
bool Subprocess::ReadErrors() {
  char block[1 << 14];
  const ssize_t n = read(child_->errors.fd(), block, sizeof(block));
  if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
  error_end_.append(block, static_cast<size_t>(n));
  if (error_end_.size() > kKeptErrors) error_end_.erase(0, error_end_.size() - kKeptErrors);
  return true;
}

// It is gone from one of its pipes: how it ended, unless it lives on.
Status Subprocess::EndedOr(const char* what) {
  return IoError("{}", child_->AwaitEnd(kLastGasp) ? child_->Ending() : what);
}

// The last line of standard error, once the program is dead.
std::string Subprocess::LastWords() {
  // At most what a pipe holds: something that left the group may go on writing.
  for (int i = 0; i < 8 && child_->errors.fd() >= 0; ++i) {
    pollfd ready{child_->errors.fd(), POLLIN, 0};
    if (poll(&ready, 1, 0) != 1 || !ReadErrors()) break;
  }
  const size_t last = error_end_.find_last_not_of(" \n\r\t");
  if (last == std::string::npos) return {};
  const size_t line = error_end_.find_last_of('\n', last);
  const size_t begin = line == std::string::npos ? 0 : line + 1;
  std::string words = error_end_.substr(begin, std::min(last + 1 - begin, kLongestLastWords));
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';  // a terminal shows them
  }
  return words;
}

Result<std::unique_ptr<Subprocess>> Subprocess::Start(const SubprocessOptions& options) {
  AHA_ASSIGN_OR_RETURN(auto child, ChildProcess::Start(options));
  return std::unique_ptr<Subprocess>(new Subprocess(std::move(child)));
}

}  // namespace aha
