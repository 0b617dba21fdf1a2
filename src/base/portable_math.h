// exp, log, sin and cos that give the same bits on every machine, compiler and vector width.
//
// libm's differ between versions; ours are polynomials in a fixed order of IEEE operations. The
// float Exp is also the contract for the SIMD kernels: they perform the same operations lane by
// lane.
#ifndef AHA_BASE_PORTABLE_MATH_H_
#define AHA_BASE_PORTABLE_MATH_H_

#include <cstdint>

namespace aha::portable {

// Constants of float Exp, shared with kernels/cpu: x = n*ln2 + r, |r| <= ln2/2, exp(r) by a
// degree-6 polynomial evaluated by Horner with fused multiply-adds.
struct ExpConstants {
  static constexpr float kLog2E = 1.44269504088896341f;
  static constexpr float kLn2Hi = 0.693359375f;  // 9 bits: n * kLn2Hi is exact
  static constexpr float kLn2Lo = -2.12194440054690583e-4f;
  static constexpr float kMin = -87.33654f;  // below: 0 (no subnormal results)
  static constexpr float kMax = 88.72283f;   // above: +inf
  static constexpr float kC2 = 5.0000001201e-1f, kC3 = 1.6666665459e-1f, kC4 = 4.1665795894e-2f,
                         kC5 = 8.3334519073e-3f, kC6 = 1.3981999507e-3f, kC7 = 1.9875691500e-4f;
};

float Exp(float x);  // within 2 ulp; 0 below -87.33, +inf above 88.72, NaN for NaN

double Exp(double x);  // within 2 ulp
double Log(double x);  // within 2 ulp; -inf at 0, NaN below
double Sin(double x);  // |x| <= 1e7, absolute error <= 1e-15
double Cos(double x);
double Pow(double x, double y);  // x > 0; relative error ~1e-15 * max(1, |y log x|)

}  // namespace aha::portable

#endif  // AHA_BASE_PORTABLE_MATH_H_
