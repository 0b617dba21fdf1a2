// aha replay: an answer made again from its receipt; are the bits the same?
#include <fmt/format.h>

#include "base/files.h"
#include "cli/command.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "server/replay.h"

namespace aha::cli {
namespace {

struct ReplayFlags {
  std::string receipt, model, runs = "runs";
  int threads = 0, load = 0;
};

Status RunReplay(const ReplayFlags& flags) {
  std::string text;
  if (flags.receipt == "-") {
    AHA_ASSIGN_OR_RETURN(text, ReadStdin());
  } else {
    AHA_ASSIGN_OR_RETURN(text, ReadFile(flags.receipt));
  }
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.status().Within(flags.receipt);
  // A whole answer has its receipt in it.
  if (json->is_object() && json->contains("receipt")) *json = Json((*json)["receipt"]);
  AHA_ASSIGN_OR_RETURN(const kernels::Backend* backend, ChooseBackend());
  const int threads = flags.threads > 0 ? flags.threads : Cores();
  AHA_ASSIGN_OR_RETURN(const ReplayReport report, Replay(*json, {.backend = backend,
                                                                 .threads = threads,
                                                                 .model = flags.model,
                                                                 .runs = flags.runs,
                                                                 .version = AHA_VERSION,
                                                                 .load = flags.load}));
  for (const std::string& note : report.notes) fmt::print(stderr, "aha: note: {}\n", note);
  if (!report.difference.empty()) {
    return InvalidArgument("made again, the answer is another one: {}", report.difference);
  }
  fmt::print("replay: {} token{} of {}, every bit the same ({}, {} thread{}{})\n", report.tokens,
             report.tokens == 1 ? "" : "s", report.model, backend->name(), threads,
             threads == 1 ? "" : "s",
             flags.load > 0 ? fmt::format(", beside {} other requests", flags.load) : "");
  return OkStatus();
}

}  // namespace

void AddReplay(CLI::App& app, Command* run) {
  auto flags = std::make_shared<ReplayFlags>();
  CLI::App* replay = app.add_subcommand(
      "replay", "Make an answer again from its receipt and say whether the bits agree.");
  replay
      ->add_option("receipt", flags->receipt, "a file with the receipt or the answer; - for stdin")
      ->required();
  replay->add_option("-m,--model", flags->model, "where the model lies, if not under its name");
  replay->add_option("--runs", flags->runs,
                     "folder of training runs, for models that are checkpoints");
  replay->add_option("--threads", flags->threads, "threads; all cores without it")
      ->check(CLI::Range(1, 1024));
  replay->add_option("--load", flags->load, "other requests that run meanwhile")
      ->check(CLI::Range(0, 200));
  replay->callback([flags, run] { *run = [flags] { return RunReplay(*flags); }; });
}

}  // namespace aha::cli
