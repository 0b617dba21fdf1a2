#include "train/run_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/run_test_fixture.h"

namespace aha {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ChangedInputsTest, NamesWhatIsGoneAndWhatIsAnother) {
  const Json was = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  EXPECT_TRUE(ChangedInputs(was, was).empty());
  EXPECT_THAT(
      ChangedInputs(was, {{"b", "9"}, {"c", "3"}, {"d", "4"}}),
      ElementsAre("a is not there any more", "b is another file: its sha256 is \"9\", was \"2\""));
}

class RunInputsTest : public RunTest {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomic(root_ / name, text).ok());
    return (root_ / name).string();
  }
};

TEST_F(RunInputsTest, TheFilesOfARecipeAreFound) {
  const std::string problems = Write("problems.jsonl", "x"), checker = Write("check.py", "y"),
                    data = Write("data.jsonl", "");
  const Json tree = {
      {"stages", {"sft", "rl"}},
      {"model", {{"base", "none"}}},
      {"task",
       {{"name", "command"}, {"path", problems}, {"command", {"python3", checker, "--fast"}}}},
      {"sft", {{"data", {{"name", "jsonl"}, {"path", data}}}}},
      {"rl", Json::object()}};
  const Result<Recipe> recipe = ParseRecipe(tree, "test");
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  const Result<Json> inputs = HashInputs(*recipe);
  ASSERT_TRUE(inputs.ok()) << inputs.status().message();
  EXPECT_EQ(inputs->size(), 3u);
  EXPECT_EQ((*inputs)[data], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_NE((*inputs)[problems], (*inputs)[checker]);
  fs::remove(problems);
  EXPECT_THAT(HashInputs(*recipe).status().message(), HasSubstr("problems.jsonl"));
}

TEST_F(RunInputsTest, APlainRunReadsNothing) {
  EXPECT_EQ(HashInputs(Parity({})).value(), Json::object());
}

}  // namespace
}  // namespace aha
