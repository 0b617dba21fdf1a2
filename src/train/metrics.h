// The record of a run that other programs read: metrics.jsonl (one object a step, TRL's names),
// samples.jsonl (every group of a rollout), and TensorBoard event files made from the first.
//
// Files only grow; a resumed run cuts them back to where its checkpoint was made, so that they read
// as if it had never stopped.
#ifndef AHA_TRAIN_METRICS_H_
#define AHA_TRAIN_METRICS_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace aha {

// Keys that tell of time, not of the run: two runs with the same bits may differ in them.
bool IsTiming(const std::string& key);

class LineFile {
 public:
  // Opens for appending, cut to `bytes` first.
  static Result<LineFile> Open(const std::filesystem::path& path, uint64_t bytes);
  LineFile() = default;
  LineFile(LineFile&& other) noexcept;
  LineFile& operator=(LineFile&& other) noexcept;
  ~LineFile();

  Status Append(const Json& line);
  uint64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

// Lines of a metrics.jsonl or samples.jsonl; a last line without its end is left out (a run that is
// writing it, or was killed).
Result<std::vector<Json>> ReadLines(const std::filesystem::path& path);

// TensorBoard's event file of all numbers in `lines`, under `folder`. Replaces what is there.
Status WriteTensorBoard(const std::vector<Json>& lines, const std::filesystem::path& folder);

}  // namespace aha

#endif  // AHA_TRAIN_METRICS_H_
