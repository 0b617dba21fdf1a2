#include "base/portable_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace aha::portable {
namespace {

// libm in long double stands as the oracle; it need not have our bits, only the value.
TEST(PortableMath, FloatExpIsWithinTwoUlp) {
  for (float x = -87.3f; x < 88.7f; x += 0.00137f) {
    const double exact = static_cast<double>(std::exp(static_cast<long double>(x)));
    const float ulp =
        std::nextafter(static_cast<float>(exact), INFINITY) - static_cast<float>(exact);
    EXPECT_LE(std::abs(Exp(x) - exact), 2.0 * ulp) << x;
  }
}

TEST(PortableMath, FloatExpEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(-inf), 0.0f);
  EXPECT_EQ(Exp(-100.0f), 0.0f);
  EXPECT_EQ(Exp(inf), inf);
  EXPECT_EQ(Exp(89.0f), inf);
  EXPECT_TRUE(std::isnan(Exp(std::nanf(""))));
}

TEST(PortableMath, DoubleExpAndLog) {
  for (double x = -700; x < 700; x += 0.7331) {
    const double exact = static_cast<double>(std::exp(static_cast<long double>(x)));
    EXPECT_NEAR(Exp(x) / exact, 1.0, 5e-16) << x;
    EXPECT_NEAR(Log(exact), x, 5e-16 * std::max(1.0, std::abs(x))) << x;
  }
  for (double x = 0.5; x < 2.0; x += 0.000317) {
    EXPECT_NEAR(Log(x), static_cast<double>(std::log(static_cast<long double>(x))), 3e-16) << x;
  }
  EXPECT_EQ(Log(1.0), 0.0);
  EXPECT_EQ(Log(0.0), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(Log(-1.0)));
  EXPECT_NEAR(Log(5e-324), -744.4400719213812, 1e-12);
}

TEST(PortableMath, SinAndCos) {
  for (double x = -1000; x < 1000; x += 0.01731) {
    EXPECT_NEAR(Sin(x), static_cast<double>(std::sin(static_cast<long double>(x))), 1e-15) << x;
    EXPECT_NEAR(Cos(x), static_cast<double>(std::cos(static_cast<long double>(x))), 1e-15) << x;
  }
  for (double x = 100000; x < 163840; x += 17.77) {
    EXPECT_NEAR(Sin(x), static_cast<double>(std::sin(static_cast<long double>(x))), 1e-14) << x;
  }
}

TEST(PortableMath, Pow) {
  EXPECT_NEAR(Pow(10000.0, -2.0 / 64), std::pow(10000.0, -2.0 / 64), 1e-15);
  EXPECT_NEAR(Pow(1e6, 0.5), 1000.0, 1e-11);
}

}  // namespace
}  // namespace aha::portable
