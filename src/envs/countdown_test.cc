#include "envs/countdown.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>

#include "envs/countdown_game.h"
#include "envs/countdown_phrases.h"
#include "envs/expression.h"

namespace aha {
namespace {

std::unique_ptr<Environment> Make(Json options) {
  Result<std::unique_ptr<Environment>> env = MakeEnvironment(options);
  CHECK(env.ok(), env.ok() ? "" : env.status().message());
  return *std::move(env);
}

class CountdownGrade : public testing::Test {
 protected:
  double Correct(const std::string& text) {
    const Problem p{.prompt = "", .meta = {{"numbers", {9, 7, 8}}, {"target", 10}}};
    return env_->Grade(p, text)->correct;
  }
  double Answer(const std::string& answer) { return Correct("<answer>" + answer + "</answer>"); }
  std::unique_ptr<Environment> env_ = Make({{"name", "countdown"}});
};

TEST_F(CountdownGrade, TakesWhatIsRight) {
  EXPECT_EQ(Answer("(8-7)+9"), 1);
  EXPECT_EQ(Answer("9 + ( 8 - 7 )"), 1);
  EXPECT_EQ(Answer("9-7+8"), 1);
  EXPECT_EQ(Correct("<think>\n8-7=1: 1+9=10 yes</think><answer>(8-7)+9</answer>\n"), 1);
  EXPECT_EQ(Answer("9+8"), 0);
}

TEST_F(CountdownGrade, NumberUsedTwice) { EXPECT_EQ(Answer("9+8-7+7-7"), 0); }
TEST_F(CountdownGrade, NumberLeftOut) { EXPECT_EQ(Answer("9+8-7-0"), 0); }
TEST_F(CountdownGrade, TheTargetItself) { EXPECT_EQ(Answer("10"), 0); }
TEST_F(CountdownGrade, SeveralAnswers) {
  EXPECT_EQ(Correct("<answer>9+8+7</answer><answer>(8-7)+9</answer>"), 0);
  EXPECT_EQ(Correct("<answer>(8-7)+9</answer><answer>9+8+7</answer>"), 0);
  EXPECT_EQ(Correct("<answer><answer>(8-7)+9</answer></answer>"), 0);
  EXPECT_EQ(Answer("(8-7)+9 or 9+8+7"), 0);
  EXPECT_EQ(Answer("(8-7)+9=10"), 0);
}
TEST_F(CountdownGrade, AnswerInsideTheThought) {
  EXPECT_EQ(Correct("<think><answer>(8-7)+9</answer>"), 0);
  EXPECT_EQ(Correct("<think><answer>(8-7)+9</answer></think>"), 0);
  EXPECT_EQ(Correct("<answer>(8-7)+9</answer><think></think>"), 0);
}
TEST_F(CountdownGrade, StrangeArithmetic) {
  for (const char* text : {"9+8−7", "９+8-7", "9+-7+8", "1e1", "9+8-7//1", "", "()", "(", "9+",
                           "9/0*8*7", "99999999999999999999999", "9+8-7)", "0x9+8-7"}) {
    EXPECT_EQ(Answer(text), 0) << text;
  }
}
TEST_F(CountdownGrade, HugeTextsEndAtOnce) {
  EXPECT_EQ(Answer(std::string(100'000, '(')), 0);
  EXPECT_EQ(Answer(std::string(1'000'000, '9')), 0);
  EXPECT_EQ(Correct(std::string(1'000'000, '<')), 0);
}

// What follows the prompt.
std::string Reply(const Document& d) {
  std::string text;
  for (size_t i = 1; i < d.segments.size(); ++i) text += d.segments[i].text;
  return text;
}

TEST(CountdownText, DocumentsAreWhatTheyClaim) {
  const auto text = MakeDocumentSource({{"name", "countdown-text"}});
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto env = Make({{"name", "countdown"}});
  std::map<char, int> kinds;
  int questions_that_think = 0, note_hits = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    const Document d = (*text)->Get(5, i);
    const std::string prompt = d.segments[0].text;
    ++kinds[prompt[0]];
    const std::string reply = Reply(d);
    if (prompt[0] == 'C') continue;
    const aha::Reply parts = SplitReply(reply);
    const std::string_view answer = OnlyAnswer(parts.answer);
    ASSERT_TRUE(EvaluateExpression(answer).ok()) << prompt << reply;
    std::vector<int64_t> numbers;
    int64_t target = 0;
    int64_t n[3];
    ASSERT_EQ(std::sscanf(prompt.c_str() + 3, "%ld %ld %ld to %ld", &n[0], &n[1], &n[2], &target),
              4);
    numbers.assign(n, n + 3);
    const TraceStats t = ReadTrace(parts.thought, numbers, target);
    EXPECT_EQ(t.right, t.statements) << reply;
    EXPECT_EQ(t.legal, t.attempts) << prompt << reply;
    EXPECT_EQ(t.false_rejects + t.false_accepts, 0) << reply;
    if (t.hits > 0) {
      const Problem p{.prompt = prompt, .meta = {{"numbers", numbers}, {"target", target}}};
      EXPECT_EQ(env->Grade(p, reply)->correct, 1) << prompt << reply;
    }
    if (prompt[0] == 'Q') questions_that_think += parts.thinks;
    if (prompt[0] == 'N') note_hits += t.hits > 0;
  }
  EXPECT_NEAR(kinds['Q'], 1600, 130);  // four standard deviations
  EXPECT_NEAR(kinds['N'], 2000, 130);
  EXPECT_NEAR(questions_that_think / static_cast<double>(kinds['Q']), 0.2, 0.04);
  EXPECT_GT(note_hits, kinds['N'] / 2);
}

// The numbers of a question in anybody's words; the target is the last or the first of them.
std::vector<int64_t> NumbersIn(const std::string& text) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < text.size();) {
    size_t used = 0;
    if (text[i] >= '0' && text[i] <= '9') {
      out.push_back(std::stol(text.substr(i), &used));
    }
    i += std::max<size_t>(used, 1);
  }
  return out;
}

TEST(CountdownText, InWordsOfFourNumbers) {
  const auto text = MakeDocumentSource({{"name", "countdown-text"},
                                        {"numbers", 4},
                                        {"least_numbers", 3},
                                        {"division", true},
                                        {"targets", "drawn"},
                                        {"style", "words"},
                                        {"other_share", 0.1},
                                        {"note_attempts", 48}});
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto env = Make({{"name", "countdown"}, {"numbers", 4}, {"division", true}});
  int hits = 0, others = 0, divisions = 0;
  std::map<size_t, int> sizes;
  for (uint64_t i = 0; i < 3000; ++i) {
    const Document d = (*text)->Get(5, i);
    const std::string prompt = d.segments[0].text;
    const std::string reply = Reply(d);
    if (prompt[0] == 'C') continue;
    if (reply.starts_with("<answer>I can only")) {
      ++others;
      continue;
    }
    std::vector<int64_t> numbers = NumbersIn(prompt);
    const int64_t target = numbers.back();
    numbers.pop_back();
    ++sizes[numbers.size()];
    EXPECT_EQ(SplitOf(countdown::Puzzle{numbers, target}.Key()), Split::kTrain) << prompt;
    const aha::Reply parts = SplitReply(reply);
    const TraceStats t = ReadTrace(parts.thought, numbers, target);
    EXPECT_EQ(t.right, t.statements) << reply;
    EXPECT_EQ(t.legal, t.attempts) << prompt << reply;
    EXPECT_EQ(t.false_rejects + t.false_accepts, 0) << reply;
    divisions += parts.thought.find('/') != std::string_view::npos;
    const size_t so = parts.thought.find("\nSo ");
    EXPECT_EQ(so != std::string_view::npos, t.hits > 0) << reply;
    if (t.hits == 0) continue;
    ++hits;
    const Problem p{.prompt = prompt, .meta = {{"numbers", numbers}, {"target", target}}};
    EXPECT_EQ(env->Grade(p, reply)->correct, 1) << prompt << reply;
    std::string_view chain = parts.thought.substr(so + 4);
    while (!chain.empty()) {  // every form of the answer is worth the target
      const size_t end = std::min(chain.find('='), chain.size());
      const Result<Expression> e = EvaluateExpression(chain.substr(0, end));
      ASSERT_TRUE(e.ok()) << reply;
      EXPECT_EQ(e->value, (Rational{target, 1})) << reply;
      chain.remove_prefix(std::min(end + 1, chain.size()));
    }
  }
  EXPECT_GT(hits, 500);
  EXPECT_GT(divisions, 200);
  EXPECT_NEAR(others / 3000.0, 0.04, 0.015);
  EXPECT_NEAR(sizes[3] / static_cast<double>(sizes[3] + sizes[4]), 0.5, 0.05);
}

TEST(CountdownPhrases, HoldThePuzzleAndNothingElse) {
  std::set<std::string> ways;
  for (uint64_t i = 0; i < 1000; ++i) {
    countdown::Draws draws(3, i);
    const countdown::Puzzle p{{9, 7, 8}, 10};
    const std::string text = countdown::Ask(p, true, draws);
    std::vector<int64_t> numbers = NumbersIn(text);
    const bool first = numbers.front() == 10;
    EXPECT_EQ(numbers,
              first ? (std::vector<int64_t>{10, 9, 7, 8}) : (std::vector<int64_t>{9, 7, 8, 10}))
        << text;
    EXPECT_EQ(text.find_first_of("{}"), std::string::npos) << text;
    ways.insert(text);
    EXPECT_FALSE(countdown::NoPuzzle(draws).empty());
  }
  EXPECT_GT(ways.size(), 100u);
}

TEST(Countdown, WhatIsNoPuzzleIsToldSo) {
  const auto env = Make({{"name", "countdown"}, {"other_share", 0.25}});
  int others = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const Problem p = env->Get(Split::kTrain, 1, i);
    if (p.answer.empty()) continue;
    ++others;
    EXPECT_EQ(env->Grade(p, "<answer>" + p.answer + "</answer>")->correct, 1);
    EXPECT_EQ(
        env->Grade(p, "<think>\nTry 9*7=63</think><answer>" + p.answer + "</answer>")->correct, 1);
    EXPECT_EQ(env->Grade(p, "<answer>9+8+7</answer>")->correct, 0);
    EXPECT_TRUE(env->Measure(p, "<think>\nTry 9*7=63</think>").empty());
  }
  EXPECT_NEAR(others / 400.0, 0.25, 0.09);
}

TEST(Countdown, DrawnTargetsNeedNoTable) {
  const auto env = Make({{"name", "countdown"},
                         {"numbers", 6},
                         {"largest", 100},
                         {"division", true},
                         {"targets", "drawn"}});
  for (uint64_t i = 0; i < 100; ++i) {
    const Problem p = env->Get(Split::kHeldOut, 1, i);
    EXPECT_EQ(p.meta["numbers"].size(), 6u);
    EXPECT_EQ(SplitOf(p.id), Split::kHeldOut);
  }
  const auto table = MakeEnvironment({{"name", "countdown"}, {"numbers", 6}, {"largest", 100}});
  EXPECT_NE(table.status().message().find("drawn"), std::string::npos) << table.status().message();
}

TEST(ReadTrace, SeesMistakes) {
  const TraceStats t =
      ReadTrace("\n9*7=63: 63+8=70 no, 63-8=55 yes\n8-7=1: 1+9=10 no, 1+5=6 no, ", {9, 7, 8}, 10);
  EXPECT_EQ(t.attempts, 4);
  EXPECT_EQ(t.statements, 6);
  EXPECT_EQ(t.right, 5);
  EXPECT_EQ(t.legal, 3);
  EXPECT_EQ(t.hits, 1);
  EXPECT_EQ(t.false_rejects, 1);
  EXPECT_EQ(t.false_accepts, 1);
}

TEST(ReadTrace, TwoHeadsALine) {
  const TraceStats t =
      ReadTrace("\nTry 8+7=15 then 15-9=6: 6+2=8 no, 6*2=12 yes\nSo 6*2=(15-9)*2=((8+7)-9)*2",
                {9, 2, 7, 8}, 12);
  EXPECT_EQ(t.statements, 4);
  EXPECT_EQ(t.right, 4);
  EXPECT_EQ(t.attempts, 2);
  EXPECT_EQ(t.legal, 2);
  EXPECT_EQ(t.hits, 1);
  EXPECT_EQ(ReadTrace("\nTry 8+8=16 then 16-9=7: 7+2=9 no, ", {9, 2, 7, 8}, 12).legal, 0);
}

}  // namespace
}  // namespace aha
