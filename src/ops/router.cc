#include "ops/router.h"

#include <algorithm>
#include <limits>

#include "base/portable_math.h"

namespace aha::ops {
namespace {

// What the reference implementations add, so that scores that are all zero do not divide by zero.
constexpr float kNormalizeEps = 1e-20f;

// Marks the `count` largest of values[0, n) among those with allowed[i] (all when null) as chosen.
// Lowest index on ties; NaN never beats a number, and is chosen only for want of numbers.
void MarkLargest(const float* values, const uint8_t* allowed, int64_t n, int64_t count,
                 uint8_t* chosen) {
  std::fill_n(chosen, n, uint8_t{0});
  for (int64_t c = 0; c < count; ++c) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; ++i) {
      if (chosen[i] || (allowed != nullptr && !allowed[i])) continue;
      if (best < 0 || values[i] > values[best] ||
          (values[best] != values[best] && values[i] == values[i])) {
        best = i;
      }
    }
    CHECK(best >= 0, "fewer candidates than choices");
    chosen[best] = 1;
  }
}

float GroupValue(const float* scores, int64_t n, GroupScore kind) {
  float first = scores[0];
  float second = -std::numeric_limits<float>::infinity();
  for (int64_t i = 1; i < n; ++i) {
    if (scores[i] > first) {
      second = first;
      first = scores[i];
    } else if (scores[i] > second) {
      second = scores[i];
    }
  }
  return kind == GroupScore::kBest ? first : first + second;
}

// In index order, plain sums: the same on every machine.
void Softmax(float* x, int64_t n) {
  const float largest = *std::max_element(x, x + n);
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    x[i] = portable::Exp(x[i] - largest);
    sum += x[i];
  }
  for (int64_t i = 0; i < n; ++i) x[i] /= sum;
}

// Working memory for one token.
struct Workspace {
  float* choice;     // [experts] score + bias
  float* groups;     // [n_group]
  uint8_t* allowed;  // [experts]
  uint8_t* chosen;   // [experts] or [n_group]
};

void RouteToken(const float* scores, const float* bias, int64_t experts, const RouterOptions& o,
                const Workspace& ws, int32_t* out_experts, float* out_weights) {
  for (int64_t e = 0; e < experts; ++e) {
    ws.choice[e] = bias == nullptr ? scores[e] : scores[e] + bias[e];
  }
  const uint8_t* allowed = nullptr;
  if (o.topk_group < o.n_group) {
    const int64_t size = experts / o.n_group;
    for (int64_t g = 0; g < o.n_group; ++g) {
      ws.groups[g] = GroupValue(ws.choice + g * size, size, o.group_score);
    }
    MarkLargest(ws.groups, nullptr, o.n_group, o.topk_group, ws.chosen);
    for (int64_t e = 0; e < experts; ++e) ws.allowed[e] = ws.chosen[e / size];
    allowed = ws.allowed;
  }
  MarkLargest(ws.choice, allowed, experts, o.top_k, ws.chosen);
  int64_t j = 0;
  float sum = 0;
  for (int64_t e = 0; e < experts; ++e) {
    if (!ws.chosen[e]) continue;
    out_experts[j] = static_cast<int32_t>(e);
    out_weights[j++] = scores[e];
    sum += scores[e];
  }
  for (int64_t i = 0; i < o.top_k; ++i) {
    if (o.normalize) out_weights[i] /= sum + kNormalizeEps;
    out_weights[i] *= o.scale;
  }
}

// The choice has no gradient; the chosen experts' weights have.
//   w[j] = scale * s[j] / (S + eps), S = sum of the chosen s  (or scale * s[j])
//   s = sigmoid(x), or softmax(x) over all experts
void RouteBackward(Context& cx, const Tensor& logits, const Tensor& scores, const Routing& routing,
                   const RouterOptions& o) {
  const Tensor dw = cx.tape->Gradient(routing.weight_tensor());
  const Tensor dlogits = cx.tape->Gradient(logits);
  const int64_t experts = logits.cols();
  for (int64_t t = 0; t < routing.tokens; ++t) {
    const int32_t* chosen = routing.experts + t * o.top_k;
    const float* s = scores.row(t);
    float* dx = dlogits.row(t);
    float sum = 0;
    float along = 0;
    for (int64_t j = 0; j < o.top_k; ++j) {
      sum += s[chosen[j]];
      along += dw.row(t)[j] * s[chosen[j]];
    }
    sum += kNormalizeEps;
    float mean = 0;  // softmax: the gradient's mean under s
    for (int64_t j = 0; j < o.top_k; ++j) {
      const float g = dw.row(t)[j];
      const float ds = o.scale * (o.normalize ? (g - along / sum) / sum : g);
      const float value = s[chosen[j]];
      dx[chosen[j]] += o.score == RouterScore::kSigmoid ? ds * value * (1 - value) : ds * value;
      mean += ds * value;
    }
    if (o.score == RouterScore::kSigmoid) continue;
    for (int64_t e = 0; e < experts; ++e) dx[e] -= mean * s[e];
  }
}

}  // namespace

Routing Route(Context& cx, const Tensor& logits, const ConstView& correction_bias,
              const RouterOptions& o) {
  CHECK(logits.shape.rank() == 2, logits.shape.ToString());
  const int64_t tokens = logits.rows();
  const int64_t experts = logits.cols();
  CHECK(o.n_group >= 1 && experts % o.n_group == 0 && o.topk_group <= o.n_group,
        std::to_string(o.n_group) + " groups of " + std::to_string(experts) + " experts");
  CHECK(o.top_k >= 1 && o.top_k <= o.topk_group * (experts / o.n_group),
        "top " + std::to_string(o.top_k) + " of " + std::to_string(experts));
  CHECK(correction_bias.empty() ||
            (correction_bias.dtype == DType::kF32 && correction_bias.shape == Shape({experts})),
        "correction bias " + correction_bias.shape.ToString());
  const auto* bias = reinterpret_cast<const float*>(correction_bias.data);

  Tensor scores = cx.New(logits.shape);
  if (o.score == RouterScore::kSigmoid) {
    cx.backend().Sigmoid(cx.kernels, logits.data, scores.data, logits.shape.elements());
  } else {
    std::copy_n(logits.data, logits.shape.elements(), scores.data);
    for (int64_t t = 0; t < tokens; ++t) Softmax(scores.row(t), experts);
  }
  const Workspace ws = {
      cx.activations.Allocate<float>(experts), cx.activations.Allocate<float>(o.n_group),
      cx.activations.Allocate<uint8_t>(experts), cx.activations.Allocate<uint8_t>(experts)};
  auto* chosen = cx.activations.Allocate<int32_t>(tokens * o.top_k);
  auto* weights = cx.activations.Allocate<float>(tokens * o.top_k);
  for (int64_t t = 0; t < tokens; ++t) {
    RouteToken(scores.row(t), bias, experts, o, ws, chosen + t * o.top_k, weights + t * o.top_k);
  }
  const Routing routing = {tokens, o.top_k, chosen, weights};
  if (cx.tape != nullptr) {
    if (bias != nullptr) {
      cx.tape->CountExperts(correction_bias, {chosen, static_cast<size_t>(tokens * o.top_k)});
    }
    cx.tape->Record([=](Context& cx) { RouteBackward(cx, logits, scores, routing, o); });
  }
  return routing;
}

}  // namespace aha::ops
