// A program that answers lines with lines, and that cannot hang, flood or kill its caller.
//
//   AHA_ASSIGN_OR_RETURN(auto checker, Subprocess::Start({.argv = {"python3", "check.py"}}));
//   Result<std::string> answer = checker->Ask("{\"id\": 1}", 10);
//
// It lives and dies as a ChildProcess does. (What the program itself had started outlives a kill -9
// of this process, unless it ends at the end of its input; what left the group is never killed.)
// Its standard error is read, and all but the end forgotten. One thread at a time.
#ifndef AHA_BASE_SUBPROCESS_H_
#define AHA_BASE_SUBPROCESS_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/child_process.h"
#include "base/status.h"

namespace aha {

class Subprocess {
 public:
  static constexpr size_t kLongestLine = size_t{1} << 20;

  // Errors: a program that is not there or that the system does not run.
  static Result<std::unique_ptr<Subprocess>> Start(const SubprocessOptions& options);

  // Writes `line` and a newline; returns the next line of the program's output, without it. Errors
  // say what the program did ("it ended with status 1; its last words: ..."): it does not answer in
  // time, ends, closes its input or output, writes more than kLongestLine bytes or what nobody
  // asked for. After an error the program is dead, and so is every further Ask.
  Result<std::string> Ask(std::string_view line, double timeout_seconds);

  pid_t pid() const { return child_->pid(); }

 private:
  using Clock = std::chrono::steady_clock;
  explicit Subprocess(std::unique_ptr<ChildProcess> child) : child_(std::move(child)) {}

  Status Exchange(std::string_view text, Clock::time_point deadline);
  Status Write(std::string_view text, size_t* sent);
  Status ReadOutput();
  bool ReadErrors();
  Status EndedOr(const char* what);
  std::string LastWords();

  std::unique_ptr<ChildProcess> child_;
  bool dead_ = false;
  std::string output_;     // read, not yet returned
  std::string error_end_;  // the end of standard error
};

}  // namespace aha

#endif  // AHA_BASE_SUBPROCESS_H_
