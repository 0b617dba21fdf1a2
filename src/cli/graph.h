// Curves drawn with characters.
#ifndef AHA_CLI_GRAPH_H_
#define AHA_CLI_GRAPH_H_

#include <span>
#include <string>

namespace aha::cli {

// The last values as one line of at most `width` bars of eight heights, each the mean of its share.
std::string Sparkline(std::span<const double> values, int width);

}  // namespace aha::cli

#endif  // AHA_CLI_GRAPH_H_
