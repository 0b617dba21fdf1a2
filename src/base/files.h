// Files: whole reads, memory maps, and writes that are there entirely or not at all.
#ifndef AHA_BASE_FILES_H_
#define AHA_BASE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace aha {

// The whole of `path`, refused past `max_bytes`. Errors name the path and the system's reason.
Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t max_bytes = UINT64_MAX);

// Writes to a temporary file beside `path`, syncs it, and renames it over `path`.
Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes);

// A read-only map of a whole file; empty files map to an empty span. Move-only; pages are read on
// first touch.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::filesystem::path& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  // Hands `f` the whole file, a piece at a time; none stays in the process's memory.
  void ForEachPiece(const std::function<void(std::span<const std::byte>)>& f) const;
  // Gives back the memory of whole pages of `part`; who reads them later has them from the file.
  static void Forget(std::span<const std::byte> part);

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace aha

#endif  // AHA_BASE_FILES_H_
