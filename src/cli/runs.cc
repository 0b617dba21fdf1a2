// aha runs: what training runs did, as curves in the terminal and as an SVG.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/nearest_name.h"
#include "cli/command.h"
#include "cli/graph.h"
#include "train/run_records.h"

namespace aha::cli {
namespace {

namespace fs = std::filesystem;

struct RunsFlags {
  std::string folder = "runs";
  std::vector<std::string> runs;
  std::vector<std::string> metrics;
  std::string svg;
};

// One metric over a run's steps; stages follow each other.
struct Curve {
  std::vector<double> steps, values;
};
using Curves = std::map<std::string, Curve>;

// A run's folder, or its name in the runs' folder.
fs::path FolderOf(const RunsFlags& flags, const std::string& run) {
  return fs::exists(fs::path(run) / "metrics.jsonl") ? fs::path(run) : fs::path(flags.folder) / run;
}

Result<std::vector<Json>> LinesOf(const fs::path& folder) {
  if (!fs::exists(folder / "metrics.jsonl")) {
    return NotFound("{} is no run: it has no metrics.jsonl", folder.string());
  }
  RunRecord run(folder);
  AHA_RETURN_IF_ERROR(run.Refresh());
  for (const std::string& line : run.skipped()) fmt::print(stderr, "left out: {}\n", line);
  return run.Metrics(0, run.metrics_size());
}

Curves CurvesOf(const std::vector<Json>& lines) {
  Curves curves;
  for (const Json& line : lines) {
    const double step = line.value("total_step", 0.0);
    for (const auto& [key, value] : line.items()) {
      if (!value.is_number() || key == "step" || key == "total_step" || key == "time") continue;
      // What a stage began with is the curve's first point.
      const bool base = key.starts_with("base_");
      Curve& curve = curves[base ? key.substr(5) : key];
      curve.steps.push_back(base ? step - 1 : step);
      curve.values.push_back(value.get<double>());
    }
  }
  return curves;
}

Status List(const RunsFlags& flags) {
  if (!fs::is_directory(flags.folder)) return NotFound("there is no folder {}", flags.folder);
  RunsFolder folder(flags.folder);
  std::vector<RunSummary> runs = folder.List();
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const RunSummary& run : runs) {
    const auto number = [&](const char* key) {
      return run.last.contains(key) ? fmt::format("  {} {:.3f}", key, run.last[key].get<double>())
                                    : "";
    };
    const char* state = run.state == RunSummary::State::kRunning    ? "running"
                        : run.state == RunSummary::State::kFinished ? "finished"
                                                                    : "stopped";
    fmt::print("{:24} {} {}  {}{}{}{}\n", run.name, run.stage.empty() ? "-" : run.stage, run.step,
               state, number("loss"), number("reward"), number("eval/accuracy"));
  }
  return OkStatus();
}

// The metrics asked for, or those that tell most.
std::vector<std::string> Chosen(const RunsFlags& flags, const Curves& curves) {
  if (!flags.metrics.empty()) return flags.metrics;
  std::vector<std::string> out;
  for (const char* key : {"loss", "reward", "eval/accuracy", "eval/greedy_accuracy", "think_share",
                          "completions/mean_length", "reflection_words", "entropy", "grad_norm"}) {
    if (curves.contains(key)) out.emplace_back(key);
  }
  return out;
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return out;
}

// One panel a metric, one line a run.
std::string Svg(const std::vector<std::pair<std::string, Curves>>& runs,
                const std::vector<std::string>& metrics) {
  static constexpr const char* kColours[] = {"#3b6fb6", "#c4572e", "#3f8f5b", "#8a5bb0", "#8c7326"};
  constexpr int kWidth = 640, kHeight = 180, kLeft = 64, kTop = 28, kRight = 12, kBottom = 24;
  std::string body;
  int top = 0;
  for (const std::string& metric : metrics) {
    double low = INFINITY, high = -INFINITY, first = INFINITY, last = -INFINITY;
    for (const auto& [name, curves] : runs) {
      const auto found = curves.find(metric);
      if (found == curves.end()) continue;
      for (size_t i = 0; i < found->second.values.size(); ++i) {
        low = std::min(low, found->second.values[i]);
        high = std::max(high, found->second.values[i]);
        first = std::min(first, found->second.steps[i]);
        last = std::max(last, found->second.steps[i]);
      }
    }
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double rise = high > low ? high - low : 1;
    const double run = last > first ? last - first : 1;
    const double width = kWidth - kLeft - kRight;
    const double height = kHeight - kTop - kBottom;
    body += fmt::format("<text x='{}' y='{}' font-weight='600'>{}</text>", kLeft, top + 18,
                        Escaped(metric));
    body += fmt::format(
        "<path d='M{0} {1}V{2}H{3}' fill='none' stroke='#999'/>"
        "<text x='{4}' y='{5}' text-anchor='end'>{6:.3g}</text>"
        "<text x='{4}' y='{2}' text-anchor='end'>{7:.3g}</text>"
        "<text x='{0}' y='{8}'>step {10:.0f}</text>"
        "<text x='{3}' y='{8}' text-anchor='end'>{9:.0f}</text>",
        kLeft, top + kTop, top + kHeight - kBottom, kWidth - kRight, kLeft - 6, top + kTop + 8,
        high, low, top + kHeight - 6, last, first);
    for (size_t r = 0; r < runs.size(); ++r) {
      const auto found = runs[r].second.find(metric);
      if (found == runs[r].second.end()) continue;
      std::string points;
      for (size_t i = 0; i < found->second.values.size(); ++i) {
        points +=
            fmt::format("{:.1f},{:.1f} ", kLeft + (found->second.steps[i] - first) / run * width,
                        top + kTop + (high - found->second.values[i]) / rise * height);
      }
      body += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='1.5'/>",
                          points, kColours[r % std::size(kColours)]);
    }
    top += kHeight;
  }
  for (size_t r = 0; r < runs.size(); ++r) {
    body += fmt::format("<text x='{}' y='{}' fill='{}'>{}</text>", kLeft, top + 18 + 18 * r,
                        kColours[r % std::size(kColours)], Escaped(runs[r].first));
  }
  return fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 {0} {1}' "
      "font-family='sans-serif' font-size='12' fill='#333'><rect width='100%' height='100%' "
      "fill='#fff'/>{2}</svg>\n",
      kWidth, top + 28 + 18 * static_cast<int>(runs.size()), body);
}

Status Show(const RunsFlags& flags) {
  std::vector<std::pair<std::string, Curves>> runs;
  for (const std::string& run : flags.runs) {
    const fs::path folder = FolderOf(flags, run);
    AHA_ASSIGN_OR_RETURN(const std::vector<Json> lines, LinesOf(folder));
    if (lines.empty()) return InvalidArgument("{} has no steps yet", folder.string());
    runs.emplace_back(run, CurvesOf(lines));
  }
  const std::vector<std::string> metrics = Chosen(flags, runs.front().second);
  for (const std::string& metric : metrics) {
    bool any = false;
    for (const auto& [name, curves] : runs) {
      const auto found = curves.find(metric);
      if (found == curves.end()) continue;
      const auto [low, high] =
          std::minmax_element(found->second.values.begin(), found->second.values.end());
      fmt::print("{:>26} {:16} {:>9.4g} -> {:<9.4g} {}  ({:.4g}..{:.4g})\n", any ? "" : metric,
                 runs.size() > 1 ? fs::path(name).filename().string() : "",
                 found->second.values.front(), found->second.values.back(),
                 Sparkline(found->second.values, 48), *low, *high);
      any = true;
    }
    if (any) continue;
    std::vector<std::string> names;
    for (const auto& [key, curve] : runs.front().second) names.push_back(key);
    const std::string nearest = NearestName(metric, names);
    return InvalidArgument("no run has the metric '{}'{}", metric,
                           nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
  }
  if (flags.svg.empty()) return OkStatus();
  return WriteFileAtomic(flags.svg, Svg(runs, metrics));
}

}  // namespace

void AddRuns(CLI::App& app, Command* run) {
  auto flags = std::make_shared<RunsFlags>();
  CLI::App* runs = app.add_subcommand("runs", "Training runs: curves in the terminal, SVG.");
  runs->require_subcommand(1);
  CLI::App* list = runs->add_subcommand("list", "the runs there are, with where they stand");
  CLI::App* show = runs->add_subcommand("show", "one run's curves");
  CLI::App* compare = runs->add_subcommand("compare", "several runs' curves together");
  list->add_option("folder", flags->folder, "where the runs are; runs without it");
  for (CLI::App* verb : {show, compare}) {
    verb->add_option("run", flags->runs, "a run's folder, or its name in --folder")
        ->required()
        ->expected(1, verb == show ? 1 : 64);
    verb->add_option("--folder", flags->folder, "where the runs are");
    verb->add_option("--metric", flags->metrics, "metrics by name")->allow_extra_args(false);
    verb->add_option("--svg", flags->svg, "also write the curves to this file");
    verb->callback([flags, run] { *run = [flags] { return Show(*flags); }; });
  }
  list->callback([flags, run] { *run = [flags] { return List(*flags); }; });
}

}  // namespace aha::cli
