#include "train/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.h"

namespace aha {
namespace {

// ---- TensorBoard: TFRecords of Event messages -------------------------------------------------
// record = u64 length, masked crc of it, bytes, masked crc of them.
// Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
// Summary { repeated Value value = 1; }  Value { string tag = 1; float simple_value = 2; }

uint32_t Crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0x82F63B78u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) crc = table[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

uint32_t Masked(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <typename T>
void PutFixed(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void PutBytes(int field, std::string_view bytes, std::string* out) {
  PutVarint(static_cast<uint64_t>(field << 3 | 2), out);
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

void PutRecord(const std::string& event, std::string* out) {
  std::string length;
  PutFixed<uint64_t>(event.size(), &length);
  *out += length;
  PutFixed<uint32_t>(Masked(length), out);
  *out += event;
  PutFixed<uint32_t>(Masked(event), out);
}

std::string EventOf(const Json& line) {
  std::string summary;
  for (const auto& [key, value] : line.items()) {
    if (!value.is_number() || key == "step" || key == "time") continue;
    std::string one;
    PutBytes(1, key, &one);
    PutVarint(2 << 3 | 5, &one);
    PutFixed<float>(value.get<float>(), &one);
    PutBytes(1, one, &summary);
  }
  const auto number = [&](const char* key) { return line.contains(key) ? line[key] : Json(0); };
  std::string event;
  PutVarint(1 << 3 | 1, &event);
  PutFixed<double>(number("time").get<double>(), &event);
  PutVarint(2 << 3 | 0, &event);
  PutVarint(number("total_step").get<uint64_t>(), &event);
  PutBytes(5, summary, &event);
  return event;
}

}  // namespace

bool IsTiming(const std::string& key) {
  // Operations too: runs that older programs began have none to compare.
  return key == "time" || key == "step_time" || key == "tokens_per_second" || key == "flops" ||
         key.starts_with("time/");
}

Result<LineFile> LineFile::Open(const std::filesystem::path& path, uint64_t bytes) {
  LineFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return IoError("{}: {}", path.string(), std::strerror(errno));
  const off_t size = ::lseek(file.fd_, 0, SEEK_END);
  if (size < 0 || static_cast<uint64_t>(size) < bytes) {
    return IoError("{} has {} bytes, the checkpoint saw {}", path.string(), size, bytes);
  }
  if (::ftruncate(file.fd_, static_cast<off_t>(bytes)) != 0 ||
      ::lseek(file.fd_, static_cast<off_t>(bytes), SEEK_SET) < 0) {
    return IoError("{}: {}", path.string(), std::strerror(errno));
  }
  file.bytes_ = bytes;
  return file;
}

LineFile::LineFile(LineFile&& other) noexcept { *this = std::move(other); }

LineFile& LineFile::operator=(LineFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

LineFile::~LineFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status LineFile::Append(const Json& line) {
  std::string text = DumpJson(line);
  text.push_back('\n');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = ::write(fd_, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      // Half a line must not stay: the next attempt begins where this one did.
      const int error = errno;
      if (::ftruncate(fd_, static_cast<off_t>(bytes_)) == 0) {
        ::lseek(fd_, static_cast<off_t>(bytes_), SEEK_SET);
      }
      return IoError("{}: {}", path_.string(), std::strerror(error));
    }
    done += static_cast<size_t>(wrote);
  }
  bytes_ += text.size();
  return OkStatus();
}

Result<std::vector<Json>> ReadLines(const std::filesystem::path& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<Json> lines;
  for (size_t begin = 0;;) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return lines;
    Result<Json> line = ParseJson(std::string_view(text).substr(begin, end - begin));
    if (!line.ok()) {
      return line.status().Within(path.string() + ":" + std::to_string(lines.size() + 1));
    }
    lines.push_back(*std::move(line));
    begin = end + 1;
  }
}

Status WriteTensorBoard(const std::vector<Json>& lines, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return IoError("{}: {}", folder.string(), error.message());
  std::string out;
  std::string version;
  PutVarint(1 << 3 | 1, &version);
  PutFixed<double>(0, &version);
  PutBytes(3, "brain.Event:2", &version);
  PutRecord(version, &out);
  for (const Json& line : lines) PutRecord(EventOf(line), &out);
  return WriteFileAtomic(folder / "events.out.tfevents.0.aha", out);
}

}  // namespace aha
