#include "train/line_index.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace aha {
namespace {

constexpr size_t kChunk = size_t{1} << 20;
constexpr size_t kTail = 256;
constexpr size_t kNamed = 20;  // lines that are left out, by name

struct OpenFile {
  explicit OpenFile(const std::filesystem::path& path)
      : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  OpenFile(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

// Up to `bytes` at `offset`; less at the file's end.
Result<std::string> ReadAt(int fd, uint64_t offset, size_t bytes) {
  std::string out(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got =
        ::pread(fd, out.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError("{}", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  out.resize(done);
  return out;
}

}  // namespace

void LineIndex::Forget() {
  lines_.clear();
  done_ = 0;
  number_ = 0;
  tail_.clear();
  skipped_.clear();
  skipped_count_ = 0;
}

void LineIndex::Skip(const std::string& why) {
  ++skipped_count_;
  if (skipped_.size() == kNamed) return;
  skipped_.push_back(fmt::format("{}:{}: {}", path_.filename().string(), number_, why));
}

bool LineIndex::Same(int fd, uint64_t size) const {
  if (size < done_) return false;
  const Result<std::string> now = ReadAt(fd, done_ - tail_.size(), tail_.size());
  return now.ok() && *now == tail_;
}

Result<bool> LineIndex::Refresh(const Look& look, const std::function<void()>& forget) {
  const OpenFile file(path_);
  struct stat info {};
  if (file.fd >= 0 && fstat(file.fd, &info) != 0) {
    return IoError("{}: {}", path_.string(), std::strerror(errno));
  }
  if (file.fd < 0 && errno != ENOENT) {
    return IoError("{}: {}", path_.string(), std::strerror(errno));
  }
  const uint64_t size = file.fd < 0 ? 0 : static_cast<uint64_t>(info.st_size);
  const bool anew = done_ > 0 && (file.fd < 0 || !Same(file.fd, size));
  if (anew) {
    Forget();
    if (forget) forget();
  }
  if (size > done_) AHA_RETURN_IF_ERROR(Scan(file.fd, look).Within(path_.string()));
  return anew;
}

Status LineIndex::Scan(int fd, const Look& look) {
  std::string held;        // of a line whose end has not come
  bool too_long = false;   // and will not be looked at
  uint64_t begin = done_;  // of the line
  uint64_t at = done_;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const std::string chunk, ReadAt(fd, at, kChunk));
    if (chunk.empty()) break;
    at += chunk.size();
    size_t first = 0;
    for (size_t end; (end = chunk.find('\n', first)) != std::string::npos; first = end + 1) {
      const std::string_view rest = std::string_view(chunk).substr(first, end - first);
      ++number_;
      if (!too_long && !held.empty()) held += rest;
      const std::string_view line = held.empty() ? rest : std::string_view(held);
      const Status status = too_long || line.size() > kLongestLine
                                ? InvalidArgument("a line of more than {} bytes", kLongestLine)
                                : look(line);
      if (status.ok()) {
        lines_.push_back({begin, line.size()});
      } else {
        Skip(status.message());
      }
      tail_ = line.substr(line.size() - std::min(line.size(), kTail - 1));
      tail_ += '\n';
      if (too_long) tail_ = "\n";
      begin = done_ = at - chunk.size() + end + 1;
      held.clear();
      too_long = false;
    }
    if (!too_long) held += std::string_view(chunk).substr(first);
    if (held.size() > kLongestLine) {
      too_long = true;
      held.clear();
    }
  }
  return OkStatus();
}

Result<std::vector<Json>> LineIndex::Read(int64_t first, int64_t last) const {
  first = std::clamp<int64_t>(first, 0, size());
  last = std::clamp(last, first, size());
  std::vector<Json> out;
  if (first == last) return out;
  const OpenFile file(path_);
  if (file.fd < 0) return IoError("{}: {}", path_.string(), std::strerror(errno));
  for (int64_t i = first; i < last; ++i) {
    const Line& line = lines_[static_cast<size_t>(i)];
    AHA_ASSIGN_OR_RETURN(const std::string text,
                         ReadAt(file.fd, line.offset, static_cast<size_t>(line.bytes)));
    Result<Json> json = ParseJson(text);
    if (json.ok()) out.push_back(*std::move(json));
  }
  return out;
}

}  // namespace aha
