#include "envs/environment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "base/files.h"
#include "envs/expression.h"
#include "envs/jsonl.h"

namespace aha {
namespace {

std::unique_ptr<Environment> Make(Json options) {
  Result<std::unique_ptr<Environment>> env = MakeEnvironment(options);
  CHECK(env.ok(), env.ok() ? "" : env.status().message());
  return *std::move(env);
}

std::string TextOf(const Document& d) {
  std::string text;
  for (const Document::Segment& s : d.segments) text += s.text;
  return text;
}

TEST(MakeEnvironment, NamesWhatIsWrong) {
  const auto error = [](Json options) { return MakeEnvironment(options).status().message(); };
  EXPECT_EQ(error({{"name", "countdwn"}}),
            "there is no environment 'countdwn'; did you mean 'countdown'?");
  EXPECT_EQ(error({{"name", "parity"}, {"bit", 4}}),
            "task parity has no key 'bit'; did you mean 'bits'?");
  EXPECT_NE(error({{"name", "countdown"}, {"numbers", 9}}).find("9"), std::string::npos);
  EXPECT_NE(error({{"name", "jsonl"}, {"path", "/nowhere.jsonl"}}).find("/nowhere.jsonl"),
            std::string::npos);
}

TEST(Splits, ShareNoProblem) {
  for (const char* name : {"countdown", "parity"}) {
    const auto env = Make({{"name", name}});
    std::map<std::string, Split> seen;
    for (const Split split : {Split::kTrain, Split::kHeldOut, Split::kTest}) {
      for (uint64_t i = 0; i < 2000; ++i) {
        const Problem p = env->Get(split, 3, i);
        EXPECT_EQ(seen.emplace(p.id, split).first->second, split) << p.id;
      }
    }
    EXPECT_EQ(env->Get(Split::kTrain, 3, 7).prompt, env->Get(Split::kTrain, 3, 7).prompt);
    EXPECT_NE(env->Get(Split::kTrain, 3, 7).prompt, env->Get(Split::kTrain, 4, 7).prompt);
  }
}

TEST(Parity, GradesTheAnswerAfterTheThought) {
  const auto env = Make({{"name", "parity"}, {"bits", 4}});
  const Problem p{.id = "", .prompt = "0110=", .answer = "0"};
  const auto correct = [&](const char* text) { return env->Grade(p, text)->correct; };
  EXPECT_EQ(correct("0"), 1);
  EXPECT_EQ(correct("1"), 0);
  EXPECT_EQ(correct("<think>0100</think>0"), 1);
  EXPECT_EQ(correct("<think>0100</think>1"), 0);
  EXPECT_EQ(correct("<think>0"), 0);  // the answer stands inside the thought
  EXPECT_EQ(correct("<think>0</think>"), 0);
  EXPECT_EQ(correct("01"), 0);  // both answers
  EXPECT_EQ(correct(""), 0);
}

TEST(ParityText, HasTheShareOfLongTraces) {
  const auto text = MakeDocumentSource({{"name", "parity-text"}, {"long_share", 0.2}});
  ASSERT_TRUE(text.ok());
  const auto env = Make({{"name", "parity"}});
  int thinks = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    const Document d = (*text)->Get(1, i);
    thinks += SplitReply(d.segments[1].text).thinks;
    const std::string prompt = d.segments[0].text;
    const auto ones = std::count(prompt.begin(), prompt.end(), '1');
    const Problem p{.id = "", .prompt = prompt, .answer = ones % 2 != 0 ? "1" : "0"};
    EXPECT_EQ(env->Grade(p, d.segments[1].text)->correct, 1) << TextOf(d);
    EXPECT_NE(SplitOf("parity " + prompt.substr(0, 16)), Split::kHeldOut);
  }
  EXPECT_NEAR(thinks / 4000.0, 0.2, 4 * std::sqrt(0.2 * 0.8 / 4000));
}

TEST(Expression, IsExact) {
  const auto value = [](const char* text) {
    const Result<Expression> e = EvaluateExpression(text);
    return e.ok() ? e->value : Rational{-777, 1};
  };
  EXPECT_EQ(value("1/3+1/6"), (Rational{1, 2}));
  EXPECT_EQ(value("8/(3-8/3)"), (Rational{24, 1}));
  EXPECT_EQ(value("2-3*4"), (Rational{-10, 1}));
  EXPECT_EQ(value("8-4-2"), (Rational{2, 1}));
  EXPECT_EQ(value("999999999999*999999999999*9999"), (Rational{-777, 1}));
  EXPECT_EQ(value("-5+8"), (Rational{-777, 1}));
  const auto with_signs = [](const std::string& text) {
    const Result<Expression> e = EvaluateExpression(text, Signs::kAllowed);
    return e.ok() ? e->value : Rational{-777, 1};
  };
  EXPECT_EQ(with_signs("-5+8"), (Rational{3, 1}));
  EXPECT_EQ(with_signs("2*-(3-5)"), (Rational{4, 1}));
  EXPECT_EQ(with_signs(std::string(900, '-') + "1"), (Rational{-777, 1}));
}

TEST(Jsonl, ReadsProblemsAndNamesBrokenLines) {
  const auto path = std::filesystem::temp_directory_path() / "aha_envs_test.jsonl";
  std::string good;
  for (int i = 0; i < 40; ++i) {
    good += R"({"question": "What is )" + std::to_string(i) + R"(+1?", "answer": ")" +
            std::to_string(i + 1) + "\"}\n";
  }
  ASSERT_TRUE(WriteFileAtomic(path, good).ok());
  const auto env = Make({{"name", "jsonl"}, {"path", path.string()}, {"compare", "numeric"}});
  const Problem p = env->Get(Split::kTrain, 0, 0);
  EXPECT_EQ(env->Grade(p, "<think>hm</think>" + p.answer)->correct, 1);
  EXPECT_EQ(env->Grade(p, "so \\boxed{" + p.answer + ".0}")->correct, 1);
  EXPECT_EQ(env->Grade(p, "<think>" + p.answer)->correct, 0);
  EXPECT_EQ(env->Grade(p, "100")->correct, 0);
  ASSERT_TRUE(WriteFileAtomic(path, good + "{\"question\": 3}\n").ok());
  const auto broken = MakeEnvironment({{"name", "jsonl"}, {"path", path.string()}});
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(broken.status().message().find(":41: "), std::string::npos)
      << broken.status().message();
  EXPECT_TRUE(
      MakeEnvironment({{"name", "jsonl"}, {"path", path.string()}, {"on_error", "skip"}}).ok());
  std::filesystem::remove(path);
}

// Its items as they are, scored as it does (src/envs/testdata,
// tools/make_reasoning_gym_goldens.py).
TEST(Jsonl, ScoresCountdownAsReasoningGym) {
  const auto golden = ReadFile(std::filesystem::path(AHA_SOURCE_DIR) /
                               "src/envs/testdata/reasoning_gym_countdown.json");
  ASSERT_TRUE(golden.ok()) << golden.status().message();
  const Json items = ParseJson(*golden).value()["items"];
  ASSERT_EQ(items.size(), 12u);
  const auto path = std::filesystem::temp_directory_path() / "aha_envs_countdown_test.jsonl";
  int right = 0;
  for (Json item : items) {
    const Json scored = item["scored"];
    item.erase("scored");
    ASSERT_TRUE(WriteFileAtomic(path, DumpJson(item) + "\n").ok());
    const auto env =
        MakeEnvironment({{"name", "jsonl"}, {"path", path.string()}, {"compare", "countdown"}});
    if (!env.ok()) {  // the only problem of its file may be no training problem
      EXPECT_NE(env.status().message().find("no problem to train on"), std::string::npos);
      continue;
    }
    const Problem p = (*env)->Get(Split::kTrain, 0, 0);
    for (const Json& one : scored) {
      const auto answer = one[0].get<std::string>();
      const Score s = (*env)->Grade(p, "<think>hm</think><answer>" + answer + "</answer>").value();
      EXPECT_EQ(s.correct, one[1].get<double>()) << p.prompt << answer << ": " << s.why;
      right += s.correct == 1;
    }
  }
  EXPECT_GE(right, 12);
  ASSERT_TRUE(WriteFileAtomic(path, R"({"question": "1?", "answer": "1"})").ok());
  EXPECT_NE(MakeEnvironment({{"name", "jsonl"}, {"path", path.string()}, {"compare", "countdown"}})
                .status()
                .message()
                .find(":1: metadata has no numbers and target"),
            std::string::npos);
  std::filesystem::remove(path);
}

TEST(Jsonl, TakesTheLastNumberOfASentence) {
  const auto path = std::filesystem::temp_directory_path() / "aha_envs_last_test.jsonl";
  ASSERT_TRUE(WriteFileAtomic(path, R"({"question": "What is 7-3?", "answer": "4"})").ok());
  Json options = {{"name", "jsonl"},
                  {"path", path.string()},
                  {"compare", "last_number"},
                  {"chat", true},
                  {"system", "Be short."}};
  const auto env = Make(options);
  const Problem p = env->Get(Split::kTrain, 0, 0);
  EXPECT_TRUE(p.chat);
  EXPECT_EQ(p.system, "Be short.");
  EXPECT_EQ(env->Grade(p, "The sum 7-3 is 4.")->correct, 1);
  EXPECT_EQ(env->Grade(p, "7 - 3 = 4, not 5")->correct, 0);
  EXPECT_EQ(env->Grade(p, "<think>it is 4</think>Ask me later.")->correct, 0);
  EXPECT_EQ(env->Grade(p, "<think>7</think><answer>it is 4</answer>")->correct, 1);
  options["chat"] = false;
  EXPECT_NE(MakeEnvironment(options).status().message().find("system is for chat = true"),
            std::string::npos);
  std::filesystem::remove(path);
}

TEST(LastNumber, HasItsSignAndFraction) {
  EXPECT_EQ(LastNumber("so 7 - 3 = 4."), "4");
  EXPECT_EQ(LastNumber("7-3"), "3");
  EXPECT_EQ(LastNumber("x = -4"), "-4");
  EXPECT_EQ(LastNumber("-4"), "-4");
  EXPECT_EQ(LastNumber("it is 1,234.50 or"), "1,234.50");
  EXPECT_EQ(LastNumber("about .5"), ".5");
  EXPECT_EQ(LastNumber("3/4, or 75%"), "75%");
  EXPECT_EQ(LastNumber("3/4"), "3/4");
  EXPECT_EQ(LastNumber("none"), "");
  EXPECT_EQ(LastNumber(""), "");
  EXPECT_EQ(LastNumber("..,/9"), "9");
}

TEST(SameNumber, IsExact) {
  EXPECT_TRUE(SameNumber("1/2", "0.5"));
  EXPECT_TRUE(SameNumber("50%", ".5"));
  EXPECT_TRUE(SameNumber("1,234", "1234.0"));
  EXPECT_TRUE(SameNumber("$7", "7"));
  EXPECT_TRUE(SameNumber("10 cm", "10"));
  EXPECT_TRUE(SameNumber("-3/4", "-0.75"));
  EXPECT_FALSE(SameNumber("1/3", "0.333333"));
  EXPECT_FALSE(SameNumber("", ""));
  EXPECT_FALSE(SameNumber("ten", "10"));
  EXPECT_FALSE(SameNumber("1/0", "1/0"));
}

}  // namespace
}  // namespace aha
