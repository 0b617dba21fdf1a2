// Runs that train low-rank adapters over a frozen base: the promises of whole runs hold, and what
// they write is PEFT's format and a merged model.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>

#include "base/rng.h"
#include "library/convert.h"
#include "library/library.h"
#include "train/evaluate.h"
#include "train/plan.h"
#include "train/run_test_fixture.h"
#include "train/toml.h"
#include "train/verify.h"
#include "weights/dequantize.h"
#include "weights/gguf_writer.h"
#include "weights/peft_adapter.h"

namespace aha {
namespace {

using testing::HasSubstr;

class LoraRun : public RunTest {
 protected:
  // Pre-trained on 8 bits, in a folder of its own.
  fs::path Base(int64_t steps = 5) {
    const std::vector<std::string> set = {"pretrain.steps=" + std::to_string(steps),
                                          "task.bits=8",
                                          "pretrain.data.bits=8",
                                          "pretrain.batch_tokens=3000",
                                          "rl.steps=1",
                                          "rl.lr=0",
                                          "checkpoint.every=1000",
                                          "checkpoint.keep_best=\"\""};
    Go(Parity(set), Options("base", false, 2));
    return root_ / "base/final";
  }

  // The same as a GGUF, its matrices quantised.
  fs::path Quantised(const fs::path& folder, DType dtype) {
    const OpenedTokenizer opened = OpenTokenizer(folder).value();
    const Tokenizer& tokenizer = opened.tokenizer;
    GgufVocabulary v = {.model = "gpt2", .pre = "gpt-2"};
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      v.tokens.emplace_back(tokenizer.TokenBytes(id));
      v.token_types.push_back(tokenizer.IsSpecial(id) ? 3 : 1);
    }
    v.eos = *tokenizer.IdOf("<eos>");
    const fs::path path = root_ / "base.gguf";
    const Status written =
        WriteGguf(ModelFiles::Open(folder).value(), v, dtype, path, ProgressFn());
    CHECK(written.ok(), written.message());
    return path;
  }

  Recipe Lora(const fs::path& base, std::vector<std::string> set) {
    const fs::path path = fs::path(AHA_SOURCE_DIR) / "recipes/parity.toml";
    Json tree = ParseToml(ReadFile(path).value(), path.string()).value();
    for (const char* key : {"pretrain", "tokenizer", "model", "stages"}) tree.erase(key);
    std::vector<std::string> all = {"kind=rl",           "model.base=" + base.string(),
                                    "model.lora_rank=4", "task.bits=8",
                                    "rl.steps=4",        "rl.prompts=3",
                                    "rl.samples=4",      "rl.drop_zero_variance=false",
                                    "rl.lr=0.005",       "eval.problems=16",
                                    "checkpoint.every=2"};
    all.insert(all.end(), set.begin(), set.end());
    for (const std::string& one : all) CHECK(SetFromText(one, &tree).ok(), one);
    Result<Recipe> r = ParseRecipe(tree, "test");
    CHECK(r.ok(), r.ok() ? "" : r.status().message());
    return *std::move(r);
  }

  std::string Error(const Recipe& recipe, RunOptions options) {
    const auto run = aha::Run::Open(recipe, std::move(options));
    return run.ok() ? "" : run.status().message();
  }

  static std::vector<float> Floats(const ModelFiles& files, const std::string& name) {
    const ConstView view = files.Find(name).value();
    std::vector<float> out(static_cast<size_t>(view.shape.elements()));
    Dequantize(view, out);
    return out;
  }
};

TEST_F(LoraRun, LearnsFromRewardOverAFrozenBase) {
  const fs::path base = Base(150);
  Go(Lora(base,
          {"rl.steps=25", "rl.prompts=16", "rl.samples=16", "rl.drop_zero_variance=true",
           "model.lora_rank=8", "eval.problems=128", "checkpoint.every=1000", "eval.every=100"}),
     Options("run", false, 2));
  const std::vector<Json> lines = ReadLines(root_ / "run/metrics.jsonl").value();
  EXPECT_LT(lines.front()["base_eval/greedy_accuracy"].get<double>(), 0.75);
  EXPECT_GE(lines.back()["eval/greedy_accuracy"].get<double>(), 0.95);
  for (const Json& line : lines) {
    EXPECT_EQ(line["sampling/logprob_diff_max"].get<double>(), 0);
    EXPECT_EQ(line["sampling/ratio_max"].get<double>(), 1);
  }
}

TEST_F(LoraRun, KilledAtAnyMomentItEndsTheSame) {
  const fs::path base = Base();
  const std::vector<std::string> set = {"rl.beta=0.01", "rl.reference_every=3", "rl.minibatches=2"};
  const RunEnd whole = Go(Lora(base, set), Options("whole"));
  EXPECT_EQ(Go(Lora(base, set), Options("three", false, 3)).weights_sha256, whole.weights_sha256);
  std::vector<std::string> cut = set;
  cut.push_back("micro_batch_tokens=30");
  EXPECT_EQ(Go(Lora(base, cut), Options("cut")).weights_sha256, whole.weights_sha256);
  const Rng rng(12, 0);
  int kills = 0;
  for (uint64_t attempt = 0; attempt < 200; ++attempt) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const bool begun = fs::exists(root_ / "killed/recipe.json");
      Result<std::unique_ptr<aha::Run>> run =
          aha::Run::Open(Lora(base, set), Options("killed", begun));
      if (!run.ok()) std::fprintf(stderr, "%s\n", run.status().message().c_str());
      _exit(run.ok() && (*run)->Go().ok() ? 0 : 3);
    }
    // The first falls before a fast machine is done with all of it.
    const double wait = attempt == 0 ? 5'000 : 20'000 + 100'000 * rng.Uniform(attempt);
    usleep(static_cast<useconds_t>(wait));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ++kills;
  }
  EXPECT_GT(kills, 0);
  EXPECT_EQ(Go(Lora(base, set), Options("killed", true)).weights_sha256, whole.weights_sha256);
  EXPECT_EQ(Metrics("killed"), Metrics("whole"));
  EXPECT_EQ(Text("killed/samples.jsonl"), Text("whole/samples.jsonl"));
  const std::string adapter = "/final/adapter/adapter_model.safetensors";
  EXPECT_EQ(Text("killed" + adapter), Text("whole" + adapter));
}

TEST_F(LoraRun, WritesAdaptersAndAMergedModel) {
  const fs::path base = Base();
  Go(Lora(base, {"model.lora_targets=[\"q_proj\", \"mlp.down_proj\"]"}), Options("run"));
  const fs::path checkpoint = ListCheckpoints(root_ / "run/checkpoints").back();
  const Result<ModelFiles> adapted = OpenModelFiles(checkpoint);
  ASSERT_TRUE(adapted.ok()) << adapted.status().message();
  EXPECT_EQ(adapted->path(), fs::canonical(base));
  const std::string q = "model.layers.1.self_attn.q_proj";
  EXPECT_EQ(adapted->Find(q + ".lora_A.weight")->shape, Shape({4, 64}));
  EXPECT_FALSE(adapted->Has("model.layers.1.self_attn.k_proj.lora_A.weight"));
  const std::vector<float> b = Floats(*adapted, q + ".lora_B.weight");
  EXPECT_TRUE(std::any_of(b.begin(), b.end(), [](float x) { return x != 0; }));
  EXPECT_EQ(ReadPeftConfig(root_ / "run/final/adapter")->base, fs::canonical(base).string());

  // final/ is W + 2 B A (alpha is twice the rank).
  const ModelFiles merged = ModelFiles::Open(root_ / "run/final").value();
  EXPECT_FALSE(merged.adapted());
  const std::vector<float> w = Floats(*adapted, q + ".weight");
  const std::vector<float> a = Floats(*adapted, q + ".lora_A.weight");
  const std::vector<float> sum = Floats(merged, q + ".weight");
  for (size_t o = 0; o < 64; ++o) {
    for (size_t i = 0; i < 64; ++i) {
      double delta = 0;
      for (size_t r = 0; r < 4; ++r) delta += double{b[o * 4 + r]} * double{a[r * 64 + i]};
      ASSERT_NEAR(sum[o * 64 + i], w[o * 64 + i] + 2 * delta, 1e-6);
    }
  }
  // Both are opened whole, tokenizer and all; so is the command's merged folder.
  for (const char* path : {"run/final", "run/final/adapter"}) {
    const auto text = OpenTextModel(root_ / path);
    ASSERT_TRUE(text.ok()) << text.status().message();
    EXPECT_TRUE((*text)->chat.has_value());
    EXPECT_FALSE((*text)->stop_ids.empty());
  }
  const auto again = MergeAdapter(root_ / "run/final/adapter", {}, root_ / "again", {});
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(Text("again/model.safetensors"), Text("run/final/model.safetensors"));
  EXPECT_EQ(Text("again/tokenizer.json"), Text("run/final/tokenizer.json"));
}

TEST_F(LoraRun, RunsOverAQuantisedBase) {
  const fs::path base = Quantised(Base(), DType::kQ8_0);
  const std::string bonus = "rl.entropy_bonus=0.01";  // no step without a gradient
  const RunEnd end = Go(Lora(base, {bonus}), Options("run"));
  const std::vector<Json> lines = ReadLines(root_ / "run/metrics.jsonl").value();
  for (const Json& line : lines) {
    EXPECT_EQ(line["sampling/logprob_diff_max"].get<double>(), 0);
    EXPECT_GT(line["grad_norm"].get<double>(), 0);
  }
  EXPECT_EQ(Go(Lora(base, {bonus, "recompute=true"}), Options("two", false, 3)).weights_sha256,
            end.weights_sha256);
  const ModelFiles merged = ModelFiles::Open(root_ / "run/final").value();
  EXPECT_EQ(merged.Find("model.layers.0.mlp.up_proj.weight")->dtype, DType::kBF16);
  EXPECT_EQ(merged.config()["torch_dtype"], "bfloat16");
  const ModelFiles adapted = OpenModelFiles(root_ / "run/final/adapter").value();
  EXPECT_EQ(adapted.Find("model.layers.0.mlp.up_proj.weight")->dtype, DType::kQ8_0);
}

TEST_F(LoraRun, ThePlanCountsTheBaseAsItIsStored) {
  const fs::path base = Quantised(Base(), DType::kQ8_0);
  const auto run = aha::Run::Open(Lora(base, {}), Options("run"));
  ASSERT_TRUE(run.ok()) << run.status().message();
  const Result<RunPlan> plan = MakePlan(**run, /*measure=*/false);
  ASSERT_TRUE(plan.ok());
  // Rank 4 on q, k, v, o [64, 64] and gate, up, down [176, 64] of two layers.
  EXPECT_EQ(plan->trained, 2 * 4 * (4 * 128 + 3 * 240));
  const auto stored = static_cast<double>(ModelFiles::Open(base)->weight_bytes());
  EXPECT_EQ(plan->frozen_bytes, stored);
  EXPECT_EQ(plan->weight_bytes, 16.0 * static_cast<double>(plan->trained) + stored);
}

TEST_F(LoraRun, VerifiesToTheBit) {
  const fs::path base = Base();
  Go(Lora(base, {}), Options("run"));
  const VerifyOptions options = {.threads = 2,
                                 .backend = kernels::AvailableBackends().front(),
                                 .program = "test",
                                 .stop = {},
                                 .say = {}};
  const auto last = Verify(ListCheckpoints(root_ / "run/checkpoints").back(), options);
  ASSERT_TRUE(last.ok()) << last.status().message();
  EXPECT_TRUE(last->replayed);
  EXPECT_TRUE(last->same);
  EXPECT_EQ(last->first_difference, "");
  const auto whole = Verify(root_ / "run/final", options);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_TRUE(whole->same);
  EXPECT_THAT(whole->parents.back(), HasSubstr("there, the same"));
}

TEST_F(LoraRun, BadInputGetsASentence) {
  const fs::path base = Base();
  EXPECT_THAT(Error(Lora(base, {"model.lora_targets=[\"q_prj\"]"}), Options("a")),
              HasSubstr("[model]: lora_targets has 'q_prj', did you mean 'q_proj'?"));
  EXPECT_THAT(Error(Lora(root_ / "gone", {}), Options("a")), HasSubstr("no model"));
  Go(Lora(base, {}), Options("b"));
  EXPECT_THAT(Error(Lora(root_ / "b/final/adapter", {}), Options("a")),
              HasSubstr("is an adapter; merge it first"));
  EXPECT_FALSE(fs::exists(root_ / "a/recipe.json"));

  const auto flip = [&](const fs::path& path) {
    std::string bytes = ReadFile(path).value();
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    std::ofstream(path, std::ios::binary) << bytes;
  };
  flip(base / "model.safetensors");
  EXPECT_THAT(Error(Lora(base, {}), Options("b", true)), HasSubstr("is not the one that"));
  flip(base / "model.safetensors");
  EXPECT_EQ(Error(Lora(base, {}), Options("b", true)), "");
  flip(ListCheckpoints(root_ / "b/checkpoints").back() / "adapter_model.safetensors");
  EXPECT_THAT(Error(Lora(base, {}), Options("b", true)), HasSubstr("is not what the run wrote"));
  fs::rename(base, root_ / "elsewhere");
  EXPECT_THAT(OpenModelFiles(root_ / "b/final/adapter").status().message(),
              HasSubstr("which is no path here"));
  EXPECT_TRUE(OpenModelFiles(root_ / "b/final/adapter", (root_ / "elsewhere").string()).ok());
}

// A jsonl task whose questions go through the model's chat template.
TEST_F(LoraRun, AsksThroughTheChatTemplate) {
  const fs::path base = Base();
  std::string file;
  for (int i = 0; i < 32; ++i) {
    std::string bits;
    for (int b = 0; b < 5; ++b) bits += (i >> b) % 2 != 0 ? '1' : '0';
    file += "{\"question\": \"" + bits + "\", \"answer\": \"1\"}\n";
  }
  ASSERT_TRUE(WriteFileAtomic(root_ / "q.jsonl", file).ok());
  const std::vector<std::string> set = {
      "task={name=\"jsonl\", path=\"" + (root_ / "q.jsonl").string() + "\", chat=true}",
      "rl.steps=1"};
  const OpenedTokenizer opened = OpenTokenizer(base).value();
  const Problem problem = {.prompt = "0110", .chat = true};
  EXPECT_EQ(EncodeProblem(opened.tokenizer, &*opened.chat, problem).value(),
            EncodeProblem(opened.tokenizer, nullptr, {.prompt = "0110="}).value());
  Go(Lora(base, set), Options("run"));
  const std::vector<Json> samples = ReadLines(root_ / "run/samples.jsonl").value();
  EXPECT_EQ(samples[0]["prompt"].get<std::string>().size(), 5u);

  Json config = ParseJson(ReadFile(base / "tokenizer_config.json").value()).value();
  config.erase("chat_template");
  ASSERT_TRUE(WriteFileAtomic(base / "tokenizer_config.json", DumpJson(config)).ok());
  EXPECT_THAT(Error(Lora(base, set), Options("none")), HasSubstr("no chat template"));
}

}  // namespace
}  // namespace aha
