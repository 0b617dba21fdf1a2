// Who is training in a run's folder: one process at a time, known to others as long as it lives.
//
//   AHA_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take(folder));    // the trainer
//   if (const pid_t trainer = RunLock::Holder(folder)) ...        // anybody else
//
// A lock of the system on the file run.lock: it ends with the process, however that ends, and
// asking for its holder never gets in the holder's way. Between processes only: a process does not
// lock itself out, and must not ask for a holder while it has the lock of that folder.
#ifndef AHA_TRAIN_RUN_LOCK_H_
#define AHA_TRAIN_RUN_LOCK_H_

#include <sys/types.h>

#include <filesystem>

#include "base/status.h"

namespace aha {

class RunLock {
 public:
  // `folder` must be there. Error: another process has it; its number is named.
  static Result<RunLock> Take(const std::filesystem::path& folder);
  // The process that trains in `folder`; 0: none.
  static pid_t Holder(const std::filesystem::path& folder);

  RunLock() = default;  // of nothing
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&& other) noexcept;
  ~RunLock();

  bool held() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace aha

#endif  // AHA_TRAIN_RUN_LOCK_H_
