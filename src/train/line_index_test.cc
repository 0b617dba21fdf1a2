#include "train/line_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/files.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

class LineIndexTest : public testing::Test {
 protected:
  void TearDown() override { fs::remove(path_); }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  void Append(const std::string& text) {
    std::ofstream(path_, std::ios::binary | std::ios::app) << text;
  }
  // Lines seen by this call.
  std::vector<std::string> Refresh(bool* anew = nullptr) {
    std::vector<std::string> seen;
    const Result<bool> r = index_.Refresh([&](std::string_view line) {
      seen.emplace_back(line);
      return ParseJson(line).status();
    });
    EXPECT_TRUE(r.ok());
    if (anew != nullptr) *anew = *r;
    return seen;
  }
  std::vector<int> Values(int64_t first, int64_t last) {
    std::vector<int> out;
    const std::vector<Json> lines = index_.Read(first, last).value();
    for (const Json& json : lines) out.push_back(json.get<int>());
    return out;
  }

  fs::path path_ = fs::temp_directory_path() / fmt::format("aha-line-index-{}", getpid());
  LineIndex index_{path_};
};

TEST_F(LineIndexTest, EachLineIsLookedAtOnce) {
  EXPECT_TRUE(Refresh().empty());  // not there
  Write("1\n2\n3");
  EXPECT_THAT(Refresh(), testing::ElementsAre("1", "2"));
  EXPECT_TRUE(Refresh().empty());
  Append("4\n\n5\n");
  EXPECT_THAT(Refresh(), testing::ElementsAre("34", "", "5"));
  EXPECT_THAT(Values(0, 99), testing::ElementsAre(1, 2, 34, 5));
  EXPECT_THAT(Values(1, 3), testing::ElementsAre(2, 34));
  EXPECT_THAT(Values(-5, -1), testing::ElementsAre());
  EXPECT_THAT(index_.skipped(), testing::ElementsAre(testing::HasSubstr(":4: ")));
}

TEST_F(LineIndexTest, ACutFileIsReadAnew) {
  Write("1\n2\n3\n");
  Refresh();
  Write("1\n");
  bool anew = false;
  EXPECT_THAT(Refresh(&anew), testing::ElementsAre("1"));
  EXPECT_TRUE(anew);
  // Cut and grown past where it was: the bytes before tell.
  Append("7\n8\n9\n");
  EXPECT_THAT(Refresh(&anew), testing::ElementsAre("7", "8", "9"));
  EXPECT_FALSE(anew);
  Write("1\n7\n6\n6\n6\n");
  EXPECT_EQ(Refresh(&anew).size(), 5u);
  EXPECT_TRUE(anew);
  // What comes again as it was is no news: a run that goes on writes the same bits.
  Write("1\n7\n6\n6\n6\n5\n");
  EXPECT_THAT(Refresh(&anew), testing::ElementsAre("5"));
  EXPECT_FALSE(anew);
  fs::remove(path_);
  Refresh(&anew);
  EXPECT_TRUE(anew);
  EXPECT_EQ(index_.size(), 0);
}

TEST_F(LineIndexTest, LinesOverChunksAndLinesTooLong) {
  std::string text;
  for (int i = 0; i < 5; ++i)
    text += "\"" + std::string(700'000, 'a' + static_cast<char>(i)) + "\"\n";
  Write(text);
  EXPECT_EQ(Refresh().size(), 5u);
  EXPECT_EQ(index_.Read(3, 4).value()[0].get<std::string>(), std::string(700'000, 'd'));
  std::string garbage(LineIndex::kLongestLine + 10, 'x');
  Append(garbage + "\n6\n");
  EXPECT_THAT(Refresh(), testing::ElementsAre("6"));
  EXPECT_EQ(index_.size(), 6);
  EXPECT_EQ(index_.skipped_count(), 1);
}

TEST_F(LineIndexTest, GarbageIsCountedNotKept) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string("\0\xff{", 3) + "\n";
  Write(text + "1\n");
  Refresh();
  EXPECT_EQ(index_.size(), 1);
  EXPECT_EQ(index_.skipped_count(), 1000);
  EXPECT_LT(index_.skipped().size(), 100u);
}

}  // namespace
}  // namespace aha
