#include "base/portable_math.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace aha::portable {
namespace {

// 2^n for n in [-1022, 1023].
double PowerOfTwo(int n) { return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52); }

// Horner over coefficients given from the highest power down.
template <size_t N>
double Horner(double x, const double (&coefficients)[N]) {
  double sum = coefficients[0];
  for (size_t i = 1; i < N; ++i) sum = sum * x + coefficients[i];
  return sum;
}

constexpr double kLn2Hi = 6.93147180369123816490e-01;  // low 32 bits zero
constexpr double kLn2Lo = 1.90821492927058770002e-10;

// pi/2 in three parts of 33 bits: k * part is exact for |k| < 2^20.
constexpr double kPio2A = 1.57079632673412561417e+00;
constexpr double kPio2B = 6.07710050630396597660e-11;
constexpr double kPio2C = 2.02226624879595063154e-21;

struct Reduced {
  double r;      // in [-pi/4, pi/4]
  int quadrant;  // 0..3
};

Reduced ReduceByHalfPi(double x) {
  CHECK(std::abs(x) <= 1e7, "angle out of range");
  const double k = std::nearbyint(x * 6.36619772367581382433e-01);
  const double r = ((x - k * kPio2A) - k * kPio2B) - k * kPio2C;
  return {r, static_cast<int>(static_cast<int64_t>(k) & 3)};
}

// Taylor series, |r| <= pi/4: the first left-out term is below 1e-17.
double SinPolynomial(double r) {
  const double z = r * r;
  static constexpr double kC[] = {-1.0 / 121645100408832000.0,
                                  1.0 / 355687428096000.0,
                                  -1.0 / 1307674368000.0,
                                  1.0 / 6227020800.0,
                                  -1.0 / 39916800.0,
                                  1.0 / 362880.0,
                                  -1.0 / 5040.0,
                                  1.0 / 120.0,
                                  -1.0 / 6.0};
  return r + r * z * Horner(z, kC);
}

double CosPolynomial(double r) {
  const double z = r * r;
  static constexpr double kC[] = {1.0 / 2432902008176640000.0,
                                  -1.0 / 6402373705728000.0,
                                  1.0 / 20922789888000.0,
                                  -1.0 / 87178291200.0,
                                  1.0 / 479001600.0,
                                  -1.0 / 3628800.0,
                                  1.0 / 40320.0,
                                  -1.0 / 720.0,
                                  1.0 / 24.0};
  return (1.0 - 0.5 * z) + z * z * Horner(z, kC);
}

}  // namespace

float Exp(float x) {
  using C = ExpConstants;
  if (std::isnan(x)) return x;
  if (x < C::kMin) return 0.0f;
  if (x > C::kMax) return std::numeric_limits<float>::infinity();
  const float n = std::nearbyint(x * C::kLog2E);
  float r = std::fma(n, -C::kLn2Hi, x);
  r = std::fma(n, -C::kLn2Lo, r);
  float p = std::fma(C::kC7, r, C::kC6);
  p = std::fma(p, r, C::kC5);
  p = std::fma(p, r, C::kC4);
  p = std::fma(p, r, C::kC3);
  p = std::fma(p, r, C::kC2);
  p = std::fma(p, r * r, r);
  p = p + 1.0f;
  // n may be 128, past the largest exponent: scale in two steps.
  const int i = static_cast<int>(n);
  const int half = i >> 1;
  const float a = std::bit_cast<float>(static_cast<uint32_t>(half + 127) << 23);
  const float b = std::bit_cast<float>(static_cast<uint32_t>(i - half + 127) << 23);
  return p * a * b;
}

double Exp(double x) {
  if (std::isnan(x)) return x;
  if (x < -745.2) return 0.0;
  if (x > 709.79) return std::numeric_limits<double>::infinity();
  const double n = std::nearbyint(x * 1.44269504088896340736);
  const double r = (x - n * kLn2Hi) - n * kLn2Lo;
  static constexpr double kC[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0,
                                  1.0 / 3628800.0,    1.0 / 362880.0,    1.0 / 40320.0,
                                  1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,
                                  1.0 / 24.0,         1.0 / 6.0,         0.5};
  const double p = 1.0 + (r + r * r * Horner(r, kC));
  const int i = static_cast<int>(n);
  const int half = i / 2;
  return p * PowerOfTwo(half) * PowerOfTwo(i - half);
}

double Log(double x) {
  if (std::isnan(x) || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -std::numeric_limits<double>::infinity();
  if (std::isinf(x)) return x;
  int exponent = 0;
  if (x < 2.2250738585072014e-308) {  // subnormal
    x *= 18014398509481984.0;         // 2^54
    exponent = -54;
  }
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  exponent += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFULL) | (1023ULL << 52));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log m = 2 atanh(s), s = (m-1)/(m+1), |s| <= 0.1716; terms to s^23.
  const double f = m - 1.0;
  const double s = f / (m + 1.0);
  const double z = s * s;
  static constexpr double kC[] = {2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                                  2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
  const double tail = s * z * Horner(z, kC);
  const double e = exponent;
  return e * kLn2Hi + (2.0 * s + (tail + e * kLn2Lo));
}

double Sin(double x) {
  const Reduced t = ReduceByHalfPi(x);
  const double value = (t.quadrant & 1) != 0 ? CosPolynomial(t.r) : SinPolynomial(t.r);
  return (t.quadrant & 2) != 0 ? -value : value;
}

double Cos(double x) {
  const Reduced t = ReduceByHalfPi(x);
  const double value = (t.quadrant & 1) != 0 ? SinPolynomial(t.r) : CosPolynomial(t.r);
  return t.quadrant == 1 || t.quadrant == 2 ? -value : value;
}

double Pow(double x, double y) { return Exp(y * Log(x)); }

}  // namespace aha::portable
