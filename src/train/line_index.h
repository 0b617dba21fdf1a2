// Where the lines of a file of JSON lines lie, for a reader who comes again and again while another
// process writes: each line is looked at once.
//
//   LineIndex index("runs/parity/metrics.jsonl");
//   AHA_ASSIGN_OR_RETURN(const bool anew, index.Refresh(look));
//   AHA_ASSIGN_OR_RETURN(std::vector<Json> lines, index.Read(0, index.size()));
//
// A last line without its end is not there yet. Lines that `look` refuses are counted, named and
// left out. A file that was cut (a run that went on from its checkpoint) is indexed anew.
#ifndef AHA_TRAIN_LINE_INDEX_H_
#define AHA_TRAIN_LINE_INDEX_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace aha {

class LineIndex {
 public:
  static constexpr uint64_t kLongestLine = uint64_t{1} << 26;
  // An error refuses the line.
  using Look = std::function<Status(std::string_view line)>;

  explicit LineIndex(std::filesystem::path path) : path_(std::move(path)) {}

  // Looks at what is new. True: the file is not the one that it was, all lines before are forgotten
  // and `forget` (if any) was called before the first look. A file that is not there has no lines.
  Result<bool> Refresh(const Look& look, const std::function<void()>& forget = {});

  int64_t size() const { return static_cast<int64_t>(lines_.size()); }
  // Lines [first, last), those that are no JSON any more left out.
  Result<std::vector<Json>> Read(int64_t first, int64_t last) const;
  // "metrics.jsonl:12: why", the first of them; their number is skipped_count().
  const std::vector<std::string>& skipped() const { return skipped_; }
  int64_t skipped_count() const { return skipped_count_; }

 private:
  struct Line {
    uint64_t offset, bytes;  // without its end
  };
  void Forget();
  void Skip(const std::string& why);
  // Whether the bytes before done_ are still those that were there.
  bool Same(int fd, uint64_t size) const;
  Status Scan(int fd, const Look& look);

  std::filesystem::path path_;
  std::vector<Line> lines_;
  uint64_t done_ = 0;   // bytes looked at: up to a line's end
  int64_t number_ = 0;  // of lines looked at
  std::string tail_;    // the bytes before done_
  std::vector<std::string> skipped_;
  int64_t skipped_count_ = 0;
};

}  // namespace aha

#endif  // AHA_TRAIN_LINE_INDEX_H_
