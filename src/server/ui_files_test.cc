#include "server/ui_files.h"

#include <gtest/gtest.h>

#include <set>

namespace aha {
namespace {

TEST(UiFiles, BeginWithAPageAndEachIsGzip) {
  std::set<std::string_view> paths;
  for (const UiFile& file : UiFiles()) {
    EXPECT_TRUE(paths.insert(file.path).second) << file.path;
    EXPECT_EQ(file.path.front(), '/');
    EXPECT_FALSE(file.mime.empty()) << file.path;
    EXPECT_TRUE(file.etag.starts_with('"') && file.etag.ends_with('"')) << file.path;
    ASSERT_GT(file.gzip.size(), 18u) << file.path;
    EXPECT_EQ(file.gzip[0], 0x1f) << file.path;
    EXPECT_EQ(file.gzip[1], 0x8b) << file.path;
  }
  EXPECT_TRUE(paths.contains("/index.html"));
  if (UiIsComplete()) {
    for (const char* path : {"/app.js", "/app.css", "/katex.css", "/growth.css"}) {
      EXPECT_TRUE(paths.contains(path)) << path;
    }
  }
}

}  // namespace
}  // namespace aha
