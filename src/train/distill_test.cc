#include "base/files.h"
#include "train/run_test_fixture.h"
#include "train/toml.h"

namespace aha {
namespace {

class DistillTest : public RunTest {
 protected:
  // recipes/parity.toml with one stage only, of 6 bits.
  Recipe OneStage(const std::string& stage, std::vector<std::string> set) {
    const fs::path path = fs::path(AHA_SOURCE_DIR) / "recipes/parity.toml";
    Json tree = ParseToml(ReadFile(path).value(), path.string()).value();
    for (const char* other : {"pretrain", "rl"}) {
      if (stage != other) tree.erase(other);
    }
    tree.erase("stages");
    for (const char* more : {"task.bits=6", "checkpoint.every=100", "eval.problems=16"}) {
      set.emplace_back(more);
    }
    set.push_back("kind=" + stage);
    for (const std::string& one : set) CHECK(SetFromText(one, &tree).ok(), one);
    Result<Recipe> r = ParseRecipe(tree, "test");
    CHECK(r.ok(), r.ok() ? "" : r.status().message());
    return *std::move(r);
  }

  // A teacher that always thinks: its pre-training held nothing else.
  fs::path Teacher(int steps) {
    const std::string name = "teacher" + std::to_string(steps);
    Go(OneStage("pretrain",
                {"pretrain.data.bits=6", "pretrain.data.long_share=1.0",
                 "pretrain.batch_tokens=2000", "pretrain.steps=" + std::to_string(steps)}),
       Options(name, false, 2));
    return root_ / name / "final";
  }

  Recipe Student(const fs::path& teacher, const std::vector<std::string>& set = {}) {
    std::vector<std::string> all = {"distill.teacher=\"" + teacher.string() + "\"",
                                    "distill.problems=40",
                                    "distill.samples=4",
                                    "distill.keep=2",
                                    "distill.steps=6",
                                    "distill.batch_tokens=500",
                                    "distill.max_completion=16",
                                    "distill.lr=1e-3"};
    all.insert(all.end(), set.begin(), set.end());
    return OneStage("distill", all);
  }
};

TEST_F(DistillTest, TheStudentLearnsWhatTheTeacherGotRight) {
  const fs::path teacher = Teacher(150);
  const Recipe recipe = Student(teacher);
  const RunEnd whole = Go(recipe, Options("whole"));
  const auto env = MakeEnvironment(recipe.task);
  ASSERT_TRUE(env.ok());
  const std::vector<Json> lines = ReadLines(root_ / "whole/distill-samples.jsonl").value();
  ASSERT_GT(lines.size(), 20u);
  ASSERT_LE(lines.size(), 80u);  // 2 of a problem
  for (const Json& line : lines) {
    const auto prompt = line["prompt"].get<std::string>();
    const auto text = line["completion"].get<std::string>();
    EXPECT_TRUE(SplitReply(text).thinks) << text;
    const auto ones = std::count(prompt.begin(), prompt.end(), '1');
    const Problem p{.id = "", .prompt = prompt, .answer = ones % 2 != 0 ? "1" : "0"};
    EXPECT_EQ((*env)->Grade(p, text)->correct, 1) << prompt << text;
  }
  const Json provenance = ParseJson(Text("whole/final/provenance.json")).value();
  EXPECT_TRUE(provenance["inputs"].contains(teacher.string() + ": model.safetensors"));
  const std::vector<Json> metrics = ReadLines(root_ / "whole/metrics.jsonl").value();
  EXPECT_LT(metrics.back()["loss"].get<double>(), metrics.front()["loss"].get<double>());

  // Stopped in the middle and resumed: the same bits, and the teacher is not asked again.
  int steps = 0;
  RunOptions options = Options("stopped");
  options.stop = [&] { return steps >= 3; };
  options.on_step = [&](const Json&) { ++steps; };
  EXPECT_FALSE(Go(recipe, options).finished);
  const auto written = fs::last_write_time(root_ / "stopped/distill-samples.jsonl");
  EXPECT_EQ(Go(recipe, Options("stopped", true, 2)).weights_sha256, whole.weights_sha256);
  EXPECT_EQ(fs::last_write_time(root_ / "stopped/distill-samples.jsonl"), written);
}

TEST_F(DistillTest, BadTeachersGetASentence) {
  const auto nowhere = Run::Open(Student("/nowhere"), Options("a"));
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.status().message().find("/nowhere"), std::string::npos)
      << nowhere.status().message();
  EXPECT_FALSE(fs::exists(root_ / "a"));
  // Cut before its thought ends, it never answers.
  const auto run = Run::Open(Student(Teacher(1), {"distill.max_completion=2"}), Options("b"));
  ASSERT_TRUE(run.ok()) << run.status().message();
  const Result<RunEnd> end = (*run)->Go();
  ASSERT_FALSE(end.ok());
  EXPECT_NE(end.status().message().find("no right answer in 160 samples"), std::string::npos)
      << end.status().message();
}

}  // namespace
}  // namespace aha
