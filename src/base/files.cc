#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace aha {
namespace {

std::string Reason() { return std::generic_category().message(errno); }

// Closes on scope exit; a descriptor has one owner.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool Close() {
    const int fd = std::exchange(fd_, -1);
    return ::close(fd) == 0;
  }

 private:
  int fd_;
};

Result<uint64_t> RegularFileSize(int fd, const std::filesystem::path& path) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return IoError("{}: {}", path.string(), Reason());
  if (S_ISDIR(info.st_mode)) return InvalidArgument("{} is a folder, not a file", path.string());
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{} is not a regular file", path.string());
  return static_cast<uint64_t>(info.st_size);
}

Status WriteAll(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError("cannot write {}: {}", path.string(), Reason());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

}  // namespace

Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t max_bytes) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    const StatusCode code = errno == ENOENT ? StatusCode::kNotFound : StatusCode::kIo;
    return Status(code, fmt::format("cannot open {}: {}", path.string(), Reason()));
  }
  AHA_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(fd.get(), path));
  if (size > max_bytes) {
    return InvalidArgument("{} has {} bytes, more than the {} allowed", path.string(), size,
                           max_bytes);
  }
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd.get(), bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError("cannot read {}: {}", path.string(), Reason());
    if (n == 0) break;  // the file shrank while we read it
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes) {
  std::string temporary = path.string() + ".tmp-XXXXXX";
  Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return IoError("cannot create {}: {}", temporary, Reason());
  Status status = WriteAll(fd.get(), bytes, path);
  // mkstemp makes files private; a model or a result is an ordinary file under the user's umask.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (status.ok() && (::fchmod(fd.get(), 0666 & ~mask) != 0 || ::fsync(fd.get()) != 0 ||
                      !fd.Close() || ::rename(temporary.c_str(), path.c_str()) != 0)) {
    status = IoError("cannot write {}: {}", path.string(), Reason());
  }
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    const StatusCode code = errno == ENOENT ? StatusCode::kNotFound : StatusCode::kIo;
    return Status(code, fmt::format("cannot open {}: {}", path.string(), Reason()));
  }
  AHA_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(fd.get(), path));
  MappedFile file;
  file.path_ = path;
  if (size == 0) return file;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return IoError("cannot map {}: {}", path.string(), Reason());
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = size;
  return file;
}

void MappedFile::ForEachPiece(const std::function<void(std::span<const std::byte>)>& f) const {
  constexpr size_t kPiece = 1 << 20;
  for (size_t at = 0; at < size_; at += kPiece) {
    const auto piece = bytes().subspan(at, std::min(kPiece, size_ - at));
    f(piece);
    Forget(piece);
  }
}

void MappedFile::Forget(std::span<const std::byte> part) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(part.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t end = (begin + part.size()) / page * page;
  if (first >= end) return;
  // It may fail, and the pages stay.
  (void)::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace aha
