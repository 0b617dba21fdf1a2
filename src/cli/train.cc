// aha train: a recipe's run, watched from the terminal.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "cli/command.h"
#include "cli/graph.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "train/plan.h"

namespace aha::cli {
namespace {

struct TrainFlags {
  std::string recipe;
  std::vector<std::string> set;
  std::string out;
  int threads = 0;
  bool resume = false;
  bool dry_run = false;
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string Duration(double seconds) {
  const auto s = static_cast<int64_t>(std::max(0.0, seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02} min", s / 60, s % 60);
  return fmt::format("{}:{:02} h", s / 3600, s / 60 % 60);
}

// One line a step in a pipe; on a terminal a block that is drawn over.
class View {
 public:
  explicit View(int64_t steps) : steps_(steps), terminal_(isatty(1) != 0), start_(Seconds()) {}

  void Say(const std::string& text) {
    Erase();
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

  void Step(const Json& line) {
    const auto done = line["total_step"].get<int64_t>();
    if (first_ < 0) first_ = done - 1;
    for (const char* key : kShown) {
      if (line.contains(key)) history_[key].push_back(line[key].get<double>());
    }
    if (!terminal_) {
      fmt::print("{}\n", Plain(line));
      std::fflush(stdout);
      return;
    }
    if (Seconds() - drawn_ < 0.1 && done < steps_) return;
    drawn_ = Seconds();
    Erase();
    const double each = (Seconds() - start_) / static_cast<double>(done - first_);
    std::string text = fmt::format("{} step {} of {}, {} left, {:.0f} tokens/s\n",
                                   line["stage"].get<std::string>(), done, steps_,
                                   Duration(each * static_cast<double>(steps_ - done)),
                                   line.value("tokens_per_second", 0.0));
    rows_ = 1;
    for (const char* key : kShown) {
      const auto found = history_.find(key);
      if (found == history_.end()) continue;
      text += fmt::format("{:>26} {:>10.4f}  {}\n", key, found->second.back(),
                          Sparkline(found->second, 40));
      ++rows_;
    }
    fmt::print("{}", text);
    std::fflush(stdout);
  }

 private:
  static constexpr const char* kShown[] = {
      "loss",    "reward",        "completions/mean_length", "think_share",
      "entropy", "eval/accuracy", "eval/greedy_accuracy"};

  static std::string Plain(const Json& line) {
    std::string text =
        fmt::format("{} {}", line["stage"].get<std::string>(), line["step"].get<int64_t>());
    for (const char* key : kShown) {
      if (line.contains(key)) text += fmt::format("  {} {:.4f}", key, line[key].get<double>());
    }
    return text + fmt::format("  {:.2f} s", line["step_time"].get<double>());
  }

  void Erase() {
    for (; terminal_ && rows_ > 0; --rows_) fmt::print("\033[1A\033[2K");
  }

  int64_t steps_;
  bool terminal_;
  double start_;
  double drawn_ = 0;
  int64_t first_ = -1;
  int rows_ = 0;
  std::map<std::string, std::vector<double>> history_;
};

void PrintPlan(const Recipe& recipe, const RunPlan& plan) {
  fmt::print("{}: {} parameters, {} of them trained, seed {}\n", recipe.name, plan.parameters,
             plan.trained, recipe.seed);
  for (const StagePlan& stage : plan.stages) {
    fmt::print("  {}: {} steps, at most {:.3g} tokens, {:.3g} floating-point operations{}\n",
               stage.name, stage.steps, stage.trained, stage.flops,
               stage.seconds > 0 ? ", " + Duration(stage.seconds) : "");
  }
  fmt::print("  memory: {} for weights, gradients and moments",
             Bytes(plan.weight_bytes - plan.frozen_bytes));
  if (plan.frozen_bytes > 0) fmt::print(", {} for frozen weights", Bytes(plan.frozen_bytes));
  if (plan.activation_bytes == 0) {
    fmt::print(", and activations of at most {} tokens or {}\n", plan.micro_batch_tokens,
               Bytes(static_cast<double>(PassOptions().activation_bytes)));
    return;
  }
  fmt::print(", {} for activations of {} tokens\n", Bytes(plan.activation_bytes),
             plan.micro_batch_tokens);
  fmt::print("  measured here: {:.0f} tokens/s trained, {:.0f} tokens/s sampled\n",
             plan.train_speed, plan.sample_speed);
}

Status RunTrain(const TrainFlags& flags) {
  AHA_ASSIGN_OR_RETURN(const Recipe recipe, ReadRecipe(flags.recipe, flags.set));
  AHA_ASSIGN_OR_RETURN(const kernels::Backend* backend, ChooseBackend());
  const InterruptGuard interrupt;
  std::unique_ptr<View> view;
  RunOptions options{.out = flags.out.empty() ? "runs/" + recipe.name : flags.out,
                     .resume = flags.resume,
                     .threads = flags.threads > 0 ? flags.threads : Cores(),
                     .backend = backend,
                     .program = "aha " AHA_VERSION,
                     .stop = [&] { return interrupt.interrupted(); },
                     .on_step = [&](const Json& line) { view->Step(line); },
                     .say =
                         [&](const std::string& text) {
                           if (view != nullptr) view->Say(text);
                         }};
  const std::filesystem::path out = options.out;
  if (flags.dry_run) {
    // The plan is made where nothing stays.
    options.out = std::filesystem::temp_directory_path() / fmt::format("aha-dry-run-{}", getpid());
    options.resume = false;
    Status status;
    {
      const Result<std::unique_ptr<Run>> run = Run::Open(recipe, options);
      status = run.status();
      if (run.ok()) {
        const Result<RunPlan> plan = MakePlan(**run, /*measure=*/true);
        status = plan.status();
        if (plan.ok()) PrintPlan(recipe, *plan);
      }
    }
    std::error_code error;
    std::filesystem::remove_all(options.out, error);
    return status;
  }
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Run> run, Run::Open(recipe, std::move(options)));
  view = std::make_unique<View>(run->total_steps());
  AHA_ASSIGN_OR_RETURN(const RunPlan plan, MakePlan(*run, /*measure=*/false));
  PrintPlan(recipe, plan);
  AHA_ASSIGN_OR_RETURN(const RunEnd end, run->Go());
  if (!end.finished) {
    return Cancelled("stopped; aha train {} --out {} --resume goes on", flags.recipe, out.string());
  }
  view->Say(fmt::format("model: {}", (out / "final").string()));
  fmt::print("final weights sha256: {}\n", end.weights_sha256);
  return OkStatus();
}

}  // namespace

void AddTrain(CLI::App& app, Command* run) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* train = app.add_subcommand("train", "Train a model by a recipe.");
  train->add_option("recipe", flags->recipe, "a TOML file, e.g. recipes/parity.toml")->required();
  train->add_option("--set", flags->set, "KEY=VALUE in place of the recipe's, e.g. rl.lr=1e-4")
      ->allow_extra_args(false);
  train->add_option("--out", flags->out, "the run's folder; runs/NAME without it");
  train->add_option("--threads", flags->threads, "threads; all cores without it")
      ->check(CLI::Range(1, 1024));
  train->add_flag("--resume", flags->resume, "go on with the run in the folder");
  train->add_flag("--dry-run", flags->dry_run, "print the plan only");
  train->callback([flags, run] { *run = [flags] { return RunTrain(*flags); }; });
}

}  // namespace aha::cli
