#include "grammar/gbnf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grammar/test_vocabulary.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

Grammar Gbnf(std::string_view text) {
  Result<Grammar> g = Grammar::FromGbnf(text);
  CHECK(g.ok(), g.status().message());
  return std::move(g).value();
}

std::string Error(std::string_view text) {
  const Result<Grammar> g = Grammar::FromGbnf(text);
  return g.ok() ? "" : g.status().message();
}

struct Case {
  const char* grammar;
  std::vector<const char*> yes, no;
};

TEST(Gbnf, AcceptsAndRejects) {
  const std::vector<Case> cases = {
      {"root ::= \"a\"", {"a"}, {"", "b", "aa"}},
      {"root ::= \"a\" | \"ab\" | \"\"", {"", "a", "ab"}, {"b", "abb"}},
      {"root ::= \"a\" \"b\"? \"c\"*", {"a", "ab", "abccc", "ac"}, {"b", "abb", "aab"}},
      {"root ::= ([0-9]+ \",\")* \"x\"", {"x", "1,x", "12,345,x"}, {",x", "1x", "12,,x"}},
      {"root ::= [^\\n\"]{2,3}",
       {"ab", "a\xC3\xA9", "\xF0\x9F\x98\x80zz"},
       {"a", "abcd", "a\n", "\xC3\xA9"}},
      {"root ::= \"x\"{3}", {"xxx"}, {"xx", "xxxx"}},
      {"root ::= \"x\"{2,}", {"xx", "xxxxxxxxxxxxx"}, {"x", ""}},
      {"root ::= \"x\"{,2}", {"", "x", "xx"}, {"xxx"}},
      {"root ::= \"x\"{0}\"y\"", {"y"}, {"xy"}},
      {"root ::= .", {"a", "\n", "\xE2\x82\xAC"}, {"", "ab", "\x80", "\xE2\x82", "\xED\xA0\x80"}},
      {"root ::= [a-]+ [\\]\\[\\\\]", {"a-]", "--\\"}, {"b]", "a"}},
      {"root ::= \"\\x41\\u20AC\\U0001F600\\t\\\"\"", {"A\xE2\x82\xAC\xF0\x9F\x98\x80\t\""}, {"A"}},
      {"root ::= [\\u0391-\\u03C9]+", {"\xCE\xB1\xCE\xA9"}, {"a", "\xCE"}},
      {"# c\nroot ::= # c\n  a |\n  b # c\n\n\na ::= \"1\"\nb ::= (\n \"2\"\n | \"3\" )\n",
       {"1", "2", "3"},
       {"4"}},
      {"root ::= \"a\"\n  | \"b\"\n", {"a", "b"}, {"c"}},
      {"root ::= \"(\" root \")\" | \"\"", {"", "()", "((()))"}, {"(", "())"}},
      {"root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9]+ | \"(\" e \")\"",
       {"1", "1+2", "(1+(2+34))+5"},
       {"1+", "()", "(1"}},
      {"root ::= \"a\" root | \"a\"", {"a", "aaaaaaaa"}, {"", "ab"}},
      {"root ::= a a a\na ::= \"x\"?", {"", "x", "xx", "xxx"}, {"xxxx"}},
      {"root ::= a*\na ::= (\"x\" | \"\")*", {"", "x", "xxxx"}, {"y"}},
      {"root ::= (\"x\"?){5,7}", {"", "xxxxx", "xxxxxxx"}, {"xxxxxxxx"}},
      {"root ::= (a | b){2}\na ::= \"1\"{1,3}\nb ::= \"1\" \"2\"",
       {"11", "1212", "111111", "1112"},
       {"1", "1111111"}},
      {"root ::= pal\npal ::= \"a\" pal \"a\" | \"b\" pal \"b\" | \"c\"",
       {"c", "abcba"},
       {"abcab"}},
  };
  for (const Case& c : cases) {
    const Grammar g = Gbnf(c.grammar);
    for (const char* text : c.yes) EXPECT_TRUE(Accepts(g, text)) << c.grammar << " yes " << text;
    for (const char* text : c.no) EXPECT_FALSE(Accepts(g, text)) << c.grammar << " no " << text;
  }
}

TEST(Gbnf, LargeCountsCostNoStates) {
  const auto times = [](std::string_view what, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += what;
    return out;
  };
  const Grammar exact = Gbnf("root ::= [a-z]{1000}");
  EXPECT_TRUE(Accepts(exact, times("a", 1000)));
  EXPECT_FALSE(Accepts(exact, times("a", 999)));
  EXPECT_FALSE(Accepts(exact, times("a", 1001)));
  const Grammar range = Gbnf("root ::= (\"ab\" | \"abab\"){100,120} \"!\"");
  EXPECT_FALSE(Accepts(range, times("ab", 99) + "!"));
  EXPECT_TRUE(Accepts(range, times("ab", 100) + "!"));
  EXPECT_TRUE(Accepts(range, times("ab", 240) + "!"));
  EXPECT_FALSE(Accepts(range, times("ab", 241) + "!"));
  const Grammar nested = Gbnf("root ::= ((\"x\"{100}){100}){1000000000}");
  EXPECT_FALSE(Accepts(nested, times("x", 10000)));
  const Grammar open = Gbnf("root ::= (\"x\"{100} \",\"){70,}");
  EXPECT_FALSE(Accepts(open, times(times("x", 100) + ",", 69)));
  EXPECT_TRUE(Accepts(open, times(times("x", 100) + ",", 300)));
}

TEST(Gbnf, DeepNestingEnds) {
  const Grammar g = Gbnf("root ::= \"(\" root \")\" | \"x\"");
  EXPECT_TRUE(Accepts(g, std::string(9000, '(') + "x" + std::string(9000, ')')));
  // Past the limit only what can still end is allowed.
  TestVocabulary vocabulary;
  GrammarMatcher matcher = vocabulary.Match(g);
  int depth = 0;
  while (matcher.AcceptText("(")) ++depth;
  EXPECT_EQ(depth, 10'000);
  EXPECT_TRUE(matcher.AcceptText("x" + std::string(10'000, ')')));
  EXPECT_TRUE(matcher.must_end());
}

TEST(Gbnf, ErrorsNameLineAndRule) {
  EXPECT_THAT(Error(""), HasSubstr("no rule named root"));
  EXPECT_THAT(Error("root ::= a\n\nb ::= \"x\""),
              HasSubstr("line 1: rule a is used and not defined"));
  EXPECT_THAT(Error("root ::= \"a\"\nroot ::= \"b\""),
              HasSubstr("line 2: rule root is defined twice"));
  EXPECT_THAT(Error("root ::= \"a\n"), HasSubstr("line 2: the end"));
  EXPECT_THAT(Error("root ::= (\"a\" "), HasSubstr(") is expected"));
  EXPECT_THAT(Error("root ::= [z-a]"), HasSubstr("ends before it begins"));
  EXPECT_THAT(Error("root ::= \"\\q\""), HasSubstr("one of the escapes"));
  EXPECT_THAT(Error("root ::= \"\\ud800\""), HasSubstr("d800 is no character"));
  EXPECT_THAT(Error("root ::= \"a\"{3,2}"), HasSubstr("{3,2}"));
  EXPECT_THAT(Error("root ::= \"a\"{99999999999999999999}"), HasSubstr("repetitions"));
  EXPECT_THAT(Error("root = \"a\""), HasSubstr("\"= \"a\"\", where ::= is expected"));
  EXPECT_THAT(Error("root ::= <think>"), HasSubstr("line 1"));
  EXPECT_THAT(Error("root ::= root \"a\" | \"a\""), HasSubstr("rule root is left-recursive"));
  EXPECT_THAT(Error("root ::= a\na ::= b? c\nb ::= \"x\"\nc ::= a \"y\" | \"z\""),
              HasSubstr("left-recursive"));
  EXPECT_THAT(Error("root ::= \"x\" root"), HasSubstr("rule root can never end"));
  EXPECT_THAT(Error("root ::= \"a\" | []"), HasSubstr(""));
  EXPECT_THAT(Error("root ::= (a | \"b\"){500}\na ::= \"x\"*"), HasSubstr("may be empty"));
  EXPECT_THAT(Error("root ::= \"\xFF\""), HasSubstr("UTF-8"));
  EXPECT_THAT(Error(std::string("root ::= ") + std::string(5000, '(')), HasSubstr("parentheses"));
  EXPECT_THAT(Error("root ::= \"a\"" + std::string(5000, '*')), HasSubstr("counts"));
}

}  // namespace
}  // namespace aha
