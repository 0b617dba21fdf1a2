#include "train/run_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace aha {

namespace {

// Of the whole file. Not flock or an OFD lock: only this kind says who holds it.
struct flock Whole(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Result<RunLock> RunLock::Take(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "run.lock";
  RunLock out;
  out.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (out.fd_ < 0) return IoError("{}: {}", path.string(), std::strerror(errno));
  struct flock lock = Whole(F_WRLCK);
  if (fcntl(out.fd_, F_SETLK, &lock) == 0) return out;
  if (errno != EACCES && errno != EAGAIN) {
    return IoError("{}: cannot lock it: {}", path.string(), std::strerror(errno));
  }
  lock = Whole(F_WRLCK);
  const bool known = fcntl(out.fd_, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  return InvalidArgument("another process{} trains in {} now",
                         known ? fmt::format(" ({})", lock.l_pid) : "", folder.string());
}

pid_t RunLock::Holder(const std::filesystem::path& folder) {
  const int fd = ::open((folder / "run.lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  struct flock lock = Whole(F_WRLCK);
  const bool held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  return held ? lock.l_pid : 0;
}

RunLock::RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

RunLock::~RunLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace aha
