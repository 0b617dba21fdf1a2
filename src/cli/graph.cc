#include "cli/graph.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace aha::cli {

std::string Sparkline(std::span<const double> values, int width) {
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return "";
  const size_t columns = std::min(values.size(), static_cast<size_t>(width));
  std::vector<double> means;
  for (size_t c = 0; c < columns; ++c) {
    const size_t first = values.size() * c / columns;
    const size_t last = values.size() * (c + 1) / columns;
    double sum = 0;
    for (size_t i = first; i < last; ++i) sum += values[i];
    means.push_back(sum / static_cast<double>(last - first));
  }
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  const double least = *low;
  const double span = *high - least;
  std::string out;
  for (const double m : means) {
    const double height = span > 0 ? (m - least) / span : 0;
    out += kBars[std::isfinite(height) ? static_cast<int>(std::min(7.0, height * 8)) : 0];
  }
  return out;
}

}  // namespace aha::cli
