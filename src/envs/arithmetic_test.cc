#include "envs/arithmetic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "envs/expression.h"

namespace aha {
namespace {

std::unique_ptr<Environment> Make(Json options) {
  options["name"] = "arithmetic";
  Result<std::unique_ptr<Environment>> env = MakeEnvironment(options);
  CHECK(env.ok(), env.ok() ? "" : env.status().message());
  return *std::move(env);
}

std::unique_ptr<DocumentSource> MakeText(Json options) {
  options["name"] = "arithmetic-text";
  Result<std::unique_ptr<DocumentSource>> text = MakeDocumentSource(options);
  CHECK(text.ok(), text.ok() ? "" : text.status().message());
  return *std::move(text);
}

Json Tiny() { return {{"terms", 2}, {"digits", 1}, {"operations", "+*"}}; }

// School multiplication on base-10 strings: shares nothing with the code.
std::string Product(const std::string& a, const std::string& b) {
  std::vector<int> digits(a.size() + b.size(), 0);
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      const int sum = digits[i + j + 1] + (a[i] - '0') * (b[j] - '0');
      digits[i + j + 1] = sum % 10;
      digits[i + j] += sum / 10;
    }
  }
  std::string out;
  for (const int d : digits) out.push_back(static_cast<char>('0' + d));
  return out.substr(std::min(out.find_first_not_of('0'), out.size() - 1));
}

TEST(Arithmetic, ChainsHavePrecedenceAndTheirShape) {
  const auto env = Make({{"terms", 5}, {"digits", 3}});
  std::set<size_t> lengths;
  std::set<char> operations;
  for (uint64_t i = 0; i < 500; ++i) {
    const Problem p = env->Get(Split::kTrain, 1, i);
    ASSERT_EQ(p.prompt.back(), '=');
    const std::string text = p.prompt.substr(0, p.prompt.size() - 1);
    const Result<Expression> e = EvaluateExpression(text);  // the other evaluator there is
    ASSERT_TRUE(e.ok()) << text;
    EXPECT_EQ(e->numbers.size(), 5u);
    for (const int64_t n : e->numbers) lengths.insert(std::to_string(n).size());
    for (const char c : text) operations.insert(c >= '0' && c <= '9' ? '0' : c);
    EXPECT_EQ(e->value, (Rational{std::stoll(p.answer), 1})) << text;
  }
  EXPECT_EQ(lengths, (std::set<size_t>{1, 2, 3}));
  EXPECT_EQ(operations, (std::set<char>{'0', '+', '-', '*'}));
}

TEST(Arithmetic, LongProductsAreExact) {
  for (const int64_t digits : {1, 2, 9, 10, 18}) {
    const auto env = Make({{"kind", "multiplication"}, {"digits", digits}});
    for (uint64_t i = 0; i < 200; ++i) {
      const Problem p = env->Get(Split::kTrain, 5, i);
      const size_t times = p.prompt.find('*');
      const std::string a = p.prompt.substr(0, times);
      const std::string b = p.prompt.substr(times + 1, p.prompt.size() - times - 2);
      ASSERT_EQ(a.size(), static_cast<size_t>(digits));
      ASSERT_EQ(b.size(), static_cast<size_t>(digits));
      EXPECT_EQ(p.answer, Product(a, b)) << p.prompt;
    }
  }
}

TEST(Arithmetic, LevelsTellLengths) {
  std::map<std::string, int> levels;
  const auto chains = Make({{"terms", 5}, {"least_terms", 2}, {"digits", 1}});
  const auto products = Make({{"kind", "multiplication"}, {"digits", 3}, {"least_digits", 2}});
  for (uint64_t i = 0; i < 400; ++i) {
    const Problem p = chains->Get(Split::kHeldOut, 1, i);
    ++levels[p.level];
    const auto terms = std::count_if(p.prompt.begin(), p.prompt.end(),
                                     [](char c) { return c >= '0' && c <= '9'; });
    EXPECT_EQ(p.level, fmt::format("{} terms", terms));
    const Problem q = products->Get(Split::kTrain, 1, i);
    ++levels[q.level];
    EXPECT_EQ(q.level, fmt::format("{} digits", q.prompt.find('*')));
    EXPECT_EQ(q.prompt.size(), 2 * q.prompt.find('*') + 2) << q.prompt;
  }
  EXPECT_EQ(levels.size(), 6u);
  for (const auto& [level, count] : levels) EXPECT_GT(count, 60) << level;
}

TEST(Arithmetic, SumsAtTheLimitAreExact) {
  const auto env = Make({{"terms", 64}, {"digits", 17}, {"operations", "+"}});
  const Problem p = env->Get(Split::kTrain, 0, 0);
  __int128 sum = 0;
  for (size_t begin = 0; begin < p.prompt.size();) {
    const size_t end = p.prompt.find_first_of("+=", begin);
    sum += std::stoll(p.prompt.substr(begin, end - begin));
    begin = end + 1;
  }
  ASSERT_LT(sum, INT64_MAX);
  EXPECT_EQ(p.answer, std::to_string(static_cast<int64_t>(sum)));
}

TEST(Arithmetic, SplitsShareNoProblemInAnyOrder) {
  const auto env = Make(Tiny());  // 110 problems without regard to order: all are seen
  std::map<std::string, Split> seen;
  for (const Split split : {Split::kTrain, Split::kHeldOut, Split::kTest}) {
    for (uint64_t i = 0; i < 4000; ++i) {
      const Problem p = env->Get(split, 3, i);
      EXPECT_EQ(seen.emplace(p.prompt, split).first->second, split) << p.prompt;
      EXPECT_EQ(SplitOf(p.id), split);
    }
  }
  EXPECT_GT(seen.size(), 190u);  // of 200 in their order
  for (const auto& [prompt, split] : seen) {
    const std::string swapped = {prompt[2], prompt[1], prompt[0], '='};
    if (seen.contains(swapped)) {
      EXPECT_EQ(seen[swapped], split) << prompt;
    }
  }
  EXPECT_EQ(env->Get(Split::kTest, 3, 7).prompt, env->Get(Split::kTest, 3, 7).prompt);
  const auto large = Make({{"kind", "multiplication"}, {"digits", 9}});
  EXPECT_NE(large->Get(Split::kTrain, 3, 7).prompt, large->Get(Split::kTrain, 4, 7).prompt);
  EXPECT_NE(large->Get(Split::kTrain, 3, 7).prompt, large->Get(Split::kTrain, 3, 8).prompt);
}

class ArithmeticGrade : public testing::Test {
 protected:
  Score Graded(const std::string& text, const std::string& right = "-7") {
    return *env_->Grade({.id = "", .prompt = "3-10=", .answer = right}, text);
  }
  double Correct(const std::string& text) { return Graded(text).correct; }
  double Answer(const std::string& answer) { return Correct("<answer>" + answer + "</answer>"); }
  std::unique_ptr<Environment> env_ = Make(Json::object());
};

TEST_F(ArithmeticGrade, TakesTheIntegerHoweverItIsWritten) {
  EXPECT_EQ(Answer("-7"), 1);
  EXPECT_EQ(Answer(" -7\n"), 1);
  EXPECT_EQ(Answer("-007"), 1);
  EXPECT_EQ(Answer("7"), 0);
  EXPECT_EQ(Answer("+7"), 0);
  EXPECT_EQ(Graded("<answer>+0012</answer>", "12").correct, 1);
  EXPECT_EQ(Graded("<answer>-0</answer>", "0").correct, 1);
  EXPECT_EQ(Graded("<answer>000</answer>", "0").correct, 1);
  EXPECT_EQ(Graded("<answer>1</answer>", "0").correct, 0);
  EXPECT_EQ(Correct("<think>\n3-10=-7</think><answer>-7</answer>\n"), 1);
  const std::string product = "999999999999999998000000000000000001";  // (10^18 - 1)^2
  EXPECT_EQ(Graded("<answer>" + product + "</answer>", product).correct, 1);
  EXPECT_EQ(Graded("<answer>999999999999999998000000000000000002</answer>", product).correct, 0);
}

TEST_F(ArithmeticGrade, SeveralAnswers) {
  EXPECT_EQ(Correct("<answer>7</answer><answer>-7</answer>"), 0);
  EXPECT_EQ(Correct("<answer>-7</answer><answer>-7</answer>"), 0);
  EXPECT_EQ(Correct("<answer><answer>-7</answer></answer>"), 0);
  EXPECT_EQ(Answer("-7 7"), 0);
  EXPECT_EQ(Answer("-7, 7"), 0);
  EXPECT_EQ(Answer("7 or -7"), 0);
}
TEST_F(ArithmeticGrade, AnswerInsideTheThought) {
  EXPECT_EQ(Correct("<think><answer>-7</answer>"), 0);
  EXPECT_EQ(Correct("<think><answer>-7</answer></think>"), 0);
  EXPECT_EQ(Correct("<answer>-7</answer><think></think>"), 0);
  EXPECT_EQ(Correct("<think></think><answer>7</answer></think><answer>-7</answer>"), 1);
}
TEST_F(ArithmeticGrade, TextBesideTheAnswer) {
  EXPECT_EQ(Correct("-7"), 0);
  EXPECT_FALSE(Graded("-7").format);
  EXPECT_EQ(Correct("it is <answer>-7</answer>"), 0);
  EXPECT_EQ(Correct("<answer>-7</answer>."), 0);
  EXPECT_EQ(Answer("3-10=-7"), 0);
  EXPECT_EQ(Answer("3-10"), 0);
}
TEST_F(ArithmeticGrade, WhatIsNoInteger) {
  for (const char* text : {"", " ", "-", "+", "--7", "+-7", "- 7", "-7.0", "-7.", "-7,0", "-0x7",
                           "-7e0", "-\uFF17", "\u22127", "\u0667", "-7\u00A0", "minus seven"}) {
    EXPECT_EQ(Answer(text), 0) << text;
  }
  EXPECT_EQ(Answer(std::string("-7\0", 3)), 0);
  EXPECT_EQ(Graded("<answer>seven</answer>").why, "the answer is not an integer");
  EXPECT_EQ(Graded("<answer>8</answer>").why, "it is -7");
}
TEST_F(ArithmeticGrade, HugeTextsEndAtOnce) {
  EXPECT_EQ(Answer("-" + std::string(1'000'000, '0') + "7"), 1);
  EXPECT_EQ(Answer(std::string(1'000'000, '9')), 0);
  EXPECT_LE(Graded("<answer>" + std::string(1'000'000, '9') + "</answer>").extracted.size(), 200u);
}

TEST_F(ArithmeticGrade, MeasuresTheStepsOfAThought) {
  const auto measured = [&](const std::string& text) {
    std::map<std::string, double> out;
    for (const auto& [name, value] : env_->Measure({}, text)) out[name] = value;
    return out;
  };
  using Map = std::map<std::string, double>;
  EXPECT_EQ(measured("<answer>-7</answer>"), Map());
  EXPECT_EQ(measured("<think>hm</think>"), (Map{{"steps", 0}}));
  EXPECT_EQ(measured("<think>\n2*5=10\n3-14=-11\n-11+5=-7\nso\n1+1=2 \n1+=2\n</think>"),
            (Map{{"steps", 3}, {"arithmetic", 2.0 / 3}}));
  const std::string nines(37, '9');
  EXPECT_EQ(measured("<think>\n" + nines + "*" + nines + "=1\n9" + nines + "+1=1</think>"),
            (Map{{"steps", 1}, {"arithmetic", 0}}));
}

TEST(ArithmeticText, IsRightAndHasTheShareOfThoughts) {
  for (const Json& options :
       {Json{{"terms", 5}, {"digits", 2}, {"think_share", 0.3}},
        Json{{"kind", "multiplication"}, {"digits", 18}, {"think_share", 0.3}}}) {
    const auto text = MakeText(options);
    Json task = options;
    task.erase("think_share");
    const auto env = Make(task);
    int thinks = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      const Document d = text->Get(9, i);
      ASSERT_EQ(d.segments.size(), 2u);
      const std::string& reply = d.segments[1].text;
      const Problem p = env->Get(Split::kTrain, 9, i);
      EXPECT_EQ(d.segments[0].text, p.prompt);
      EXPECT_EQ(env->Grade(p, reply)->correct, 1) << p.prompt << reply;
      const auto measured = env->Measure(p, reply);
      thinks += !measured.empty();
      if (measured.empty()) continue;
      EXPECT_GE(measured.at(0).second, 4) << reply;
      EXPECT_EQ(measured.at(1).second, 1) << reply;
      const auto lines = std::count(reply.begin(), reply.end(), '\n');
      EXPECT_EQ(static_cast<double>(lines), measured.at(0).second) << reply;
    }
    EXPECT_NEAR(thinks / 1000.0, 0.3, 4 * std::sqrt(0.3 * 0.7 / 1000));
  }
}

// The thought's steps by hand, for the first documents that hold what is to be seen.
TEST(ArithmeticText, WorksProductsFirstAndDigitsFromTheOnes) {
  const auto thought = [](const Json& options, const std::string& prompt) {
    const auto text = MakeText(options);
    for (uint64_t i = 0; i < 100'000; ++i) {
      const Document d = text->Get(0, i);
      if (d.segments[0].text == prompt) return std::string(SplitReply(d.segments[1].text).thought);
    }
    return std::string("not found");
  };
  const Json chain = {{"terms", 4}, {"digits", 1}, {"operations", "-*"}, {"think_share", 1}};
  EXPECT_EQ(thought(chain, "3-8-2*5="), "\n2*5=10\n3-8=-5\n-5-10=-15");
  const Json product = {{"kind", "multiplication"}, {"digits", 2}, {"think_share", 1}};
  EXPECT_EQ(thought(product, "23*45="), "\n23*5=115\n23*40=920\n115+920=1035");
  EXPECT_EQ(thought(product, "23*40="), "\n23*40=920");
}

TEST(ArithmeticText, NeverHoldsHeldOutProblems) {
  const auto env = Make(Tiny());
  std::set<std::string> kept;
  for (const Split split : {Split::kHeldOut, Split::kTest}) {
    for (uint64_t i = 0; i < 4000; ++i) kept.insert(env->Get(split, 1, i).prompt);
  }
  EXPECT_GT(kept.size(), 30u);
  Json options = Tiny();
  options["think_share"] = 0.5;
  const auto text = MakeText(options);
  for (uint64_t i = 0; i < 4000; ++i) {
    const Document d = text->Get(2, i);
    const std::string all = d.segments[0].text + d.segments[1].text;
    for (size_t at = 0; at + 4 <= all.size(); ++at) {
      EXPECT_FALSE(kept.contains(all.substr(at, 4))) << all;
    }
  }
}

TEST(ArithmeticText, WeighsThePrompt) {
  const Document d = MakeText({{"prompt_weight", 0.25}})->Get(0, 0);
  EXPECT_EQ(d.segments[0].weight, 0.25f);
  EXPECT_TRUE(d.segments[0].prompt);
  EXPECT_EQ(d.segments[1].weight, 1);
  EXPECT_EQ(MakeText(Json::object())->Get(0, 0).segments[0].weight, 0);
}

TEST(Arithmetic, NamesWhatIsWrong) {
  const auto error = [](Json options) {
    options["name"] = "arithmetic";
    const auto env = MakeEnvironment(options);
    return env.ok() ? std::string("none") : env.status().message();
  };
  EXPECT_EQ(error({{"term", 3}}), "task arithmetic has no key 'term'; did you mean 'terms'?");
  EXPECT_NE(error({{"kind", "sum"}}).find("one of chain, multiplication"), std::string::npos);
  EXPECT_NE(error({{"terms", 1}}).find("terms is 1"), std::string::npos);
  EXPECT_NE(error({{"digits", 19}}).find("digits is 19"), std::string::npos);
  EXPECT_NE(error({{"operations", "+/"}}).find("'+/'"), std::string::npos);
  EXPECT_NE(error({{"operations", "++"}}).find("'++'"), std::string::npos);
  EXPECT_NE(error({{"operations", ""}}).find("operations is empty"), std::string::npos);
  EXPECT_NE(error({{"terms", 10}, {"digits", 2}}).find("10 terms of 2 digits"), std::string::npos);
  EXPECT_NE(error({{"kind", "multiplication"}, {"terms", 3}}).find("terms"), std::string::npos);
  EXPECT_EQ(error({{"terms", 6}, {"digits", 3}}), "none");
  EXPECT_EQ(MakeDocumentSource({{"name", "arithmetic-txt"}}).status().message(),
            "there is no data 'arithmetic-txt'; did you mean 'arithmetic-text'?");
}

}  // namespace
}  // namespace aha
