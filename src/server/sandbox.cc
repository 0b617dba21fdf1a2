#include "server/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace aha {
namespace {

namespace fs = std::filesystem;

// linux/landlock.h of Debian 12 knows the rights of versions 1 and 2.
constexpr uint64_t kTruncate = uint64_t{1} << 14;     // version 3
constexpr uint64_t kIoctlDevice = uint64_t{1} << 15;  // version 5

constexpr uint64_t kRead =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// Of files: what a rule on a file may grant.
constexpr uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                              LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;

uint64_t RightsOf(int version) {
  uint64_t rights = (uint64_t{1} << 13) - 1;
  if (version >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kIoctlDevice;
  return rights;
}

bool Grant(int ruleset, const fs::path& path, uint64_t rights) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || errno == ENOTDIR;
  struct stat info {};
  if (fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode)) rights &= kOfFiles;
  const landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
  const bool ok =
      syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  close(fd);
  return ok;
}

// Calls that neither the server nor a trainer makes.
constexpr const char* kRefused[] = {
    // connections: those that are open, and those that are accepted, stay
    "socket", "connect", "bind", "listen",
    // other processes
    "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
#if !defined(__SANITIZE_ADDRESS__) && !(defined(__has_feature) && __has_feature(address_sanitizer))
    "ptrace",  // which LeakSanitizer needs at the end
#endif
    // the system
    "mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "fsopen", "fsmount",
    "move_mount", "open_tree", "mount_setattr", "swapon", "swapoff", "reboot", "acct", "quotactl",
    "sethostname", "setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "iopl",
    "ioperm", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load",
    // ways into the kernel that had many holes
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "add_key", "request_key", "keyctl", "open_by_handle_at"};

}  // namespace

int LandlockVersion() {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

SandboxState RestrictFiles(const SandboxFolders& folders) {
  const int version = LandlockVersion();
  if (version == 0) return {.text = "not restricted: this kernel has no Landlock"};
  const uint64_t rights = RightsOf(version);
  const landlock_ruleset_attr attributes = {.handled_access_fs = rights};
  const int ruleset =
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
  if (ruleset < 0) return {.text = fmt::format("not restricted: {}", std::strerror(errno))};
  std::string failed;
  for (const fs::path& path : folders.read) {
    if (!Grant(ruleset, path, kRead & rights)) failed = path.string();
  }
  for (const fs::path& path : folders.write) {
    if (!Grant(ruleset, path, rights)) failed = path.string();
  }
  const bool on = failed.empty() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                  syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  const int error = errno;
  close(ruleset);
  if (!on) {
    return {.text =
                fmt::format("not restricted: {}",
                            failed.empty() ? std::strerror(error) : failed + " cannot be ruled")};
  }
  std::string written;
  for (const fs::path& path : folders.write) {
    if (!path.string().starts_with("/dev/"))
      written += (written.empty() ? "" : ", ") + path.string();
  }
  return {.on = true, .text = fmt::format("only its folders; written: {}", written)};
}

SandboxState RestrictCalls() {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return {.text = "not restricted: seccomp cannot be set up"};
  // Threads that run already get it too.
  int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  for (const char* name : kRefused) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || error != 0) continue;  // a kernel or a machine without it
    error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
  }
  if (error == 0) error = seccomp_load(filter);
  seccomp_release(filter);
  if (error != 0) return {.text = fmt::format("not restricted: {}", std::strerror(-error))};
  return {.on = true, .text = "no connection can be opened, only accepted"};
}

}  // namespace aha
