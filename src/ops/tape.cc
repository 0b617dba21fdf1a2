#include "ops/tape.h"

#include <algorithm>

#include "ops/context.h"

namespace aha::ops {

Tensor Tape::Gradient(const Tensor& t) {
  const auto found = gradients_.find(t.data);
  if (found != gradients_.end()) return {found->second, t.shape};
  const int64_t n = t.shape.elements();
  auto* gradient = arena_.Allocate<float>(n);
  std::fill_n(gradient, n, 0.0f);
  Remember(t.data, gradient);
  return {gradient, t.shape};
}

void Tape::Backward(Context& cx) {
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    step(cx);
  }
  ForgetActivations();
}

ParameterGradients::Slot Tape::Apart(const ConstView& weight) {
  ParameterGradients::Slot slot = Parameter(weight);
  if (slot.data == nullptr) return slot;
  CHECK(slot.row_stride == (slot.transposed ? weight.rows() : weight.cols()), "a part of a weight");
  Sum& sum = apart_[weight.data];
  sum.onto = slot.data;
  sum.values.resize(static_cast<size_t>(weight.shape.elements()));
  slot.data = sum.values.data();
  return slot;
}

void Tape::FinishStep(Context& cx) {
  for (const Lookup& l : lookups_) {
    const auto cols = static_cast<int64_t>(l.rows.size() / l.ids.size());
    cx.backend().AddToRows(cx.kernels, l.rows.data(), l.ids, l.table, cols);
  }
  lookups_.clear();
  for (const auto& [weight, sum] : apart_) {
    cx.backend().Add(cx.kernels, sum.values.data(), sum.onto,
                     static_cast<int64_t>(sum.values.size()));
  }
  apart_.clear();
}

void Tape::Clear() {
  steps_.clear();
  lookups_.clear();
  apart_.clear();
  expert_tokens_.clear();
  ForgetActivations();
}

void Tape::ForgetActivations() {
  gradients_.clear();
  order_.clear();
  arena_.Reset();
}

void Tape::Rewind(const Mark& mark) {
  arena_.Rewind(mark.arena);
  for (; order_.size() > mark.known; order_.pop_back()) gradients_.erase(order_.back());
}

}  // namespace aha::ops
