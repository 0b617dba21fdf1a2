#include "base/machine_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace aha {
namespace {

constexpr int64_t kUnknown = int64_t{2} << 30;

int64_t FromMemInfo(const std::string& key) {
  std::ifstream in("/proc/meminfo");
  std::string name, unit;
  int64_t kilobytes = 0;
  while (in >> name >> kilobytes) {
    std::getline(in, unit);
    if (name == key) return kilobytes * 1024;
  }
  return kUnknown;
}

// A file of one number; "max" and absence are no limit.
int64_t FromFile(const char* path) {
  std::ifstream in(path);
  int64_t bytes = 0;
  return in >> bytes && bytes > 0 ? bytes : INT64_MAX;
}

}  // namespace

int64_t TotalMemory() {
  return std::min(FromMemInfo("MemTotal:"), FromFile("/sys/fs/cgroup/memory.max"));
}

int64_t AvailableMemory() {
  const int64_t limit = FromFile("/sys/fs/cgroup/memory.max");
  int64_t available = FromMemInfo("MemAvailable:");
  if (limit != INT64_MAX) {
    available =
        std::min(available, limit - std::min(limit, FromFile("/sys/fs/cgroup/memory.current")));
  }
  return std::max<int64_t>(available, 64 << 20);
}

}  // namespace aha
