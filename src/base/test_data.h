// Where tests find real files. They stand outside the tree (too large for git); a clone without
// them skips those tests and says so.
#ifndef AHA_BASE_TEST_DATA_H_
#define AHA_BASE_TEST_DATA_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace aha {

// `name` under $AHA_TEST_DATA, or under ../shared/data beside the source tree.
inline std::filesystem::path TestDataPath(const std::string& name) {
  const char* root = std::getenv("AHA_TEST_DATA");
  if (root != nullptr) return std::filesystem::path(root) / name;
  return std::filesystem::path(AHA_SOURCE_DIR).parent_path() / "shared" / "data" / name;
}

}  // namespace aha

// Skips the running test, loudly, when a real file is absent.
#define AHA_REQUIRE_TEST_DATA(name)                                            \
  do {                                                                         \
    if (!std::filesystem::exists(::aha::TestDataPath(name))) {                 \
      GTEST_SKIP() << "SKIPPED: real file " << ::aha::TestDataPath(name)       \
                   << " is absent; set AHA_TEST_DATA to a folder that has it"; \
    }                                                                          \
  } while (false)

#endif  // AHA_BASE_TEST_DATA_H_
