// Forward and backward of whole models against PyTorch's autograd, and the same bits however a
// step is cut: threads, micro-batches, recomputation, backends.
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "model/initialize.h"
#include "model/model_test_run.h"
#include "model/packed_batch.h"
#include "ops/log_probs.h"
#include "ops/rows.h"
#include "ops/tape.h"

namespace aha {
namespace {

struct StepOptions {
  const kernels::Backend* backend = nullptr;  // null: the best
  int threads = 2;
  bool recompute = false;
  bool one_document_a_pass = false;
  float temperature = 1;
};

// A model in memory with a gradient for each weight.
class Trained {
 public:
  explicit Trained(ModelFiles files) : files_(std::move(files)) {
    Result<std::unique_ptr<Model>> loaded = LoadModel(files_);
    CHECK(loaded.ok(), loaded.ok() ? "" : loaded.status().message());
    model_ = *std::move(loaded);
    model_->ReservePositions(64);
    model_->ForEachParameter([&](const std::string& name, const ConstView& view) {
      if (name.ends_with("e_score_correction_bias")) return;
      std::vector<float>& gradient = gradients[name];
      gradient.resize(static_cast<size_t>(view.shape.elements()));
      slots_.Add(view, gradient.data());
    });
    for (const DerivedWeight& d : model_->derived()) slots_.AddTransposed(d.transposed, d.source);
  }
  static Trained Of(const std::string& name) {
    const Result<ModelFiles> files = ModelFiles::Open(ModelTestData(name));
    CHECK(files.ok(), files.ok() ? "" : files.status().message());
    return Trained(ModelFiles::InMemoryCopy(*files).value());
  }

  // Mean cross-entropy of the documents' next tokens; gradients are replaced.
  double Step(const std::vector<std::vector<int32_t>>& documents, const StepOptions& options) {
    for (auto& [name, gradient] : gradients) std::fill(gradient.begin(), gradient.end(), 0.0f);
    logprobs.clear();
    int64_t targets = 0;
    for (const auto& ids : documents) targets += static_cast<int64_t>(ids.size()) - 1;
    ThreadPool pool(options.threads);
    ops::Context cx(
        options.backend != nullptr ? options.backend : kernels::AvailableBackends().front(), &pool,
        ops::Numerics::kPortable);
    double loss = 0;
    ops::Tape tape(&slots_, options.recompute);
    for (size_t i = 0; i < documents.size();) {
      const size_t end = options.one_document_a_pass ? i + 1 : documents.size();
      loss += Pass(cx, tape,
                   {documents.begin() + static_cast<int64_t>(i),
                    documents.begin() + static_cast<int64_t>(end)},
                   targets, options);
      i = end;
    }
    tape.FinishStep(cx);
    expert_tokens = tape.TakeExpertTokens();
    return loss;
  }

  // Gradients for the low-rank adapters alone.
  void FreezeTheBase() {
    slots_.Clear();
    std::erase_if(gradients,
                  [](const auto& g) { return g.first.find(".lora_") == std::string::npos; });
    model_->ForEachParameter([&](const std::string& name, const ConstView& view) {
      if (gradients.contains(name)) slots_.Add(view, gradients[name].data());
    });
    for (const DerivedWeight& d : model_->derived()) slots_.AddTransposed(d.transposed, d.source);
  }

  void AdamW(int step) {
    ThreadPool pool(1);
    kernels::Context cx(kernels::AvailableBackends().front(), &pool, ops::Numerics::kPortable);
    for (auto& [name, gradient] : gradients) {
      std::vector<float>& m = m_[name];
      std::vector<float>& v = v_[name];
      m.resize(gradient.size());
      v.resize(gradient.size());
      cx.backend->AdamW(cx, {.weight = files_.Floats(name),
                             .gradient = gradient.data(),
                             .m = m.data(),
                             .v = v.data(),
                             .n = static_cast<int64_t>(gradient.size()),
                             .lr = 1e-3f,
                             .beta1 = 0.9f,
                             .beta2 = 0.98f,
                             .eps = 1e-8f,
                             .weight_decay = 0.05f,
                             .bias_correction1 = static_cast<float>(1 - std::pow(0.9, step)),
                             .bias_correction2 = static_cast<float>(1 - std::pow(0.98, step))});
    }
    model_->WeightsChanged();
  }

  ModelFiles& files() { return files_; }
  std::map<std::string, std::vector<float>> gradients;
  std::vector<float> logprobs;
  std::map<const std::byte*, std::vector<int64_t>> expert_tokens;  // of the last step
  size_t forward_bytes = 0;  // held when the last pass's backward began

 private:
  double Pass(ops::Context& cx, ops::Tape& tape, const std::vector<std::vector<int32_t>>& documents,
              int64_t targets_in_all, const StepOptions& options) {
    cx.tape = &tape;
    PackedBatch batch(model_->info());
    std::vector<int32_t> rows, targets;
    for (const std::vector<int32_t>& ids : documents) {
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        rows.push_back(static_cast<int32_t>(batch.tokens() + static_cast<int64_t>(i)));
        targets.push_back(ids[i + 1]);
      }
      batch.Add(ids);
    }
    const Tensor hidden = model_->Forward(cx, batch.forward());
    const Tensor logits = model_->Logits(cx, ops::Rows(cx, hidden, rows));
    const auto out = ops::LogProbs(cx, logits, targets, options.temperature);
    double loss = 0;
    const Tensor d = tape.Gradient(out.logprob);
    for (size_t i = 0; i < targets.size(); ++i) {
      logprobs.push_back(out.logprob.data[i]);
      loss -= double{out.logprob.data[i]} / static_cast<double>(targets_in_all);
      d.data[i] = -1.0f / static_cast<float>(targets_in_all);
    }
    forward_bytes = cx.activations.capacity();
    tape.Backward(cx);
    cx.tape = nullptr;
    cx.activations.Reset();
    return loss;
  }

  ModelFiles files_;
  std::unique_ptr<Model> model_;
  ops::ParameterGradients slots_;
  std::map<std::string, std::vector<float>> m_, v_;
};

std::vector<std::vector<int32_t>> Documents(const Golden& golden) {
  return {golden.Tokens(0), golden.Tokens(1)};
}

class Gradients : public testing::TestWithParam<const char*> {};

TEST_P(Gradients, AreThoseOfPyTorch) {
  const Golden golden = Golden::Read(GetParam(), ".gradients.safetensors");
  Trained model = Trained::Of(GetParam());
  const double loss = model.Step(Documents(golden), {});
  EXPECT_NEAR(loss, golden.tensors.at("loss")[0], 1e-5 * loss);
  size_t seen = 0;
  for (const auto& [name, gradient] : model.gradients) {
    ASSERT_TRUE(golden.tensors.contains("grad." + name)) << name;
    const std::vector<float>& want = golden.tensors.at("grad." + name);
    ASSERT_EQ(gradient.size(), want.size()) << name;
    // Sums in float32, of terms as large as the largest: 1e-5 of it is some hundred roundings.
    double largest = 1e-6;
    for (const float g : want) largest = std::max(largest, std::abs(double{g}));
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(gradient[i], want[i], 2e-5 * largest) << name << "[" << i << "]";
    }
    ++seen;
  }
  const auto all = std::count_if(golden.tensors.begin(), golden.tensors.end(),
                                 [](const auto& t) { return t.first.starts_with("grad."); });
  EXPECT_EQ(seen, static_cast<size_t>(all));
}

TEST_P(Gradients, LeadDownTheSameCurve) {
  const Golden golden = Golden::Read(GetParam(), ".gradients.safetensors");
  Trained model = Trained::Of(GetParam());
  for (int step = 0; step < 10; ++step) {
    const double loss = model.Step(Documents(golden), {});
    // Measured: at most 7e-7 of the loss. Weight decay left out would show as some 1e-4.
    EXPECT_NEAR(loss, golden.tensors.at("curve")[static_cast<size_t>(step)], 5e-6 * loss) << step;
    model.AdamW(step + 1);
  }
}

TEST_P(Gradients, HaveTheSameBitsHoweverTheStepIsCut) {
  const Golden golden = Golden::Read(GetParam(), ".gradients.safetensors");
  Trained model = Trained::Of(GetParam());
  const double loss = model.Step(Documents(golden), {.threads = 1});
  const auto want = model.gradients;
  const auto logprobs = model.logprobs;
  std::vector<StepOptions> ways = {{.threads = 2},
                                   {.threads = 3},
                                   {.threads = 4},
                                   {.recompute = true},
                                   {.one_document_a_pass = true},
                                   {.recompute = true, .one_document_a_pass = true}};
  for (const kernels::Backend* backend : kernels::AvailableBackends()) {
    ways.push_back({.backend = backend});
  }
  for (const StepOptions& way : ways) {
    const double again = model.Step(Documents(golden), way);
    if (!way.one_document_a_pass) EXPECT_EQ(again, loss);
    EXPECT_EQ(model.logprobs, logprobs);
    for (const auto& [name, gradient] : model.gradients) {
      // == on floats: zeros of either sign are one value, and no gradient is NaN.
      EXPECT_EQ(gradient, want.at(name)) << name << " threads " << way.threads << " recompute "
                                         << way.recompute << " apart " << way.one_document_a_pass;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, Gradients,
                         testing::Values("llama", "llama3_tied", "smollm", "qwen2", "qwen3",
                                         "deepseek_v3", "deepseek_v3_plain_q", "deepseek_v2"));

// W + scale * B A must do as the adapter does, and the adapter's gradients are those of that sum:
// dA = scale * B^T dW, dB = scale * dW A^T.
class LoraOf : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(LoraOf, IsALowRankChangeOfTheWeight) {
  const Golden golden = Golden::Read(GetParam().first, ".gradients.safetensors");
  const Result<ModelFiles> base = ModelFiles::Open(ModelTestData(GetParam().first));
  ASSERT_TRUE(base.ok());
  const std::string q = GetParam().second;
  constexpr int64_t kRank = 3;
  constexpr double kAlpha = 6;

  Json config = base->config();
  config["lora_alpha"] = kAlpha;
  Result<ModelFiles> adapted = ModelFiles::InMemory(config);
  for (const std::string& name : base->names()) adapted->AddView(name, *base->Find(name));
  const Shape shape = base->Find(q + ".weight")->shape;
  adapted->Add(q + ".lora_A.weight", Storage(DType::kF32, {kRank, shape[1]}));
  adapted->Add(q + ".lora_B.weight", Storage(DType::kF32, {shape[0], kRank}));
  InitializeTensor(*adapted, q + ".lora_A.weight", 1);
  float* a = adapted->Floats(q + ".lora_A.weight");
  float* b = adapted->Floats(q + ".lora_B.weight");
  for (int64_t i = 0; i < shape[0] * kRank; ++i) b[i] = 0.01f * static_cast<float>(i % 7 - 3);

  ModelFiles copy = ModelFiles::InMemoryCopy(*base).value();
  float* w = copy.Floats(q + ".weight");
  const double scale = kAlpha / kRank;
  for (int64_t o = 0; o < shape[0]; ++o) {
    for (int64_t i = 0; i < shape[1]; ++i) {
      double sum = 0;
      for (int64_t r = 0; r < kRank; ++r)
        sum += double{b[o * kRank + r]} * double{a[r * shape[1] + i]};
      w[o * shape[1] + i] += static_cast<float>(scale * sum);
    }
  }
  Trained merged(std::move(copy));
  Trained lora(*std::move(adapted));
  const double loss = merged.Step(Documents(golden), {});
  EXPECT_NEAR(lora.Step(Documents(golden), {}), loss, 1e-6 * loss);
  const std::vector<float>& dw = merged.gradients.at(q + ".weight");
  const std::vector<float>& da = lora.gradients.at(q + ".lora_A.weight");
  const std::vector<float>& db = lora.gradients.at(q + ".lora_B.weight");
  for (int64_t r = 0; r < kRank; ++r) {
    for (int64_t i = 0; i < shape[1]; ++i) {
      double want = 0;
      for (int64_t o = 0; o < shape[0]; ++o) {
        want +=
            scale * double{b[o * kRank + r]} * double{dw[static_cast<size_t>(o * shape[1] + i)]};
      }
      EXPECT_NEAR(da[static_cast<size_t>(r * shape[1] + i)], want, 1e-5);
    }
    for (int64_t o = 0; o < shape[0]; ++o) {
      double want = 0;
      for (int64_t i = 0; i < shape[1]; ++i) {
        want +=
            scale * double{dw[static_cast<size_t>(o * shape[1] + i)]} * double{a[r * shape[1] + i]};
      }
      EXPECT_NEAR(db[static_cast<size_t>(o * kRank + r)], want, 1e-4);
    }
  }
}

// MLA's kv_b_proj is read by head, W_UK transposed, and so is its adapter.
INSTANTIATE_TEST_SUITE_P(Tiny, LoraOf,
                         testing::Values(std::pair("llama", "model.layers.1.self_attn.q_proj"),
                                         std::pair("deepseek_v3",
                                                   "model.layers.1.self_attn.kv_b_proj")));

// `base` with adapters of rank 2 on all projections that can have one.
ModelFiles WithAdapters(const ModelFiles& base) {
  Json config = base.config();
  config["lora_alpha"] = 3;
  ModelFiles files = ModelFiles::InMemory(config).value();
  for (const std::string& name : base.names()) {
    const ConstView w = base.Find(name).value();
    files.AddView(name, w);
    if (!name.ends_with("_proj.weight") && !name.ends_with("_proj_with_mqa.weight")) continue;
    if (name.find(".experts.") != name.npos) continue;
    const std::string at = name.substr(0, name.size() - std::string("weight").size());
    files.Add(at + "lora_A.weight", Storage(DType::kF32, {2, w.cols()}));
    files.Add(at + "lora_B.weight", Storage(DType::kF32, {w.rows(), 2}));
    InitializeTensor(files, at + "lora_A.weight", 1);
    float* b = files.Floats(at + "lora_B.weight");
    for (int64_t i = 0; i < w.rows() * 2; ++i) b[i] = 0.01f * static_cast<float>(i % 7 - 3);
  }
  return files;
}

// A frozen base changes nothing for the adapters, nor does how the step is cut, nor that the base
// is stored as bfloat16 instead of the same numbers in float32.
TEST(Lora, HasTheSameBitsHoweverTrained) {
  for (const char* name : {"qwen2_yarn_bf16", "deepseek_v3_bf16"}) {
    const std::vector<std::vector<int32_t>> documents = {{3, 9, 4, 20, 11, 7}, {5, 6, 30, 2}};
    const ModelFiles stored = ModelFiles::Open(ModelTestData(name)).value();
    const ModelFiles wide = ModelFiles::InMemoryCopy(stored).value();
    Trained all(WithAdapters(wide));
    const double loss = all.Step(documents, {.threads = 1});
    Trained adapters(WithAdapters(stored));
    adapters.FreezeTheBase();
    for (const StepOptions& way :
         {StepOptions{},
          StepOptions{.threads = 3, .recompute = true, .one_document_a_pass = true}}) {
      EXPECT_NEAR(adapters.Step(documents, way), loss, 1e-12);  // the sum's own order
      EXPECT_EQ(adapters.logprobs, all.logprobs);
      EXPECT_GT(adapters.gradients.size(), 10u);
      for (const auto& [weight, gradient] : adapters.gradients) {
        EXPECT_EQ(gradient, all.gradients.at(weight)) << name << " " << weight;
      }
    }
  }
}

TEST(Lora, IsRefusedWhereItWouldBeIgnored) {
  const ModelFiles base = ModelFiles::Open(ModelTestData("deepseek_v3")).value();
  for (const std::string name :
       {"model.layers.1.mlp.experts.0.up_proj", "lm_head", "model.layers.9.self_attn.o_proj"}) {
    ModelFiles files = WithAdapters(base);
    files.Add(name + ".lora_A.weight", Storage(DType::kF32, {2, 24}));
    const Result<std::unique_ptr<Model>> model = LoadModel(files);
    ASSERT_FALSE(model.ok()) << name;
    EXPECT_TRUE(model.status().message().starts_with("the model in memory: " + name +
                                                     ".lora_A.weight adapts nothing"))
        << model.status().message();
  }
}

// Every token counts once for each expert it went to, computed once or twice.
TEST(ExpertTokens, AreCounted) {
  const Golden golden = Golden::Read("deepseek_v3", ".gradients.safetensors");
  Trained model = Trained::Of("deepseek_v3");
  const Json config = model.files().config();
  const int64_t tokens = static_cast<int64_t>(golden.Tokens(0).size() + golden.Tokens(1).size());
  model.Step(Documents(golden), {});
  const auto counts = model.expert_tokens;
  EXPECT_EQ(static_cast<int64_t>(counts.size()),
            GetInt(config, "num_hidden_layers").value() -
                GetInt(config, "first_k_dense_replace").value());
  for (const auto& [bias, experts] : counts) {
    EXPECT_EQ(static_cast<int64_t>(experts.size()), GetInt(config, "n_routed_experts").value());
    EXPECT_EQ(std::accumulate(experts.begin(), experts.end(), int64_t{0}),
              tokens * GetInt(config, "num_experts_per_tok").value());
  }
  model.Step(Documents(golden), {.recompute = true, .one_document_a_pass = true});
  EXPECT_EQ(model.expert_tokens, counts);
}

TEST(InMemory, AMissingTensorIsNamed) {
  const ModelFiles base = ModelFiles::Open(ModelTestData("llama")).value();
  const std::string lost = "model.layers.1.mlp.up_proj.weight";
  ModelFiles files = ModelFiles::InMemory(base.config()).value();
  for (const std::string& name : base.names()) {
    if (name != lost) files.AddView(name, base.Find(name).value());
  }
  const Result<std::unique_ptr<Model>> model = LoadModel(files);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.status().message().find(lost), std::string::npos) << model.status().message();
  EXPECT_FALSE(LoadModel(ModelFiles::InMemoryCopy(files).value()).ok());
}

TEST(Recompute, HoldsOneBlockInsteadOfAll) {
  Json config = ModelFiles::Open(ModelTestData("llama"))->config();
  config["num_hidden_layers"] = 24;
  Trained model(NewModel(config, 1).value());
  std::vector<std::vector<int32_t>> documents;
  for (int32_t d = 0; d < 8; ++d) {
    std::vector<int32_t>& ids = documents.emplace_back();
    for (int32_t i = 0; i < 64; ++i) ids.push_back((i * 7 + d) % 48);
  }
  model.Step(documents, {});
  const size_t all = model.forward_bytes;
  model.Step(documents, {.recompute = true});
  EXPECT_LT(model.forward_bytes * 3, all);
}

TEST(NewModel, IsAFunctionOfItsSeed) {
  const Json config = ModelFiles::Open(ModelTestData("deepseek_v3"))->config();
  const Result<ModelFiles> one = NewModel(config, 1);
  ASSERT_TRUE(one.ok()) << one.status().message();
  const Result<ModelFiles> same = NewModel(config, 1);
  const Result<ModelFiles> other = NewModel(config, 2);
  const auto values = [](const Result<ModelFiles>& files, const std::string& name) {
    const ConstView v = files->Find(name).value();
    const auto* p = reinterpret_cast<const float*>(v.data);
    return std::vector<float>(p, p + v.shape.elements());
  };
  const std::string q = "model.layers.0.self_attn.o_proj.weight";
  EXPECT_EQ(values(one, q), values(same, q));
  EXPECT_NE(values(one, q), values(other, q));
  EXPECT_EQ(values(one, "model.norm.weight"), std::vector<float>(24, 1.0f));
  double squares = 0;
  const std::vector<float> embedding = values(one, "model.embed_tokens.weight");
  for (const float x : embedding) squares += double{x} * double{x};
  // 48 * 24 draws: their spread is known to a few per cent.
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(embedding.size())), 0.02, 0.002);
}

}  // namespace
}  // namespace aha
