#include "server/text_search.h"

#include <gtest/gtest.h>

namespace aha {
namespace {

TEST(TextSearch, FindsWhateverTheCase) {
  EXPECT_EQ(TextSearch("PRIME").Find("a Prime number"), "a Prime number");
  EXPECT_EQ(TextSearch("straße").Find("Die STRAßE"), "Die STRAßE");
  EXPECT_EQ(TextSearch("числа").Find("Простые ЧИСЛА"), "Простые ЧИСЛА");
  EXPECT_EQ(TextSearch("素数").Find("什么是素数？"), "什么是素数？");
  EXPECT_EQ(TextSearch("prime").Find("nothing"), std::nullopt);
  EXPECT_EQ(TextSearch("prime").Find(""), std::nullopt);
  EXPECT_TRUE(TextSearch(" \n").empty());
}

TEST(TextSearch, ShowsWhereThoughLowerCaseHasOtherSizes) {
  // K (Kelvin, 3 bytes) becomes k; İ (2 bytes) becomes i.
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\u212A\u0130";
  text += " here it is ";
  text += std::string(500, 'z');
  const std::string found = TextSearch("HERE").Find(text).value();
  EXPECT_TRUE(found.starts_with("…\u0130\u212A")) << found;
  EXPECT_NE(found.find("\u0130 here it is z"), std::string::npos) << found;
  EXPECT_TRUE(found.ends_with("z…")) << found;
}

TEST(TextSearch, TakesBytesThatAreNoText) {
  const std::string text = "\xff\xfe needle \x80\xc3";
  EXPECT_TRUE(TextSearch("needle").Find(text).has_value());
  EXPECT_TRUE(TextSearch("\xc3").Find(text).has_value());
}

TEST(Headline, EndsBetweenWords) {
  EXPECT_EQ(Headline("  one\n\ntwo  ", 60), "one two");
  EXPECT_EQ(Headline("one two three", 13), "one two three");
  EXPECT_EQ(Headline("one two three", 12), "one two…");
  EXPECT_EQ(Headline("one two three", 7), "one two…");
  EXPECT_EQ(Headline(std::string(100, 'w'), 10), std::string(10, 'w') + "…");
  EXPECT_EQ(Headline("äöü äöü äöü", 8), "äöü äöü…");
  EXPECT_EQ(Headline("", 10), "");
  EXPECT_EQ(Headline(" \n ", 10), "");
}

}  // namespace
}  // namespace aha
