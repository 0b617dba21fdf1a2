// The house's table of who may include whom (docs/design.md), checked against every #include in
// src/.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace aha {
namespace {

namespace fs = std::filesystem;

// A room may include itself and what stands here. `train/run_records.h` is all that server may see
// of train; `kernels/kernels.h` and machine_limits.h all that anyone may see of kernels.
const std::map<std::string, std::set<std::string>>& Table() {
  static const std::map<std::string, std::set<std::string>> table = {
      {"base", {}},
      {"tensor", {"base"}},
      {"kernels", {"tensor", "base"}},
      {"ops", {"kernels", "tensor", "base"}},
      {"weights", {"tensor", "base"}},
      {"tokenizer", {"base"}},
      {"grammar", {"tokenizer", "base"}},
      {"chat", {"tokenizer", "base"}},
      {"model", {"ops", "weights", "tensor", "base"}},
      {"engine", {"model", "ops", "tensor", "base"}},
      {"library", {"model", "weights", "tokenizer", "chat", "tensor", "base"}},
      {"envs", {"chat", "base"}},
      {"train",
       {"engine", "model", "ops", "kernels", "envs", "library", "chat", "tokenizer", "weights", "tensor", "base"}},
      {"server",
       {"train", "library", "grammar", "engine", "model", "ops", "kernels", "chat", "tokenizer", "tensor",
        "base"}},
      {"cli",
       {"server", "train", "envs", "library", "engine", "model", "ops", "kernels", "weights", "tokenizer", "chat", "tensor",
        "base"}},
  };
  return table;
}

TEST(Includes, FollowTheTable) {
  const fs::path src = fs::path(AHA_SOURCE_DIR) / "src";
  const std::regex include("^\\s*#\\s*include\\s+\"([^\"/]+)/([^\"]+)\"");
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(src)) {
    const fs::path path = entry.path();
    if (path.extension() != ".h" && path.extension() != ".cc") continue;
    ++files;
    const std::string room = fs::relative(path, src).begin()->string();
    ASSERT_TRUE(Table().contains(room)) << "folder src/" << room << " is not in the table";
    // A room's tests may use what is above it: they check that the parts fit.
    if (path.filename().string().ends_with("_test.cc")) continue;
    std::ifstream in(path);
    std::string line;
    std::smatch match;
    while (std::getline(in, line)) {
      if (!std::regex_search(line, match, include)) continue;
      const std::string target = match[1];
      if (target == room) continue;
      if (!fs::is_directory(src / target)) continue;  // a library's own folder
      EXPECT_TRUE(Table().at(room).contains(target))
          << fs::relative(path, src) << " may not include " << match[1] << "/" << match[2];
      if (target == "train" && room == "server") {
        EXPECT_EQ(match[2], "run_records.h")
            << fs::relative(path, src) << " includes train/" << match[2]
            << "; the server reads what runs wrote of themselves, and no more";
      }
      if (target == "kernels") {
        EXPECT_TRUE(match[2] == "kernels.h" || match[2] == "machine_limits.h")
            << fs::relative(path, src) << " includes kernels/" << match[2]
            << "; only kernels.h is public";
      }
    }
  }
  EXPECT_GT(files, 20);
}

}  // namespace
}  // namespace aha
