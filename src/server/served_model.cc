#include "server/served_model.h"

#include <algorithm>

#include "library/sha256.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

// A folder's hash: of the names and hashes of the files that a model is read from.
Result<std::string> HashOfFolder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const fs::path extension = entry.path().extension();
    if (entry.is_regular_file() &&
        (extension == ".safetensors" || extension == ".json" || extension == ".jinja")) {
      files.push_back(entry.path());
    }
  }
  if (error) return IoError("{}: {}", folder.string(), error.message());
  std::ranges::sort(files);
  std::string text;
  for (const fs::path& file : files) {
    AHA_ASSIGN_OR_RETURN(const std::string one, Sha256OfFile(file));
    text += file.filename().string() + " " + one + "\n";
  }
  Sha256 hash;
  hash.Add(text);
  return hash.Hex();
}

}  // namespace

Result<std::string> ServedModel::Sha256() const {
  const MutexLock lock(sha256_mutex);
  if (sha256.empty()) {
    AHA_ASSIGN_OR_RETURN(sha256, fs::is_directory(path) ? HashOfFolder(path) : Sha256OfFile(path));
  }
  return sha256;
}

}  // namespace aha
