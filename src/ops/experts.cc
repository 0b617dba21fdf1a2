#include "ops/experts.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "ops/linear_gradients.h"
#include "ops/swiglu.h"

namespace aha::ops {
namespace {

// Assignments (token, expert) in order of expert, then token.
struct Grouping {
  const int32_t* begin;  // [experts + 1] first assignment of each expert
  int32_t* row;          // [tokens, top_k] where each assignment stands
};

Grouping GroupByExpert(Context& cx, const Routing& routing, int64_t experts) {
  const int64_t assignments = routing.tokens * routing.top_k;
  auto* begin = cx.activations.Allocate<int32_t>(experts + 1);
  auto* next = cx.activations.Allocate<int32_t>(experts);
  auto* row = cx.activations.Allocate<int32_t>(assignments);
  std::fill_n(begin, experts + 1, 0);
  for (int64_t i = 0; i < assignments; ++i) {
    CHECK(routing.experts[i] >= 0 && routing.experts[i] < experts,
          "expert " + std::to_string(routing.experts[i]));
    ++begin[routing.experts[i] + 1];
  }
  for (int64_t e = 0; e < experts; ++e) {
    begin[e + 1] += begin[e];
    next[e] = begin[e];
  }
  for (int64_t i = 0; i < assignments; ++i) row[i] = next[routing.experts[i]]++;
  return {begin, row};
}

// Each token's row of x, copied to where its assignments stand: [tokens * top_k, hidden].
Tensor Gather(Context& cx, const Tensor& x, const Routing& routing, const Grouping& grouping) {
  Tensor out = cx.New({routing.tokens * routing.top_k, x.cols()});
  cx.kernels.pool->ParallelFor(routing.tokens, [&](int64_t t, int) {
    for (int64_t j = 0; j < routing.top_k; ++j) {
      std::copy_n(x.row(t), x.cols(), out.row(grouping.row[t * routing.top_k + j]));
    }
  });
  return out;
}

kernels::MatMulJob Job(const Tensor& x, const Tensor& y, const ConstView& w, int64_t begin,
                       int64_t end) {
  CHECK(w.shape == Shape({y.cols(), x.cols()}), "expert weight " + w.shape.ToString());
  return {.x = x.row(begin),
          .x_stride = x.cols(),
          .m = end - begin,
          .w = w,
          .bias = nullptr,
          .y = y.row(begin),
          .y_stride = y.cols()};
}

// Through one of the experts' three matrices: y = x w^T for each expert's own rows.
void ExpertsLinearBackward(Context& cx, const Grouping& grouping,
                           std::span<const ExpertWeights> experts, ConstView ExpertWeights::*matrix,
                           const Tensor& x, const Tensor& y, const Tensor& dx) {
  const Tensor dy = cx.tape->Gradient(y);
  std::vector<kernels::ProductJob> jobs;
  for (size_t e = 0; e < experts.size(); ++e) {
    const int64_t begin = grouping.begin[e];
    const int64_t rows = grouping.begin[e + 1] - begin;
    if (rows == 0) continue;
    const ConstView& w = experts[e].*matrix;
    jobs.push_back(InputGradient(dy.row(begin), dy.cols(), w, rows, dx.row(begin), dx.cols()));
    const ParameterGradients::Slot slot = cx.tape->Parameter(w);
    if (slot.data == nullptr) continue;
    jobs.push_back(WeightGradient(dy.row(begin), dy.cols(), x.row(begin), x.cols(), rows, w, slot));
  }
  cx.backend().Product(cx.kernels, jobs);
}

// y[t] = sum_j weights[t, j] out[row(t, j)]: to each expert's output and to the weights.
void MixtureBackward(Context& cx, const Routing& routing, const Grouping& grouping,
                     const Tensor& out, const Tensor& dy, const Tensor& dout) {
  const Tensor dweights = cx.tape->Gradient(routing.weight_tensor());
  cx.kernels.pool->ParallelFor(routing.tokens, [&](int64_t t, int) {
    for (int64_t j = 0; j < routing.top_k; ++j) {
      const int64_t i = t * routing.top_k + j;
      const float* value = out.row(grouping.row[i]);
      float* gradient = dout.row(grouping.row[i]);
      float along = 0;
      for (int64_t c = 0; c < out.cols(); ++c) {
        gradient[c] = std::fma(routing.weights[i], dy.row(t)[c], gradient[c]);
        along = std::fma(dy.row(t)[c], value[c], along);
      }
      dweights.data[i] += along;
    }
  });
}

}  // namespace

Tensor Experts(Context& cx, const Tensor& x, const Routing& routing,
               std::span<const ExpertWeights> experts) {
  CHECK(x.shape.rank() == 2 && x.rows() == routing.tokens, x.shape.ToString());
  const auto n = static_cast<int64_t>(experts.size());
  const int64_t intermediate = experts[0].gate_proj.rows();
  const Grouping grouping = GroupByExpert(cx, routing, n);
  const Tensor in = Gather(cx, x, routing, grouping);     // [assignments, hidden]
  const Tensor gate = cx.New({in.rows(), intermediate});  // [assignments, intermediate]
  const Tensor up = cx.New({in.rows(), intermediate});    // [assignments, intermediate]
  const Tensor out = cx.New(in.shape);                    // [assignments, hidden]
  const int64_t most_jobs = 2 * std::min(n, in.rows());
  auto* jobs = cx.activations.Allocate<kernels::MatMulJob>(most_jobs);

  size_t count = 0;
  for (int64_t e = 0; e < n; ++e) {
    const int64_t begin = grouping.begin[e];
    const int64_t end = grouping.begin[e + 1];
    if (begin == end) continue;
    const ExpertWeights& w = experts[static_cast<size_t>(e)];
    new (&jobs[count++]) kernels::MatMulJob(Job(in, gate, w.gate_proj, begin, end));
    new (&jobs[count++]) kernels::MatMulJob(Job(in, up, w.up_proj, begin, end));
  }
  cx.backend().MatMul(cx.kernels, {jobs, count});
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      const Tensor din = cx.New(in.shape);
      std::fill_n(din.data, in.shape.elements(), 0.0f);
      ExpertsLinearBackward(cx, grouping, experts, &ExpertWeights::gate_proj, in, gate, din);
      ExpertsLinearBackward(cx, grouping, experts, &ExpertWeights::up_proj, in, up, din);
      auto* ones = cx.activations.Allocate<float>(in.rows());
      std::fill_n(ones, in.rows(), 1.0f);
      cx.backend().AddWeightedRows(cx.kernels, din.data, grouping.row, ones, routing.tokens,
                                   routing.top_k, cx.tape->Gradient(x).data, x.cols());
    });
  }
  const Tensor activated = Swiglu(cx, gate, up);  // [assignments, intermediate]

  count = 0;
  for (int64_t e = 0; e < n; ++e) {
    const int64_t begin = grouping.begin[e];
    const int64_t end = grouping.begin[e + 1];
    if (begin == end) continue;
    const ExpertWeights& w = experts[static_cast<size_t>(e)];
    new (&jobs[count++]) kernels::MatMulJob(Job(activated, out, w.down_proj, begin, end));
  }
  cx.backend().MatMul(cx.kernels, {jobs, count});

  Tensor y = cx.New(x.shape);
  std::fill_n(y.data, y.shape.elements(), 0.0f);
  cx.backend().AddWeightedRows(cx.kernels, out.data, grouping.row, routing.weights, routing.tokens,
                               routing.top_k, y.data, x.cols());
  if (cx.tape != nullptr) {
    cx.tape->Record([=](Context& cx) {
      const Tensor dout = cx.tape->Gradient(out);
      MixtureBackward(cx, routing, grouping, out, cx.tape->Gradient(y), dout);
      ExpertsLinearBackward(cx, grouping, experts, &ExpertWeights::down_proj, activated, out,
                            cx.tape->Gradient(activated));
    });
  }
  return y;
}

}  // namespace aha::ops
