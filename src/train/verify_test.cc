#include "train/verify.h"

#include <fstream>

#include "train/run_test_fixture.h"

namespace aha {
namespace {

class VerifyTest : public RunTest {
 protected:
  static VerifyOptions With(int threads, bool from_start = false) {
    return {.threads = threads,
            .backend = kernels::AvailableBackends().front(),
            .program = "test",
            .from_start = from_start,
            .stop = {},
            .say = {}};
  }
  // `what` in a file of the run replaced.
  void Edit(const fs::path& path, const std::string& what, const std::string& with) {
    std::string text = ReadFile(root_ / path).value();
    const size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    text.replace(at, what.size(), with);
    ASSERT_TRUE(WriteFileAtomic(root_ / path, text).ok());
  }
};

TEST_F(VerifyTest, TheLastStepsComeOutAgain) {
  Go(Parity({"rl.beta=0.01", "checkpoint.keep_last=3"}), Options("run"));
  const fs::path run = root_ / "run";
  const Result<VerifyReport> last = Verify(run / "checkpoints/step-000009", With(2));
  ASSERT_TRUE(last.ok()) << last.status().message();
  EXPECT_TRUE(last->replayed);
  EXPECT_TRUE(last->same);
  EXPECT_EQ(last->first_difference, "");
  EXPECT_EQ(last->to, 9);
  EXPECT_GT(last->from, 0);
  ASSERT_GE(last->parents.size(), 2u);
  EXPECT_NE(last->parents[0].find("there, the same"), std::string::npos) << last->parents[0];

  const Result<VerifyReport> whole = Verify(run / "final", With(1, true));
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_EQ(whole->from, 0);
  EXPECT_TRUE(whole->same);

  // A final folder goes on telling of itself elsewhere.
  fs::copy(run / "final", root_ / "taken", fs::copy_options::recursive);
  const Result<VerifyReport> taken = Verify(root_ / "taken", With(1));
  ASSERT_TRUE(taken.ok()) << taken.status().message();
  EXPECT_FALSE(taken->replayed);
  EXPECT_TRUE(Verify(root_ / "taken", With(1, true))->same);

  // So does the model of a checkpoint, say the base that reward began with.
  const fs::path base = root_ / "base";
  fs::copy(ListCheckpoints(run / "checkpoints").front(), base, fs::copy_options::recursive);
  fs::remove(base / "state.json");
  fs::remove(base / "trainer.safetensors");
  const Result<VerifyReport> earlier = Verify(base, With(1, true));
  ASSERT_TRUE(earlier.ok()) << earlier.status().message();
  EXPECT_TRUE(earlier->same);
  EXPECT_LT(earlier->to, 9);
}

TEST_F(VerifyTest, SaysWhatIsNotSo) {
  Go(Parity({}), Options("run"));
  const fs::path checkpoint = "run/checkpoints/step-000009";
  const auto verify = [&] { return Verify(root_ / checkpoint, With(1)); };

  const std::string metrics = Text("run/metrics.jsonl");
  std::string edited = metrics;
  edited.insert(edited.rfind("\"loss\":") + 7, "1");
  ASSERT_TRUE(WriteFileAtomic(root_ / "run/metrics.jsonl", edited).ok());
  ASSERT_TRUE(verify().ok()) << verify().status().message();
  EXPECT_TRUE(verify()->same);
  EXPECT_NE(verify()->first_difference.find("step 9: loss was 1"), std::string::npos)
      << verify()->first_difference;
  ASSERT_TRUE(WriteFileAtomic(root_ / "run/metrics.jsonl", metrics).ok());
  EXPECT_EQ(verify()->first_difference, "");

  // A recipe that did not make these weights.
  const std::string provenance = Text((checkpoint / "provenance.json").string());
  Edit(checkpoint / "provenance.json", "\"lr\": 0.0005", "\"lr\": 0.0006");
  const Result<VerifyReport> other = verify();
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_FALSE(other->same);
  ASSERT_TRUE(WriteFileAtomic(root_ / checkpoint / "provenance.json", provenance).ok());

  std::string bytes = Text((checkpoint / "model.safetensors").string());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(root_ / checkpoint / "model.safetensors", std::ios::binary) << bytes;
  EXPECT_NE(verify().status().message().find("model.safetensors"), std::string::npos)
      << verify().status().message();
  EXPECT_NE(Verify(root_, With(1)).status().message().find("provenance.json"), std::string::npos);
}

}  // namespace
}  // namespace aha
