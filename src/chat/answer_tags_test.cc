#include "chat/answer_tags.h"

#include <gtest/gtest.h>

namespace aha {
namespace {

// However the text is cut, the same comes out.
std::string Shown(const std::string& text) {
  AnswerTags whole;
  std::string want = whole.Push(text);
  want += whole.Finish();
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    AnswerTags parts;
    std::string got = parts.Push(text.substr(0, cut));
    got += parts.Push(text.substr(cut));
    got += parts.Finish();
    EXPECT_EQ(got, want) << text << " cut at " << cut;
  }
  return want;
}

TEST(AnswerTags, ShowTheInside) {
  EXPECT_EQ(Shown("<answer>(8-7)+9</answer>"), "(8-7)+9");
  EXPECT_EQ(Shown("\n <answer>7</answer>\n"), "7\n");
  EXPECT_EQ(Shown("<answer>a<b</answer> and <answer>"), "a<b and <answer>");
  EXPECT_EQ(Shown("<answer>never ends"), "never ends");
}

TEST(AnswerTags, LeaveOtherTextAlone) {
  EXPECT_EQ(Shown("In HTML <answer>x</answer> is no tag."),
            "In HTML <answer>x</answer> is no tag.");
  EXPECT_EQ(Shown("<ans"), "<ans");
  EXPECT_EQ(Shown("  two blanks"), "  two blanks");
  EXPECT_EQ(Shown(""), "");
}

TEST(AnswerTags, HoldBackNoMoreThanATag) {
  AnswerTags tags;
  EXPECT_EQ(tags.Push("<answer>12"), "12");
  EXPECT_EQ(tags.Push("3<"), "3");
  EXPECT_EQ(tags.Push("4"), "<4");
}

}  // namespace
}  // namespace aha
