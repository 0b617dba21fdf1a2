#include "train/recipe.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "train/schedule.h"
#include "train/toml.h"

namespace aha {
namespace {

const std::filesystem::path kRecipes = std::filesystem::path(AHA_SOURCE_DIR) / "recipes";

std::string ErrorOf(const std::vector<std::string>& set) {
  const Result<Recipe> r = ReadRecipe(kRecipes / "parity.toml", set);
  return r.ok() ? "" : r.status().message();
}

TEST(Recipe, ThoseThatShipAreRead) {
  for (const auto& entry : std::filesystem::directory_iterator(kRecipes)) {
    if (entry.path().extension() != ".toml") continue;  // recipes/data
    const Result<Recipe> r = ReadRecipe(entry.path(), {});
    EXPECT_TRUE(r.ok()) << r.status().message();
  }
}

TEST(Recipe, SetsKeys) {
  const std::vector<std::string> set = {"seed=7", "rl.lr=0.5", "rl.loss=dr_grpo", "task.bits=8"};
  const Result<Recipe> r = ReadRecipe(kRecipes / "parity.toml", set);
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(r->seed, 7u);
  const auto& rl = std::get<RlRecipe>(r->stages[1].what);
  EXPECT_EQ(rl.optimizer.schedule.lr, 0.5);
  EXPECT_EQ(rl.loss.aggregation, Aggregation::kDrGrpo);
  EXPECT_EQ(r->task["bits"], 8);
}

TEST(Recipe, NamesTheKeyAndTheNearestRightOne) {
  EXPECT_NE(ErrorOf({"rl.stps=3"}).find("[rl] has no key 'stps'; did you mean 'steps'?"),
            std::string::npos)
      << ErrorOf({"rl.stps=3"});
  EXPECT_NE(ErrorOf({"rl.steps=0"}).find("[rl] steps is 0"), std::string::npos);
  EXPECT_NE(ErrorOf({"rl.steps=many"}).find("\"many\""), std::string::npos);
  EXPECT_NE(ErrorOf({"rl.loss=gpro"}).find("one of grpo, dr_grpo"), std::string::npos);
  EXPECT_NE(ErrorOf({"rl.samples=1"}).find("samples is 1"), std::string::npos);
  EXPECT_NE(ErrorOf({"rl.kind=rll"}).find("rll"), std::string::npos);
  EXPECT_NE(ErrorOf({"seed=-1"}).find("seed is -1"), std::string::npos);
  EXPECT_NE(ErrorOf({"model.base=x"}).find("either base"), std::string::npos);
  EXPECT_NE(ErrorOf({"seed.x=1"}).find("no table"), std::string::npos);
  EXPECT_NE(ErrorOf({"novalue"}).find("KEY=VALUE"), std::string::npos);
  EXPECT_NE(ErrorOf({"rl.minibatches=17"}).find("minibatches 17"), std::string::npos);
}

TEST(Toml, ErrorsSayWhere) {
  const Result<Json> r = ParseToml("a = 1\nb = = 2\n", "x.toml");
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.status().message().find("x.toml:2:"), std::string::npos) << r.status().message();
  EXPECT_FALSE(ParseToml("a = 1979-05-27\n", "x.toml").ok());
}

TEST(Schedule, WarmsUpStaysAndFalls) {
  const Schedule s{
      .lr = 2, .warmup_steps = 10, .decay = Decay::kLinear, .decay_start = 0.5, .final_share = 0.1};
  EXPECT_DOUBLE_EQ(s.At(0, 101), 0.2);
  EXPECT_DOUBLE_EQ(s.At(9, 101), 2);
  EXPECT_DOUBLE_EQ(s.At(50, 101), 2);
  EXPECT_NEAR(s.At(100, 101), 0.2, 1e-12);
  const Schedule cosine{.lr = 1, .decay = Decay::kCosine, .final_share = 0};
  EXPECT_NEAR(cosine.At(50, 101), 0.5, 1e-12);
}

}  // namespace
}  // namespace aha
