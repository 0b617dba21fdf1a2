// aha eval: how well a model answers checkable problems, and what an answer costs.
#include <fmt/format.h>

#include <chrono>
#include <sstream>

#include "base/files.h"
#include "cli/command.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "train/evaluate.h"
#include "train/metrics.h"
#include "train/toml.h"

namespace aha::cli {
namespace {

struct EvalFlags {
  SessionFlags session;
  std::vector<std::string> tasks;
  std::vector<std::string> set;
  int64_t problems = 256;
  int samples = 1;
  double temperature = 1;
  int64_t max_tokens = 512;
  uint64_t seed = 0;
  std::string split = "test";
  std::string save;
  bool json = false;
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Print(const std::string& task, const EvalResult& r, double seconds, double cost_tokens) {
  fmt::print("{}: {} problems, {} samples each\n", task, r.problems, r.samples);
  fmt::print("  pass@1 {:.3f} ({:.3f}..{:.3f}), greedy {:.3f}\n", r.pass_at_1, r.low, r.high,
             r.greedy);
  if (r.samples > 1) {
    fmt::print("  pass@{} {:.3f}, majority@{} {:.3f}\n", r.samples, r.pass_at_k, r.samples,
               r.majority_at_k);
  }
  fmt::print("  {:.1f} tokens an answer, {:.2f} think; right if they think {:.3f}, if not {:.3f}\n",
             r.mean_length, r.think_share, r.thinks_accuracy, r.short_accuracy);
  for (const auto& [name, value] : r.measures) fmt::print("  {} {:.4f}\n", name, value);
  fmt::print("  {:.2f} s; {:.0f} tokens a right answer\n", seconds, cost_tokens);
}

Status RunTask(const EvalFlags& flags, Session& session, const std::string& name, Json* all) {
  Json task = {{"name", name}};
  for (const std::string& one : flags.set) AHA_RETURN_IF_ERROR(SetFromText(one, &task));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Environment> env, MakeEnvironment(task));
  AHA_ASSIGN_OR_RETURN(const Split split, ParseSplit(flags.split));
  EvalOptions options{.problems = flags.problems,
                      .samples = flags.samples,
                      .max_tokens = flags.max_tokens,
                      .stop_ids = session.text->stop_ids,
                      .seed = flags.seed,
                      .split = split,
                      .chat = session.text->chat ? &*session.text->chat : nullptr};
  options.sampling.temperature = static_cast<float>(flags.temperature);
  LineFile save;
  if (!flags.save.empty()) {
    AHA_ASSIGN_OR_RETURN(save, LineFile::Open(flags.save, 0));
  }
  const InterruptGuard interrupt;
  const double start = Seconds();
  AHA_ASSIGN_OR_RETURN(const EvalResult r,
                       Evaluate(
                           *session.engine, session.text->tokenizer, *env, options,
                           [&](const EvalSample& s) -> Status {
                             if (flags.save.empty()) return OkStatus();
                             return save.Append({{"task", name},
                                                 {"problem", s.problem.id},
                                                 {"prompt", s.problem.prompt},
                                                 {"sample", s.sample},
                                                 {"text", s.text},
                                                 {"answer", s.score.extracted},
                                                 {"correct", s.score.correct},
                                                 {"why", s.score.why},
                                                 {"tokens", s.tokens}});
                           },
                           [&] { return interrupt.interrupted(); }));
  const double seconds = Seconds() - start;
  const double right = r.pass_at_1 * static_cast<double>(r.problems * r.samples);
  const auto per_right = [&](double x) { return right > 0 ? x / right : 0; };
  const double tokens = per_right(static_cast<double>(r.tokens));
  if (!flags.json) {
    Print(name, r, seconds, tokens);
    return OkStatus();
  }
  Json json = r.ToJson();
  json["task"] = name;
  json["seconds"] = seconds;
  json["tokens_per_correct"] = tokens;
  json["seconds_per_correct"] = per_right(seconds);
  json["flops_per_correct"] =
      tokens * 2 * static_cast<double>(session.text->model->info().active_parameters);
  all->push_back(std::move(json));
  return OkStatus();
}

Status RunEval(EvalFlags flags) {
  if (flags.session.cache_tokens == 0) flags.session.cache_tokens = 64 * (flags.max_tokens + 64);
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(flags.session));
  Json all = Json::array();
  for (const std::string& task : flags.tasks) {
    AHA_RETURN_IF_ERROR(RunTask(flags, *session, task, &all));
  }
  if (flags.json) fmt::print("{}\n", DumpJson(all.size() == 1 ? all[0] : all));
  return OkStatus();
}

}  // namespace

void AddEval(CLI::App& app, Command* run) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* eval = app.add_subcommand("eval", "Grade a model on checkable problems.");
  eval->add_option("tasks", flags->tasks, "parity, countdown, arithmetic, jsonl, command")
      ->required();
  eval->add_option("--set", flags->set, "an option of the task, e.g. numbers=4")
      ->allow_extra_args(false);
  eval->add_option("--n", flags->problems, "problems")->check(CLI::Range(1, 1 << 24));
  eval->add_option("-k", flags->samples, "samples of each problem")->check(CLI::Range(1, 4096));
  eval->add_option("--temperature", flags->temperature)->check(CLI::Range(0.0, 100.0));
  eval->add_option("--max-tokens", flags->max_tokens)->check(CLI::Range(1, 1 << 24));
  eval->add_option("--seed", flags->seed, "which problems, which draws");
  eval->add_option("--split", flags->split, "train, held_out or test");
  eval->add_option("--save", flags->save, "write every completion to this file, as JSON lines");
  eval->add_flag("--json", flags->json, "print JSON");
  flags->session.AddTo(*eval);
  eval->callback([flags, run] { *run = [flags] { return RunEval(*flags); }; });
}

}  // namespace aha::cli
