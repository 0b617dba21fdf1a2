// Gradients of the elementwise functions and norms, and the optimizer's step; the operations of
// ref/ref_backward.cc in registers.
#if defined(AHA_KERNELS_CPU_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AHA_KERNELS_CPU_BACKWARD_INL_H_
#undef AHA_KERNELS_CPU_BACKWARD_INL_H_
#else
#define AHA_KERNELS_CPU_BACKWARD_INL_H_
#endif

#include <cmath>

#include "kernels/cpu/elementwise-inl.h"
#include "kernels/cpu/lane_kernels.h"
#include "kernels/cpu/lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

// Lane sum over i of f(a[i], b[i], c[i]) added to the lanes; the last group is filled with zeros,
// for which f adds nothing.
template <typename F>
HWY_INLINE float LaneSum3(const float* a, const float* b, const float* c, int64_t n, const F& f) {
  const D d;
  VF acc[kParts];
  for (int p = 0; p < kParts; ++p) acc[p] = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int p = 0; p < kParts; ++p) {
      const int64_t at = i + p * kVec;
      acc[p] = f(hn::LoadU(d, a + at), hn::LoadU(d, b + at), hn::LoadU(d, c + at), acc[p]);
    }
  }
  if (i < n) {
    const Padded16 ta(a + i, n - i);
    const Padded16 tb(b + i, n - i);
    const Padded16 tc(c + i, n - i);
    for (int p = 0; p < kParts; ++p) {
      acc[p] = f(hn::Load(d, ta.values + p * kVec), hn::Load(d, tb.values + p * kVec),
                 hn::Load(d, tc.values + p * kVec), acc[p]);
    }
  }
  return SumTree(acc);
}

float Dot(const float* a, const float* b, int64_t n) {
  return LaneSum3(a, b, b, n, [](VF x, VF y, VF, VF acc) { return hn::MulAdd(x, y, acc); });
}

// scale[r] and back[r] of each row, and dx; dw goes by columns afterwards.
void RmsNormBackwardRows(const RmsNormBackwardArgs& args, int64_t first, int64_t last,
                         float* scales) {
  const D d;
  const RmsNormArgs& f = args.forward;
  const auto n = static_cast<float>(f.cols);
  for (int64_t r = first; r < last; ++r) {
    const float* x = f.x + r * f.x_stride;
    const float* dy = args.dy + r * f.cols;
    const float squares = Dot(x, x, f.cols);
    const float scale = 1.0f / std::sqrt(squares / n + f.eps);
    scales[r] = scale;
    if (args.dx == nullptr) continue;
    const float along = LaneSum3(dy, f.weight, x, f.cols, [](VF g, VF w, VF v, VF acc) {
      return hn::MulAdd(hn::Mul(g, w), v, acc);
    });
    const float back = ((scale * scale) * scale) * (along / n);
    float* dx = args.dx + r * f.cols;
    ForEachVector<4>({dy, f.weight, x, dx}, dx, f.cols, [&](const VF(&v)[4]) {
      const VF through = hn::Mul(v[0], v[1]);
      const VF away = hn::Neg(hn::Mul(v[2], hn::Set(d, back)));
      return hn::Add(v[3], hn::MulAdd(through, hn::Set(d, scale), away));
    });
  }
}

void RmsNormBackwardColumns(const RmsNormBackwardArgs& args, int64_t first, int64_t last,
                            const float* scales) {
  const RmsNormArgs& f = args.forward;
  const int64_t n = last - first;
  float* dw = args.dw + first;
  for (int64_t r = 0; r < f.rows; ++r) {
    const VF scale = hn::Set(D(), scales[r]);
    ForEachVector<3>({args.dy + r * f.cols + first, f.x + r * f.x_stride + first, dw}, dw, n,
                     [&](const VF(&v)[3]) { return hn::MulAdd(v[0], hn::Mul(v[1], scale), v[2]); });
  }
}

void SiluMulBackward(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                     int64_t n) {
  const VF one = hn::Set(D(), 1.0f);
  ForEachVector<4>({gate, up, dy, dgate}, dgate, n, [&](const VF(&v)[4]) {
    const VF s = hn::Div(one, OnePlusExpOfMinus(v[0]));
    const VF slope = hn::MulAdd(hn::Mul(v[0], s), hn::Sub(one, s), s);
    return hn::MulAdd(hn::Mul(v[2], v[1]), slope, v[3]);
  });
  ForEachVector<3>({gate, dy, dup}, dup, n, [&](const VF(&v)[3]) {
    const VF s = hn::Div(one, OnePlusExpOfMinus(v[0]));
    return hn::MulAdd(v[1], hn::Mul(v[0], s), v[2]);
  });
}

void Scale(const float* x, float by, float* y, int64_t n) {
  ForEachVector<1>({x}, y, n, [&](const VF(&v)[1]) { return hn::Mul(v[0], hn::Set(D(), by)); });
}

// Sum of p log p over one row whose log-probabilities are x - lse. Padding gives p = 0.
float NegativeEntropy(const float* x, float lse, int64_t n) {
  const VF sub = hn::Set(D(), lse);
  return LaneSum(x, n, -1e30f, [&](VF v, VF acc) {
    const VF lp = hn::Sub(v, sub);
    return hn::MulAdd(Exp(lp), lp, acc);
  });
}

void LogProbsBackwardRow(float* x, int64_t n, float inverse_temperature, float lse, float dlogprob,
                         bool with_entropy, float dentropy, float entropy) {
  const D d;
  const VF scale = hn::Set(d, inverse_temperature);
  const VF sub = hn::Set(d, lse);
  const VF weight = hn::Set(d, dlogprob);
  const VF toward = hn::Set(d, dentropy);
  const VF mean = hn::Set(d, entropy);
  ForEachVector<1>({x}, x, n, [&](const VF(&v)[1]) {
    const VF lp = hn::Sub(hn::Mul(v[0], scale), sub);
    const VF p = Exp(lp);
    VF g = hn::Neg(hn::Mul(p, weight));
    if (with_entropy) g = hn::MulAdd(hn::Neg(hn::Mul(toward, p)), hn::Add(lp, mean), g);
    return g;
  });
}

// p and ds of one query against `count` keys: p holds scores (without scale), ds holds dout . v.
void SoftmaxGradient(float* p, float* ds, int64_t count, float scale, float lse, float delta) {
  const D d;
  const VF by = hn::Set(d, scale);
  const VF sub = hn::Set(d, lse);
  ForEachVector<1>({p}, p, count,
                   [&](const VF(&v)[1]) { return Exp(hn::Sub(hn::Mul(v[0], by), sub)); });
  ForEachVector<2>({p, ds}, ds, count, [&](const VF(&v)[2]) {
    return hn::Mul(hn::Mul(v[0], hn::Sub(v[1], hn::Set(d, delta))), by);
  });
}

void AdamW(const AdamWArgs& a, int64_t first, int64_t last) {
  const D d;
  const VF scale = hn::Set(d, a.gradient_scale);
  const VF beta1 = hn::Set(d, a.beta1);
  const VF beta2 = hn::Set(d, a.beta2);
  const VF rest1 = hn::Set(d, 1.0f - a.beta1);
  const VF rest2 = hn::Set(d, 1.0f - a.beta2);
  const int64_t n = last - first;
  float* m = a.m + first;
  float* v = a.v + first;
  float* w = a.weight + first;
  const float* g = a.gradient + first;
  ForEachVector<2>({g, m}, m, n, [&](const VF(&x)[2]) {
    return hn::MulAdd(beta1, x[1], hn::Mul(rest1, hn::Mul(x[0], scale)));
  });
  ForEachVector<2>({g, v}, v, n, [&](const VF(&x)[2]) {
    const VF grad = hn::Mul(x[0], scale);
    return hn::MulAdd(beta2, x[1], hn::Mul(hn::Mul(rest2, grad), grad));
  });
  const VF correction1 = hn::Set(d, a.bias_correction1);
  const VF correction2 = hn::Set(d, a.bias_correction2);
  const VF eps = hn::Set(d, a.eps);
  const VF keep = hn::Set(d, 1.0f - a.lr * a.weight_decay);
  const VF rate = hn::Set(d, -a.lr);
  ForEachVector<3>({m, v, w}, w, n, [&](const VF(&x)[3]) {
    const VF step =
        hn::Div(hn::Div(x[0], correction1), hn::Add(hn::Sqrt(hn::Div(x[1], correction2)), eps));
    return hn::MulAdd(rate, step, hn::Mul(x[2], keep));
  });
}

double SumOfSquares(const float* x, int64_t n) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  using VD = hn::Vec<decltype(d)>;
  constexpr int64_t kHalf = kVec / 2;  // doubles in one register
  VD acc[2 * kParts];
  for (VD& v : acc) v = hn::Zero(d);
  const auto add = [&](const float* from) {
    for (int p = 0; p < 2 * kParts; ++p) {
      const VD v = hn::PromoteTo(d, hn::LoadU(df, from + p * kHalf));
      acc[p] = hn::MulAdd(v, v, acc[p]);
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) add(x + i);
  if (i < n) add(Padded16(x + i, n - i).values);
  alignas(64) double lane[kLanes];
  for (int p = 0; p < 2 * kParts; ++p) hn::Store(acc[p], d, lane + p * kHalf);
  for (int64_t h = kLanes / 2; h >= 1; h /= 2) {
    for (int64_t j = 0; j < h; ++j) lane[j] += lane[j + h];
  }
  return lane[0];
}

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // target

#endif  // AHA_KERNELS_CPU_BACKWARD_INL_H_
