// The model that ships, as a stranger meets it: no download, no folder of models.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/json.h"
#include "run_aha.h"

namespace aha {
namespace {

const std::map<std::string, std::string> kNoModels = {
    {"AHA_MODELS", testing::TempDir() + "no-models"}, {"AHA_MODEL", ""}};

Json Ask(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "ask");
  arguments.emplace_back("--json");
  const Ran ran = RunAha(arguments, "", kNoModels);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  const Result<Json> json = ParseJson(ran.out);
  EXPECT_TRUE(json.ok()) << ran.out;
  return json.ok() ? (*json)["choices"][0] : Json::object();
}

TEST(ShippedModel, ThinksAndIsMostlyRight) {
  int right = 0;
  for (int seed = 0; seed < 12; ++seed) {
    const Json answer = Ask({"--task", "countdown", "--set", "targets=drawn", "--set",
                             "division=true", "--seed", std::to_string(seed)});
    right += answer["correct"] == 1.0;
    EXPECT_NE(answer["thought"].get<std::string>().find("Try "), std::string::npos);
  }
  EXPECT_GE(right, 9);  // 0.95 of unseen problems
}

TEST(ShippedModel, UnderstandsAPersonAndSaysWhatItCannotDo) {
  const Json puzzle = Ask({"Use 9, 7 and 8 to make 10"});
  EXPECT_NE(puzzle["thought"].get<std::string>().find("=10 yes"), std::string::npos);
  const Json other = Ask({"What is the capital of France?"});
  EXPECT_EQ(other["text"].get<std::string>().find("I can only play Countdown"), 0u) << other["text"];
}

TEST(ShippedModel, TheBaseMostlyAnswersAtOnceAndIsNotTheDefault) {
  int thinks = 0;
  for (int seed = 0; seed < 12; ++seed) {
    const Json answer = Ask({"-m", "aha-countdown-base", "--task", "countdown", "--set",
                             "targets=drawn", "--set", "division=true", "--seed",
                             std::to_string(seed)});
    thinks += answer["thought"].get<std::string>().empty() ? 0 : 1;
  }
  EXPECT_LE(thinks, 6);  // 0.22 of unseen problems
  const Ran show = RunAha({"models", "show"}, "", kNoModels);
  EXPECT_NE(show.out.find("aha-countdown ("), std::string::npos) << show.out;
}

TEST(ShippedModel, IsWhatItsProvenanceSays) {
  for (const std::string name : {"aha-countdown", "aha-countdown-base"}) {
    const std::string folder = std::string(AHA_SOURCE_DIR) + "/models/" + name;
    const Ran verified = RunAha({"verify", folder, "--no-replay"});
    EXPECT_EQ(verified.exit_code, 0) << verified.err;
    EXPECT_NE(verified.out.find("as the run wrote them"), std::string::npos);
    const Ran list = RunAha({"models", "list"}, "", kNoModels);
    EXPECT_NE(list.out.find(name), std::string::npos) << list.out;
    const Ran rm = RunAha({"models", "rm", name}, "", kNoModels);
    EXPECT_EQ(rm.exit_code, 1);
    EXPECT_TRUE(std::filesystem::exists(folder + "/model.safetensors"));
  }
}

}  // namespace
}  // namespace aha
