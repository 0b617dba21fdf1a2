// y = x W^T (+ bias). Several weights on one x go to the kernels as one call: one parallel region,
// and x is quantised once.
//
//   auto [q, k, v] = ops::LinearEach<3>(cx, x, {layer.q_proj, layer.k_proj, layer.v_proj});
#ifndef AHA_OPS_LINEAR_H_
#define AHA_OPS_LINEAR_H_

#include <array>
#include <span>

#include "ops/context.h"

namespace aha::ops {

// Low-rank adaptation (Hu et al. 2021): y += scale * (x A^T) B^T.
struct LoraAdapter {
  ConstView a;  // [rank, in]
  ConstView b;  // [out, rank]
  float scale = 1;
};

struct LinearWeight {
  ConstView weight;       // [out, in], any dtype
  ConstView bias = {};    // [out] float32, or empty
  LoraAdapter lora = {};  // empty a: none
  // Another op of the forward reads the weight too: this one's share of its gradient, a sum over
  // all tokens of its own, is added when the step ends (Tape::Apart).
  bool apart = false;
};

// x [..., in] -> [rows, out], rows being the product of x's leading dimensions.
Tensor Linear(Context& cx, const Tensor& x, const LinearWeight& w);

void LinearInto(Context& cx, const Tensor& x, std::span<const LinearWeight> weights,
                std::span<Tensor> out);

template <size_t N>
std::array<Tensor, N> LinearEach(Context& cx, const Tensor& x,
                                 const std::array<LinearWeight, N>& weights) {
  std::array<Tensor, N> out;
  LinearInto(cx, x, weights, out);
  return out;
}

// y += scale * x, of equal shapes.
void AddScaled(Context& cx, const Tensor& x, float scale, const Tensor& y);

// One matrix a head: x [tokens, heads, in], weights[h] [out, in] -> [tokens, heads, out]. `weights`
// must live until the tape has run.
Tensor HeadLinear(Context& cx, const Tensor& x, std::span<const ConstView> weights);

}  // namespace aha::ops

#endif  // AHA_OPS_LINEAR_H_
