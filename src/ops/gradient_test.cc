// Every op's backward against central differences of its own forward, summed in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "ops/attention.h"
#include "ops/columns.h"
#include "ops/embedding.h"
#include "ops/experts.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/op_test_context.h"
#include "ops/residual.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/swiglu.h"

namespace aha::ops {
namespace {

using Floats = std::vector<float>;

constexpr float kStep = 1.0f / 32;

struct Values {
  Shape shape;
  Floats numbers;
};

Values Random(Shape shape, uint64_t seed, double scale = 1) {
  Values v{shape, Floats(static_cast<size_t>(shape.elements()))};
  const Rng rng(seed, 11);
  for (size_t i = 0; i < v.numbers.size(); ++i) {
    v.numbers[i] = static_cast<float>((2 * rng.Uniform(i) - 1) * scale);
  }
  return v;
}

// One op on activations and weights. `body` sees copies of the activations, which it may write to.
struct Case {
  std::vector<Values> inputs;
  std::vector<Values> weights;
  std::function<std::vector<Tensor>(Context&, const std::vector<Tensor>& x,
                                    const std::vector<ConstView>& w)>
      body;
  // Before a backward: what else the weights' gradients are to be known by.
  std::function<void(ParameterGradients&, const std::vector<ConstView>& w)> extra = nullptr;
  // Weights from this index on are frozen.
  size_t frozen_from = 1000;
  // The op's input and output share a gradient, or it replaces one: nothing to add to beforehand.
  bool in_place = false;
  // Weights that this input does not reach: their gradient is exactly nothing.
  std::vector<size_t> unreached = {};
};

class Checker {
 public:
  explicit Checker(Case c) : case_(std::move(c)) {}

  void Check() {
    const auto [inputs, weights] = Backward();
    for (size_t i = 0; i < case_.inputs.size(); ++i) {
      Compare(case_.inputs[i], inputs[i], "input " + std::to_string(i));
    }
    for (size_t i = 0; i < case_.weights.size(); ++i) {
      const auto& unreached = case_.unreached;
      if (std::find(unreached.begin(), unreached.end(), i) != unreached.end()) {
        EXPECT_EQ(weights[i], Floats(weights[i].size(), 0)) << "unreached weight " << i;
      } else if (i < case_.frozen_from) {
        Compare(case_.weights[i], weights[i], "weight " + std::to_string(i));
      } else {
        EXPECT_EQ(weights[i], Floats(weights[i].size(), kBefore)) << "frozen weight " << i;
      }
    }
  }

 private:
  static constexpr float kBefore = 0.25f;  // backward adds to what is there

  std::vector<ConstView> Views() const {
    std::vector<ConstView> views;
    for (const Values& v : case_.weights) {
      views.push_back({reinterpret_cast<const std::byte*>(v.numbers.data()), DType::kF32, v.shape});
    }
    return views;
  }
  std::vector<Tensor> Inputs(Context& cx) const {
    std::vector<Tensor> out;
    for (const Values& v : case_.inputs) {
      out.push_back(cx.New(v.shape));
      std::copy(v.numbers.begin(), v.numbers.end(), out.back().data);
    }
    return out;
  }
  // The scalar: every output times a number of its own.
  static float Along(size_t output, int64_t i) {
    return static_cast<float>(2 * Rng(77, output).Uniform(static_cast<uint64_t>(i)) - 1);
  }

  double Forward() {
    test_.cx.activations.Reset();
    double sum = 0;
    outputs_ = 0;
    const std::vector<Tensor> y = case_.body(test_.cx, Inputs(test_.cx), Views());
    for (size_t k = 0; k < y.size(); ++k) {
      for (int64_t i = 0; i < y[k].shape.elements(); ++i) {
        sum += double{Along(k, i)} * double{y[k].data[i]};
        ++outputs_;
      }
    }
    return sum;
  }

  std::pair<std::vector<Floats>, std::vector<Floats>> Backward() {
    Context& cx = test_.cx;
    ParameterGradients slots;
    std::vector<Floats> dw;
    for (const Values& v : case_.weights) dw.emplace_back(v.numbers.size(), kBefore);
    const std::vector<ConstView> views = Views();
    for (size_t i = 0; i < views.size() && i < case_.frozen_from; ++i) {
      slots.Add(views[i], dw[i].data());
    }
    if (case_.extra) case_.extra(slots, views);
    Tape tape(&slots);
    cx.tape = &tape;
    const std::vector<Tensor> x = Inputs(cx);
    std::vector<Floats> dx(x.size());
    const float before = case_.in_place ? 0 : kBefore;
    tape.Record([&](Context& cx) {  // runs last
      for (size_t i = 0; i < x.size(); ++i) {
        for (const float g : cx.tape->Gradient(x[i]).span()) dx[i].push_back(g - before);
      }
    });
    const std::vector<Tensor> y = case_.body(cx, x, views);
    if (!case_.in_place) {
      for (const Tensor& t : x) {
        for (float& g : tape.Gradient(t).span()) g = kBefore;
      }
    }
    for (size_t k = 0; k < y.size(); ++k) {
      const Tensor dy = tape.Gradient(y[k]);
      for (int64_t i = 0; i < dy.shape.elements(); ++i) dy.data[i] = Along(k, i);
    }
    tape.Backward(cx);
    tape.FinishStep(cx);
    cx.tape = nullptr;
    for (size_t i = 0; i < dw.size() && i < case_.frozen_from; ++i) {
      for (float& g : dw[i]) g -= kBefore;
    }
    return {dx, dw};
  }

  // Two steps (Richardson), so that only roundings are left: with an error of some 4 * 2^-24 for
  // each output of size 1, three times their sum over the step.
  void Compare(Values& at, const Floats& gradient, const std::string& what) {
    ASSERT_EQ(gradient.size(), at.numbers.size()) << what;
    double size = 0;
    for (size_t i = 0; i < at.numbers.size(); ++i) {
      float& x = at.numbers[i];
      const float here = x;
      const auto slope = [&](float step) {
        x = here + step;
        const double high = x;
        const double up = Forward();
        x = here - step;
        const double down = Forward();
        const double width = high - double{x};
        x = here;
        return (up - down) / width;
      };
      const double d = (4 * slope(kStep / 2) - slope(kStep)) / 3;
      const double tolerance = 3 * static_cast<double>(outputs_) * 0x1.0p-22 / double{kStep};
      EXPECT_NEAR(d, gradient[i], tolerance) << what << "[" << i << "]";
      size = std::max(size, std::abs(d));
    }
    EXPECT_GT(size, 0.02) << what << " has no slope: nothing was tested";
  }

  Case case_;
  TestContext test_;
  int64_t outputs_ = 0;
};

void Check(Case c) { Checker(std::move(c)).Check(); }

TEST(Gradient, Linear) {
  Check({.inputs = {Random({3, 5}, 1)},
         .weights = {Random({4, 5}, 2), Random({4}, 3)},
         .body = [](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           return {Linear(cx, x[0], {w[0], w[1]})};
         }});
}

TEST(Gradient, SeveralLinearsOnOneInputSomeFrozen) {
  Check({.inputs = {Random({3, 2, 5}, 1)},
         .weights = {Random({4, 5}, 2), Random({2, 5}, 3), Random({3, 5}, 4), Random({3}, 5)},
         .body = [](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           const auto y = LinearEach<3>(
               cx, x[0], {LinearWeight{w[0]}, LinearWeight{w[1]}, LinearWeight{w[2], w[3]}});
           return {y.begin(), y.end()};
         },
         .frozen_from = 2});
}

TEST(Gradient, LinearWithLora) {
  Check({.inputs = {Random({3, 5}, 1)},
         .weights = {Random({2, 5}, 2), Random({4, 2}, 3), Random({4, 5}, 4), Random({4}, 5)},
         .body = [](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           return {Linear(cx, x[0], {w[2], w[3], {w[0], w[1], 1.5f}})};
         },
         .frozen_from = 2});
}

// As MLA's adapter of kv_b_proj reads A: as it is, and transposed for the queries.
TEST(Gradient, LinearThatReadsAWeightAgain) {
  static Floats copy;
  const auto transposed = [] {
    return ConstView{reinterpret_cast<const std::byte*>(copy.data()), DType::kF32, {5, 2}};
  };
  copy.assign(10, 0);
  Check({.inputs = {Random({3, 5}, 1), Random({3, 2}, 2)},
         .weights = {Random({2, 5}, 3)},
         .body = [=](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           for (int64_t r = 0; r < 2; ++r) {
             const auto* row = reinterpret_cast<const float*>(w[0].row(r));
             for (int64_t c = 0; c < 5; ++c) copy[static_cast<size_t>(c * 2 + r)] = row[c];
           }
           return {Linear(cx, x[0], {w[0]}),
                   Linear(cx, x[1], {.weight = transposed(), .apart = true})};
         },
         .extra = [=](ParameterGradients& g,
                      const auto& w) { g.AddTransposed(transposed(), w[0]); }});
}

// As MLA keeps kv_b_proj: each head's first rows transposed, the others in place.
TEST(Gradient, HeadLinearOnSlicesAndTransposedCopies) {
  constexpr int64_t kHeads = 2, kNope = 3, kV = 4, kLatent = 5;
  static Floats copies;
  static std::vector<ConstView> up, down;  // HeadLinear asks that they live
  copies.assign(kHeads * kNope * kLatent, 0);
  const auto slice = [](const ConstView& w, int64_t head, int64_t from, int64_t rows) {
    return ConstView{w.row(head * (kNope + kV) + from), DType::kF32, {rows, kLatent}};
  };
  const auto copy = [](int64_t head) {
    return ConstView{reinterpret_cast<const std::byte*>(copies.data() + head * kNope * kLatent),
                     DType::kF32,
                     {kLatent, kNope}};
  };
  Check({.inputs = {Random({2, kHeads, kNope}, 1), Random({2, kHeads, kLatent}, 2)},
         .weights = {Random({kHeads * (kNope + kV), kLatent}, 3)},
         .body = [=](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           up.clear();
           down.clear();
           for (int64_t h = 0; h < kHeads; ++h) {
             const auto* from = reinterpret_cast<const float*>(slice(w[0], h, 0, kNope).data);
             for (int64_t r = 0; r < kNope; ++r) {
               for (int64_t c = 0; c < kLatent; ++c) {
                 copies[static_cast<size_t>((h * kLatent + c) * kNope + r)] = from[r * kLatent + c];
               }
             }
             up.push_back(copy(h));
             down.push_back(slice(w[0], h, kNope, kV));
           }
           return {HeadLinear(cx, x[0], up), HeadLinear(cx, x[1], down)};
         },
         .extra =
             [=](ParameterGradients& slots, const std::vector<ConstView>& w) {
               for (int64_t h = 0; h < kHeads; ++h) {
                 slots.AddTransposed(copy(h), slice(w[0], h, 0, kNope));
               }
             }});
}

TEST(Gradient, EmbeddingTiedToTheHead) {
  static const std::vector<int32_t> ids = {4, 0, 4, 2};
  Check({.weights = {Random({6, 4}, 1)},
         .body = [](Context& cx, const auto&, const auto& w) -> std::vector<Tensor> {
           return {Linear(cx, Embedding(cx, w[0], ids), {w[0]})};
         }});
}

TEST(Gradient, RmsNorm) {
  Check({.inputs = {Random({2, 3, 6}, 1)},
         .weights = {Random({6}, 2)},
         .body = [](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           return {RmsNorm(cx, x[0], w[0], 1e-1f)};
         }});
}

// The multiplier of YaRN makes a rotation that also stretches: its gradient is the transpose, not
// the inverse.
TEST(Gradient, Rope) {
  static const std::vector<int32_t> positions = {0, 7, 3};
  for (const RopeLayout layout : {RopeLayout::kHalf, RopeLayout::kInterleaved}) {
    const YarnScaling yarn = {.factor = 4, .attention_factor = 1.3};
    RopeTable table({.theta = 100, .dim = 6, .layout = layout, .scaling = yarn});
    table.Reserve(8);
    Check({.inputs = {Random({3, 2, 6}, 1)},
           .body = [&table](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
             return {Rope(cx, x[0], positions, table)};
           },
           .in_place = true});
  }
}

TEST(Gradient, Swiglu) {
  Check({.inputs = {Random({3, 5}, 1, 3), Random({3, 5}, 2)},
         .body = [](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           return {Swiglu(cx, x[0], x[1])};
         }});
}

// x goes round the branch and through it, as in every block.
TEST(Gradient, Residual) {
  Check({.inputs = {Random({3, 4}, 1)},
         .weights = {Random({4, 4}, 2)},
         .body = [](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
           return {Residual(cx, x[0], Linear(cx, x[0], {w[0]}))};
         }});
}

TEST(Gradient, SplitAndConcatColumns) {
  Check({.inputs = {Random({2, 3, 5}, 1), Random({2, 3, 2}, 2)},
         .body = [](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           const auto [a, b] = SplitColumns(cx, x[0], 2);
           return {ConcatColumns(cx, b, x[1]), ConcatColumns(cx, a, b)};
         }});
}

TEST(Gradient, Rows) {
  static const std::vector<int32_t> rows = {3, 0, 3, 1};
  Check({.inputs = {Random({4, 3}, 1)},
         .body = [](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           return {Rows(cx, x[0], rows)};
         }});
}

struct Packed {
  Floats k, v;
  std::vector<void*> k_layers, v_layers;
  std::vector<int32_t> slots;
  std::vector<kernels::AttentionSequence> sequences;
  KvBatch batch;

  Packed(const KvLayout& layout, std::initializer_list<int64_t> lengths) {
    int64_t tokens = 0;
    for (const int64_t n : lengths) {
      sequences.push_back({.first_query = tokens, .queries = n, .first_row = tokens});
      for (int64_t i = 0; i < n; ++i) slots.push_back(static_cast<int32_t>(tokens++));
    }
    k.resize(static_cast<size_t>(tokens * layout.k_width()));
    v.resize(static_cast<size_t>(tokens * layout.v_width()));
    k_layers = {k.data()};
    v_layers = {v.data()};
    batch = {.k = k_layers, .v = v_layers, .slots = slots, .sequences = sequences};
  }
};

TEST(Gradient, AttendToOnesOwnDocument) {
  const KvLayout layout = {.n_kv_heads = 2, .k_dim = 3, .v_dim = 2};
  Packed packed(layout, {4, 1, 2});
  Check({.inputs = {Random({7, 4, 3}, 1, 2), Random({7, 6}, 2, 2), Random({7, 4}, 3)},
         .body = [&](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           return {Attend(cx, packed.batch, 0, layout, x[0], x[1], x[2], 0.7f)};
         }});
}

TEST(Gradient, AttendToLatentRows) {
  const KvLayout layout = {.n_kv_heads = 1, .k_dim = 5, .v_dim = 3, .latent = true};
  Packed packed(layout, {4, 3});
  Check({.inputs = {Random({7, 2, 5}, 1, 2), Random({7, 5}, 2)},
         .body = [&](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           return {Attend(cx, packed.batch, 0, layout, x[0], x[1], {}, 0.7f)};
         }});
}

// Tokens 0 to 2 are the beginning of two documents, which go on with 3, 4 and with 5.
TEST(Gradient, AttendToASharedBeginning) {
  static const std::vector<int32_t> key_tokens = {0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 5};
  const auto shared = [](Packed packed) {
    packed.sequences = {{.queries = 3},
                        {.first_query = 3, .queries = 2, .first_position = 3, .first_row = 3},
                        {.first_query = 5, .queries = 1, .first_position = 3, .first_row = 8}};
    packed.batch.sequences = packed.sequences;
    packed.batch.key_tokens = key_tokens;
    return packed;
  };
  const KvLayout layout = {.n_kv_heads = 2, .k_dim = 3, .v_dim = 2};
  const Packed packed = shared(Packed(layout, {6}));
  Check({.inputs = {Random({6, 4, 3}, 1, 2), Random({6, 6}, 2, 2), Random({6, 4}, 3)},
         .body = [&](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           return {Attend(cx, packed.batch, 0, layout, x[0], x[1], x[2], 0.7f)};
         }});
  const KvLayout latent = {.n_kv_heads = 1, .k_dim = 5, .v_dim = 3, .latent = true};
  const Packed rows = shared(Packed(latent, {6}));
  Check({.inputs = {Random({6, 2, 5}, 1, 2), Random({6, 5}, 2)},
         .body = [&](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
           return {Attend(cx, rows.batch, 0, latent, x[0], x[1], {}, 0.7f)};
         }});
}

// Scores so far apart that no step changes the choice.
Values Apart() {
  return {{3, 6},
          {0.1f, 1.2f, -0.8f, 0.5f, -0.3f, 0.9f, -1.1f, 0.4f, 0.8f, 0.0f, -0.5f, 1.3f, 0.7f, -0.9f,
           -0.2f, 1.1f, -0.6f, 0.3f}};
}

TEST(Gradient, Route) {
  for (const RouterScore score : {RouterScore::kSigmoid, RouterScore::kSoftmax}) {
    for (const bool normalize : {false, true}) {
      for (const int64_t groups : {1, 3}) {
        const RouterOptions options = {.score = score,
                                       .top_k = 3,
                                       .n_group = groups,
                                       .topk_group = groups == 1 ? 1 : 2,
                                       .normalize = normalize,
                                       .scale = 2.5f};
        const std::vector<float> bias = {0.01f, -0.01f, 0.02f, 0, 0, -0.02f};
        Check({.inputs = {Apart()},
               .body = [&](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
                 const ConstView b = {
                     reinterpret_cast<const std::byte*>(bias.data()), DType::kF32, {6}};
                 return {Route(cx, x[0], b, options).weight_tensor()};
               }});
      }
    }
  }
}

TEST(Gradient, RoutedExperts) {
  constexpr int64_t kHidden = 4, kIntermediate = 3, kExperts = 6;
  static std::vector<ExpertWeights> experts;
  Case c;
  c.inputs = {Random({3, kHidden}, 1), Apart()};
  for (uint64_t e = 0; e < kExperts; ++e) {
    c.weights.push_back(Random({kIntermediate, kHidden}, 10 + e));
    c.weights.push_back(Random({kIntermediate, kHidden}, 20 + e));
    c.weights.push_back(Random({kHidden, kIntermediate}, 30 + e));
  }
  c.body = [](Context& cx, const auto& x, const auto& w) -> std::vector<Tensor> {
    experts.clear();
    for (size_t e = 0; e < kExperts; ++e) {
      experts.push_back({w[3 * e], w[3 * e + 1], w[3 * e + 2]});
    }
    const Routing routing = Route(cx, x[1], {}, {.top_k = 3, .normalize = true, .scale = 2});
    return {Experts(cx, x[0], routing, experts)};
  };
  c.unreached = {12, 13, 14};  // expert 4 is chosen by no token
  Check(c);
}

TEST(Gradient, LogProbs) {
  static const std::vector<int32_t> targets = {6, 0};
  for (const bool with_entropy : {false, true}) {
    Check({.inputs = {Random({2, 7}, 1, 2)},
           .body = [=](Context& cx, const auto& x, const auto&) -> std::vector<Tensor> {
             const auto out = LogProbs(cx, x[0], targets, 0.8f, with_entropy);
             if (with_entropy) return {out.logprob, out.entropy};
             return {out.logprob};
           },
           .in_place = true});
  }
}

// A micro-batch given up leaves nothing behind for the next step.
TEST(Tape, ForgetsAStepThatWasGivenUp) {
  TestContext t;
  const Values table = Random({4, 3}, 1);
  const ConstView view = {reinterpret_cast<const std::byte*>(table.numbers.data()), DType::kF32,
                          table.shape};
  Floats gradient(12);
  ParameterGradients slots;
  slots.Add(view, gradient.data());
  Tape tape(&slots);
  t.cx.tape = &tape;
  const std::vector<int32_t> ids = {1};
  for (const bool given_up : {true, false}) {
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    for (float& d : tape.Gradient(Embedding(t.cx, view, ids)).span()) d = 1;
    tape.Backward(t.cx);
    if (given_up) {
      tape.Clear();
    } else {
      tape.FinishStep(t.cx);
    }
  }
  EXPECT_EQ(gradient, (Floats{0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace aha::ops
