// Training runs as child processes of the server: `aha train ... --out RUNS/NAME`, niced, with
// their output in RUNS/NAME/train.log.
//
//   RunControl control({.program = "/usr/bin/aha", .runs = "runs"});
//   AHA_RETURN_IF_ERROR(control.Start({.name = "parity-2", .recipe = path, .set = {"seed=1"}}));
//   control.Stop("parity-2");          // writes a checkpoint and ends; Start(resume) goes on
//
// A run does not outlive the server unseen: when this object goes, or the server dies however it
// dies, its trainers get SIGINT, on which they write a checkpoint and end. One that takes longer
// than kGraceSeconds over its step is killed: it resumes from the checkpoint before, to the same
// bits. All functions may be called from any thread.
#ifndef AHA_SERVER_RUN_CONTROL_H_
#define AHA_SERVER_RUN_CONTROL_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/mutex.h"
#include "base/status.h"

namespace aha {

struct RunControlOptions {
  std::filesystem::path program;  // what `train` is a verb of
  std::filesystem::path runs;
  int threads = 0;  // of each run; 0: all cores
};

struct RunToStart {
  std::string name;  // checked: letters, digits, '.', '_' and '-'
  std::filesystem::path recipe;
  std::vector<std::string> set;
  bool resume = false;
};

class RunControl {
 public:
  static constexpr int kGraceSeconds = 20;

  explicit RunControl(RunControlOptions options) : options_(std::move(options)) {}
  ~RunControl();
  RunControl(const RunControl&) = delete;
  RunControl& operator=(const RunControl&) = delete;

  // Waits a moment for a run that fails at once: its own words are the error. Errors: a name that
  // is none; something of that name is there, or (resume) not there.
  Status Start(const RunToStart& run);
  // Asks the trainer to end after a checkpoint; `holder` is the process that has the run's lock, 0
  // if none. Asking twice is as good as once. Error: nothing trains there.
  Status Stop(const std::string& name, pid_t holder);

  // Runs that this object started and that are not over.
  bool Alive(const std::string& name);
  bool Stopping(const std::string& name, pid_t holder);
  // Those that have not written their recipe yet, or failed before they did, with their words.
  std::vector<std::pair<std::string, std::string>> WithoutRecord();
  // The error that the last trainer of the run ended with; "": none.
  std::string LastWords(const std::string& name) const;

 private:
  Status CheckNew(const RunToStart& run) const;
  Status AwaitBeginning(const std::string& name);
  // Forgets those that have ended.
  void Sweep() AHA_REQUIRES(mutex_);
  std::filesystem::path LogOf(const std::string& name) const;

  RunControlOptions options_;
  Mutex starting_;  // one at a time
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<ChildProcess>> children_ AHA_GUARDED_BY(mutex_);
  std::map<std::string, pid_t> asked_ AHA_GUARDED_BY(mutex_);         // to stop
  std::map<std::string, std::string> failed_ AHA_GUARDED_BY(mutex_);  // without a record
};

// Whether a run may be called so: 1 to 100 letters, digits, '.', '_', '-', not beginning with '.'.
bool IsRunName(std::string_view name);

}  // namespace aha

#endif  // AHA_SERVER_RUN_CONTROL_H_
