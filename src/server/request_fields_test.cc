#include "server/request_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/limits.h"

namespace aha {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

Json Parse(const std::string& text) { return ParseJson(text).value(); }

// What reading `key` of `object` by `read` says: "" or the message.
template <typename Read>
std::string ErrorOf(const std::string& object, const Read& read) {
  const Json json = Parse(object);
  RequestFields f(json, "at.");
  read(f);
  if (!f.failed()) return "";
  EXPECT_EQ(f.error().status, 400);
  return f.error().param + ": " + f.error().message;
}

TEST(RequestFields, WhatIsAbsentOrNullIsLeftAlone) {
  const Json object = Parse(R"({"a": null, "other": [1]})");
  RequestFields f(object);
  int32_t whole = 7;
  bool flag = true;
  std::string text = "kept";
  std::optional<double> real;
  std::optional<uint64_t> seed;
  std::vector<std::string> strings;
  std::vector<std::pair<int32_t, float>> bias;
  for (const char* key : {"a", "b"}) {
    f.Read(key, &whole, 0, 10);
    f.Read(key, &flag);
    f.Read(key, &text);
    f.Read(key, &real, 0, 1);
    f.ReadSeed(key, &seed);
    f.ReadStrings(key, &strings, 2, 10);
    f.ReadLogitBias(key, &bias);
  }
  EXPECT_FALSE(f.failed());
  EXPECT_EQ(whole, 7);
  EXPECT_TRUE(flag);
  EXPECT_EQ(text, "kept");
  EXPECT_FALSE(real.has_value() || seed.has_value());
  EXPECT_TRUE(strings.empty() && bias.empty());
}

TEST(RequestFields, NumbersHaveARange) {
  const auto real = [](const std::string& object) {
    return ErrorOf(object, [](RequestFields& f) {
      std::optional<float> out;
      f.Read("n", &out, 0, 2);
    });
  };
  for (const char* good : {"0", "2", "1.5", "-0.0"}) {
    EXPECT_EQ(real(fmt::format(R"({{"n": {}}})", good)), "") << good;
  }
  for (const char* bad : {"-0.1", "2.1", "1e300", "-1e300"}) {
    EXPECT_THAT(real(fmt::format(R"({{"n": {}}})", bad)),
                HasSubstr("a number from 0 to 2 is possible"))
        << bad;
  }
  for (const char* bad : {"\"1\"", "true", "[]", "{}"}) {
    EXPECT_THAT(real(fmt::format(R"({{"n": {}}})", bad)), HasSubstr("it must be a number")) << bad;
  }
  const auto whole = [](const std::string& object) {
    return ErrorOf(object, [](RequestFields& f) {
      int32_t out = 0;
      f.Read("n", &out, 1, 8);
    });
  };
  EXPECT_EQ(whole(R"({"n": 8})"), "");
  EXPECT_EQ(whole(R"({"n": 8.0})"), "");
  EXPECT_EQ(whole(R"({"n": 1.5})"), "at.n: at.n is 1.5: an integer from 1 to 8 is possible");
  EXPECT_THAT(whole(R"({"n": 18446744073709551615})"), HasSubstr("1 to 8"));
}

TEST(RequestFields, FlagsAndTexts) {
  const auto flag = [](RequestFields& f) {
    bool out = false;
    f.Read("x", &out);
  };
  EXPECT_EQ(ErrorOf(R"({"x": true})", flag), "");
  EXPECT_THAT(ErrorOf(R"({"x": 1})", flag), HasSubstr("is 1: it must be true or false"));
  EXPECT_THAT(ErrorOf(R"({"x": "true"})", flag), HasSubstr("true or false"));
  const auto text = [](RequestFields& f) {
    std::string out;
    f.Read("x", &out, 4);
  };
  EXPECT_EQ(ErrorOf(R"({"x": "abcd"})", text), "");
  EXPECT_THAT(ErrorOf(R"({"x": "abcde"})", text), HasSubstr("has 5 bytes: at most 4"));
  EXPECT_THAT(ErrorOf(R"({"x": 5})", text), HasSubstr("must be a string"));
  // The value is shown, and no more of it than helps.
  EXPECT_LT(ErrorOf(R"({"x": [")" + std::string(500, 'a') + R"("]})", text).size(), 150u);
}

TEST(RequestFields, SeedsAreAnyInteger) {
  const auto seed = [](const std::string& value) {
    const Json json = Parse(R"({"seed": )" + value + "}");
    RequestFields f(json);
    std::optional<uint64_t> out;
    f.ReadSeed("seed", &out);
    return f.failed() ? std::nullopt : out;
  };
  EXPECT_EQ(seed("5"), 5u);
  EXPECT_EQ(seed("18446744073709551615"), 18446744073709551615u);
  EXPECT_EQ(seed("-1"), 18446744073709551615u);
  EXPECT_EQ(seed("3.0"), 3u);
  EXPECT_EQ(seed("-3.0"), static_cast<uint64_t>(-3));
  for (const char* bad : {"3.5", "1e30", "\"5\"", "true", "[5]"}) {
    EXPECT_EQ(seed(bad), std::nullopt) << bad;
  }
}

TEST(RequestFields, StringsAloneOrInAList) {
  const auto read = [](const std::string& value, std::vector<std::string>* out) {
    return ErrorOf(R"({"stop": )" + value + "}",
                   [&](RequestFields& f) { f.ReadStrings("stop", out, 2, 3); });
  };
  std::vector<std::string> one, two, none;
  EXPECT_EQ(read(R"("ab")", &one), "");
  EXPECT_THAT(one, ElementsAre("ab"));
  EXPECT_EQ(read(R"(["a", "b"])", &two), "");
  EXPECT_THAT(two, ElementsAre("a", "b"));
  EXPECT_THAT(read(R"(["a", "b", "c"])", &none), HasSubstr("has 3 entries: at most 2"));
  EXPECT_THAT(read(R"(["abcd"])", &none), HasSubstr("a string of 4 bytes: at most 3"));
  EXPECT_THAT(read(R"([1])", &none), HasSubstr("holds 1: strings are possible"));
  EXPECT_THAT(read("{}", &none), HasSubstr("a string or a list of strings"));
}

TEST(RequestFields, LogitBiasNamesIds) {
  std::vector<std::pair<int32_t, float>> out;
  const auto read = [&](const std::string& value) {
    return ErrorOf(R"({"logit_bias": )" + value + "}",
                   [&](RequestFields& f) { f.ReadLogitBias("logit_bias", &out); });
  };
  EXPECT_EQ(read(R"({"5": -100, "17": 0.5})"), "");
  EXPECT_THAT(out, testing::UnorderedElementsAre(Pair(5, -100.0f), Pair(17, 0.5f)));
  EXPECT_THAT(read(R"({"x": 1})"), HasSubstr("has the key 'x'"));
  EXPECT_THAT(read(R"({"-1": 1})"), HasSubstr("has the key '-1'"));
  EXPECT_THAT(read(R"({"99999999999": 1})"), HasSubstr("must be a token's id"));
  EXPECT_THAT(read(R"({"5": 101})"), HasSubstr("of 5 is 101"));
  EXPECT_THAT(read(R"({"5": "1"})"), HasSubstr("from -100 to 100"));
  EXPECT_THAT(read("[]"), HasSubstr("must be an object"));
  Json many = Json::object();
  for (size_t i = 0; i <= limits::kLogitBias; ++i) many[std::to_string(i)] = 0;
  EXPECT_THAT(read(DumpJson(many)), HasSubstr("at most"));
}

TEST(RequestFields, TheFirstErrorStays) {
  EXPECT_EQ(ErrorOf(R"({"a": 1, "b": 2})",
                    [](RequestFields& f) {
                      std::string text;
                      f.Read("a", &text);
                      f.Read("b", &text);
                      f.Fail("c", "is last");
                    }),
            "at.a: at.a is 1: it must be a string");
}

}  // namespace
}  // namespace aha
