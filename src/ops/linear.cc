#include "ops/linear.h"

#include <new>
#include <utility>
#include <vector>

#include "ops/linear_gradients.h"

namespace aha::ops {
namespace {

constexpr size_t kMostWeights = 4;

const float* Bias(const LinearWeight& w) {
  if (w.bias.empty()) return nullptr;
  CHECK(w.bias.dtype == DType::kF32 && w.bias.shape == Shape({w.weight.rows()}),
        "bias " + w.bias.shape.ToString() + " of weight " + w.weight.shape.ToString());
  return reinterpret_cast<const float*>(w.bias.data);
}

void LinearBackward(Context& cx, const Tensor& x, const Tensor& y, const LinearWeight& w) {
  const Tensor dy = cx.tape->Gradient(y);
  const int64_t rows = x.rows();
  std::array<kernels::ProductJob, 2> jobs;
  size_t count = 0;
  jobs[count++] =
      InputGradient(dy.data, w.weight.rows(), w.weight, rows, cx.tape->Gradient(x).data, x.cols());
  const ParameterGradients::Slot slot =
      w.apart ? cx.tape->Apart(w.weight) : cx.tape->Parameter(w.weight);
  if (slot.data != nullptr) {
    jobs[count++] =
        WeightGradient(dy.data, w.weight.rows(), x.data, x.cols(), rows, w.weight, slot);
  }
  cx.backend().Product(cx.kernels, {jobs.data(), count});
  if (w.bias.empty()) return;
  const ParameterGradients::Slot bias = cx.tape->Parameter(w.bias);
  if (bias.data != nullptr) {
    cx.backend().AddRowsTo(cx.kernels, dy.data, rows, w.weight.rows(), bias.data);
  }
}

// y += scale * x, both [rows, n].
void AddScaledRows(Context& cx, const float* x, float scale, const Tensor& y) {
  const int64_t rows = y.rows();
  auto* index = cx.activations.Allocate<int32_t>(rows);
  auto* weight = cx.activations.Allocate<float>(rows);
  for (int64_t r = 0; r < rows; ++r) {
    index[r] = static_cast<int32_t>(r);
    weight[r] = scale;
  }
  cx.backend().AddWeightedRows(cx.kernels, x, index, weight, rows, 1, y.data, y.cols());
}

void HeadLinearBackward(Context& cx, const Tensor& x, const Tensor& y,
                        std::span<const ConstView> weights) {
  const int64_t tokens = x.shape[0];
  const int64_t in = x.shape[2];
  const int64_t out = y.shape[2];
  const auto heads = static_cast<int64_t>(weights.size());
  const Tensor dx = cx.tape->Gradient(x);
  const Tensor dy = cx.tape->Gradient(y);
  std::vector<kernels::ProductJob> jobs;
  for (int64_t h = 0; h < heads; ++h) {
    const ConstView& w = weights[static_cast<size_t>(h)];
    jobs.push_back(
        InputGradient(dy.data + h * out, heads * out, w, tokens, dx.data + h * in, heads * in));
    const ParameterGradients::Slot slot = cx.tape->Parameter(w);
    if (slot.data == nullptr) continue;
    jobs.push_back(WeightGradient(dy.data + h * out, heads * out, x.data + h * in, heads * in,
                                  tokens, w, slot));
  }
  cx.backend().Product(cx.kernels, jobs);
}

}  // namespace

void LinearInto(Context& cx, const Tensor& x, std::span<const LinearWeight> weights,
                std::span<Tensor> out) {
  CHECK(weights.size() == out.size() && weights.size() <= kMostWeights);
  std::array<kernels::MatMulJob, kMostWeights> jobs;
  for (size_t i = 0; i < weights.size(); ++i) {
    const ConstView& w = weights[i].weight;
    CHECK(w.shape.rank() == 2 && w.cols() == x.cols(),
          "x " + x.shape.ToString() + " times weight " + w.shape.ToString());
    out[i] = cx.New({x.rows(), w.rows()});
    jobs[i] = {.x = x.data,
               .x_stride = x.cols(),
               .m = x.rows(),
               .w = w,
               .bias = Bias(weights[i]),
               .y = out[i].data,
               .y_stride = w.rows()};
  }
  cx.backend().MatMul(cx.kernels, {jobs.data(), weights.size()});
  for (size_t i = 0; i < weights.size(); ++i) {
    const LinearWeight& w = weights[i];
    const Tensor y = out[i];
    if (cx.tape != nullptr) {
      cx.tape->Record([x, y, w](Context& cx) { LinearBackward(cx, x, y, w); });
    }
    if (!w.lora.a.empty()) {
      const Tensor low = Linear(cx, x, {w.lora.a});  // [rows, rank]
      AddScaled(cx, Linear(cx, low, {w.lora.b}), w.lora.scale, y);
    }
  }
}

Tensor Linear(Context& cx, const Tensor& x, const LinearWeight& w) {
  return LinearEach<1>(cx, x, {w})[0];
}

void AddScaled(Context& cx, const Tensor& x, float scale, const Tensor& y) {
  CHECK(x.shape.elements() == y.shape.elements(),
        x.shape.ToString() + " onto " + y.shape.ToString());
  AddScaledRows(cx, x.data, scale, y);
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      AddScaledRows(cx, cx.tape->Gradient(y).data, scale, cx.tape->Gradient(x));
    });
  }
}

Tensor HeadLinear(Context& cx, const Tensor& x, std::span<const ConstView> weights) {
  CHECK(x.shape.rank() == 3 && x.shape[1] == static_cast<int64_t>(weights.size()),
        "x " + x.shape.ToString() + " with matrices for " + std::to_string(weights.size()) +
            " heads");
  const int64_t tokens = x.shape[0];
  const int64_t heads = x.shape[1];
  const int64_t in = x.shape[2];
  const int64_t out = weights[0].rows();
  Tensor y = cx.New({tokens, heads, out});
  auto* jobs = cx.activations.Allocate<kernels::MatMulJob>(heads);
  for (int64_t h = 0; h < heads; ++h) {
    const ConstView& w = weights[static_cast<size_t>(h)];
    CHECK(w.shape == Shape({out, in}), "head weight " + w.shape.ToString());
    new (&jobs[h]) kernels::MatMulJob{.x = x.data + h * in,
                                      .x_stride = heads * in,
                                      .m = tokens,
                                      .w = w,
                                      .bias = nullptr,
                                      .y = y.data + h * out,
                                      .y_stride = heads * out};
  }
  cx.backend().MatMul(cx.kernels, {jobs, static_cast<size_t>(heads)});
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) { HeadLinearBackward(cx, x, y, weights); });
  }
  return y;
}

}  // namespace aha::ops
