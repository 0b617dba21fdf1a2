#include "train/curriculum.h"

#include <gtest/gtest.h>

#include "train/run_test_fixture.h"

namespace aha {
namespace {

Problem Of(const std::string& id, const std::string& level = "") {
  Problem p;
  p.id = id;
  p.level = level;
  return p;
}

TEST(Curriculum, PassesOverWhatIsAlwaysOrNeverRight) {
  Curriculum c({.low = 0.1, .high = 0.9, .revisit = 4});
  EXPECT_TRUE(c.Takes(Of("a")));
  c.Graded(Of("a"), 0.5);
  EXPECT_TRUE(c.Takes(Of("a")));
  for (const double outside : {0.0, 1.0}) {
    const std::string id = outside > 0 ? "easy" : "hard";
    EXPECT_TRUE(c.Takes(Of(id)));
    c.Graded(Of(id), outside);
    for (int round = 0; round < 3; ++round) {  // one in four is asked all the same
      EXPECT_FALSE(c.Takes(Of(id)));
      EXPECT_FALSE(c.Takes(Of(id)));
      EXPECT_FALSE(c.Takes(Of(id)));
      EXPECT_TRUE(c.Takes(Of(id)));
    }
  }
  c.Graded(Of("hard"), 0.5);  // mean 0.25
  EXPECT_TRUE(c.Takes(Of("hard")));
}

TEST(Curriculum, ALevelStandsForAllItsProblems) {
  Curriculum c({.low = 0, .high = 0.9, .revisit = 2});
  c.Graded(Of("1+1", "2 terms"), 1);
  EXPECT_FALSE(c.Takes(Of("3+5", "2 terms")));
  EXPECT_TRUE(c.Takes(Of("3+5+1", "3 terms")));
  for (int i = 0; i < 100; ++i) c.Graded(Of("2+2", "2 terms"), 0.5);  // it has come to be harder
  EXPECT_TRUE(c.Takes(Of("3+5", "2 terms")));
  Json line;
  c.Describe(&line);
  EXPECT_NEAR(line["pass_rate/2 terms"].get<double>(), 0.5, 1e-3);
  EXPECT_EQ(line["curriculum/passed_over"], 1);
  EXPECT_FALSE(line.contains("pass_rate/3 terms"));
}

TEST(Curriculum, GoesOnFromItsState) {
  const CurriculumOptions options{.low = 0.2, .high = 0.8, .revisit = 3};
  Curriculum a(options);
  a.Graded(Of("x"), 1.0 / 3);
  a.Graded(Of("y", "level"), 0.9);
  EXPECT_FALSE(a.Takes(Of("y", "level")));
  Curriculum b(options);
  ASSERT_TRUE(b.Restore(ParseJson(DumpJson(a.State())).value()).ok());
  EXPECT_EQ(DumpJson(a.State()), DumpJson(b.State()));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(a.Takes(Of("y", "level")), b.Takes(Of("y", "level")));
  for (const char* broken : {"null", "{}", R"({"passed_over":0,"kinds":[]})",
                             R"({"passed_over":0,"kinds":{"x":[1,2]}})"}) {
    EXPECT_FALSE(b.Restore(ParseJson(broken).value()).ok()) << broken;
  }
}

// A run with a curriculum that was stopped after each step gives the bits of one that was not.
TEST_F(RunTest, ACurriculumIsPartOfACheckpoint) {
  const Recipe recipe = Parity({"rl.steps=5", "rl.curriculum_low=0.6", "rl.curriculum_revisit=3",
                                "rl.drop_zero_variance=true"});
  const RunEnd whole = Go(recipe, Options("whole"));
  int64_t steps = 0;
  RunEnd end;
  for (bool resume = false; !end.finished; resume = true) {
    RunOptions options = Options("parts", resume);
    const int64_t until = ++steps;
    int64_t done = 0;
    options.on_step = [&done](const Json& line) { done = line["total_step"].get<int64_t>(); };
    options.stop = [&done, until] { return done >= until; };
    end = Go(recipe, options);
    ASSERT_LT(steps, 20);
  }
  EXPECT_EQ(end.weights_sha256, whole.weights_sha256);
  EXPECT_EQ(Metrics("parts"), Metrics("whole"));
  const Json last = ReadLines(root_ / "whole" / "metrics.jsonl").value().back();
  EXPECT_TRUE(last.contains("pass_rate/16 bits")) << DumpJson(last);
  EXPECT_GT(last["curriculum/passed_over"].get<int64_t>(), 0) << DumpJson(last);
}

TEST_F(RunTest, ACurriculumThatTakesNothingIsRefused) {
  for (const std::string set : {"rl.curriculum_low=0.8", "rl.curriculum_revisit=0"}) {
    const std::vector<std::string> all = {set, "rl.curriculum_high=0.5"};
    const Result<Recipe> r = ReadRecipe(fs::path(AHA_SOURCE_DIR) / "recipes/parity.toml", all);
    ASSERT_FALSE(r.ok()) << set;
    EXPECT_NE(r.status().message().find("curriculum_"), std::string::npos) << r.status().message();
  }
}

}  // namespace
}  // namespace aha
