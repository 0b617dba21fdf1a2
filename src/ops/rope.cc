#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/portable_math.h"

namespace aha::ops {
namespace {

double Scale(const Llama3Scaling& s, double frequency) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < s.original_max_positions / s.high_freq_factor) return frequency;
  if (wavelength > s.original_max_positions / s.low_freq_factor) return frequency / s.factor;
  const double smooth = (s.original_max_positions / wavelength - s.low_freq_factor) /
                        (s.high_freq_factor - s.low_freq_factor);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

void Scale(const YarnScaling& s, const RopeSettings& settings, std::span<double> frequencies) {
  YarnRange range = YarnCorrectionRange(s, settings.theta, settings.dim);
  if (range.low == range.high) range.high += 0.001;  // as everywhere: a step, not a division by 0
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp =
        std::clamp((static_cast<double>(i) - range.low) / (range.high - range.low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / s.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

}  // namespace

double YarnMscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * portable::Log(factor) + 1.0;
}

YarnRange YarnCorrectionRange(const YarnScaling& scaling, double theta, int64_t dim) {
  const auto n = static_cast<double>(dim);
  // The dimension that turns `rotations` times within the original context.
  const auto dimension = [&](double rotations) {
    return n * portable::Log(scaling.original_max_positions / (rotations * 2 * std::numbers::pi)) /
           (2 * portable::Log(theta));
  };
  double low = dimension(scaling.beta_fast);
  double high = dimension(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  return {std::max(low, 0.0), std::min(high, n - 1)};
}

RopeTable::RopeTable(const RopeSettings& settings) : layout_(settings.layout) {
  CHECK(settings.dim > 0 && settings.dim % 2 == 0, "rope over " + std::to_string(settings.dim));
  CHECK(settings.theta > 1, "theta " + std::to_string(settings.theta));
  const auto dim = static_cast<double>(settings.dim);
  for (int64_t i = 0; i < settings.dim / 2; ++i) {
    frequencies_.push_back(1 / portable::Pow(settings.theta, static_cast<double>(2 * i) / dim));
  }
  if (const auto* linear = std::get_if<LinearScaling>(&settings.scaling)) {
    for (double& f : frequencies_) f /= linear->factor;
  } else if (const auto* llama3 = std::get_if<Llama3Scaling>(&settings.scaling)) {
    for (double& f : frequencies_) f = Scale(*llama3, f);
  } else if (const auto* yarn = std::get_if<YarnScaling>(&settings.scaling)) {
    Scale(*yarn, settings, frequencies_);
    multiplier_ = yarn->attention_factor;
  }
}

void RopeTable::Reserve(int64_t n) {
  CHECK(n <= kMostPositions, "rope table of " + std::to_string(n) + " positions");
  if (n <= positions_) return;
  const size_t half = frequencies_.size();
  cos_.resize(static_cast<size_t>(n) * half);
  sin_.resize(static_cast<size_t>(n) * half);
  for (int64_t p = positions_; p < n; ++p) {
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * frequencies_[i];
      const size_t at = static_cast<size_t>(p) * half + i;
      cos_[at] = static_cast<float>(portable::Cos(angle) * multiplier_);
      sin_[at] = static_cast<float>(portable::Sin(angle) * multiplier_);
    }
  }
  positions_ = n;
}

Tensor Rope(Context& cx, const Tensor& x, std::span<const int32_t> positions,
            const RopeTable& table) {
  CHECK(x.shape.rank() == 3 && x.shape[0] == static_cast<int64_t>(positions.size()) &&
            x.shape[2] == table.dim(),
        "x " + x.shape.ToString() + ", " + std::to_string(positions.size()) +
            " positions, rope over " + std::to_string(table.dim()));
  for (int32_t p : positions) {
    CHECK(p >= 0 && p < table.positions(), "position " + std::to_string(p) +
                                               " in a rope table of " +
                                               std::to_string(table.positions()));
  }
  kernels::RopeArgs args = {.x = x.data,
                            .rows = x.shape[0],
                            .row_stride = x.shape[1] * x.shape[2],
                            .heads = x.shape[1],
                            .head_stride = x.shape[2],
                            .dim = x.shape[2],
                            .layout = table.layout(),
                            .cos = table.cos(),
                            .sin = table.sin(),
                            .positions = positions.data()};
  cx.backend().Rope(cx.kernels, args);
  if (cx.tape != nullptr) {
    cx.tape->Record([x, args](Context& cx) mutable {
      args.x = cx.tape->Gradient(x).data;  // turned in place
      args.inverse = true;
      cx.backend().Rope(cx.kernels, args);
    });
  }
  return x;
}

}  // namespace aha::ops
