#include "chat/final_answer.h"

#include <gtest/gtest.h>

namespace aha {
namespace {

TEST(FinalAnswer, PrefersTheLastBox) {
  EXPECT_EQ(FinalAnswer("first \\boxed{3}, no: \\boxed{\\frac{1}{2}}."), "\\frac{1}{2}");
  EXPECT_EQ(FinalAnswer("\\boxed{4} then \\boxed{never closed"), "4");
  EXPECT_EQ(FinalAnswer("x <answer> (9+8)-7 </answer>"), "(9+8)-7");
}

TEST(FinalAnswer, ReadsWhatIsAnnounced) {
  EXPECT_EQ(FinalAnswer("We add.\nThe answer is **12**.\nI hope that helps!"), "12");
  EXPECT_EQ(FinalAnswer("Answer: B\n"), "B");
}

TEST(FinalAnswer, ElseTheLastLine) {
  EXPECT_EQ(FinalAnswer("so\n(9+8)-7\n\n"), "(9+8)-7");
  EXPECT_EQ(FinalAnswer(" \n"), "");
}

TEST(SameAnswer, NumbersAreExact) {
  const auto same = [](const char* a, const char* b) { return SameAnswer(a, b, true); };
  EXPECT_TRUE(same("1/2", "0.5"));
  EXPECT_TRUE(same("\\frac{1}{2}", "0.50"));
  EXPECT_TRUE(same("-\\dfrac{3}{6}", "-1/2"));
  EXPECT_TRUE(same("1,000", "1000.0"));
  EXPECT_TRUE(same("50%", "1/2"));
  EXPECT_TRUE(same("$3.50", "7/2"));
  EXPECT_TRUE(same("x = 5", "5"));
  EXPECT_TRUE(same("-4/-8", "0.5"));
  EXPECT_FALSE(same("0.333", "1/3"));
  EXPECT_FALSE(same("1/0", "2/0"));
  EXPECT_FALSE(same("1,00", "100"));
  EXPECT_FALSE(same("9007199254740993", "9007199254740992"));
  EXPECT_FALSE(same("99999999999999999999999999", "1"));
  EXPECT_FALSE(same("", "0"));
}

TEST(WithoutEquation, LeavesTheNumber) {
  EXPECT_EQ(WithoutEquation("2 + 3 = 5"), "5");
  EXPECT_EQ(WithoutEquation("$x = \\frac{1}{2}$"), "\\frac{1}{2}");
  EXPECT_EQ(WithoutEquation("x = $3.50"), "$3.50");
  EXPECT_EQ(WithoutEquation("5"), "5");
  EXPECT_EQ(WithoutEquation("y = x + 1"), "y = x + 1");
  EXPECT_EQ(WithoutEquation("="), "=");
}

TEST(SameAnswer, TextIsComparedPlainly) {
  EXPECT_TRUE(SameAnswer("Paris", " paris ", false));
  EXPECT_FALSE(SameAnswer("1/2", "0.5", false));
  EXPECT_FALSE(SameAnswer("Paris", "Rome", true));
}

}  // namespace
}  // namespace aha
