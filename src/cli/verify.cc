// aha verify: does this checkpoint's last step come out with the same bits again?
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "train/verify.h"

namespace aha::cli {
namespace {

struct VerifyFlags {
  std::string folder;
  int threads = 0;
  bool from_start = false;
  bool no_replay = false;
};

Status RunVerify(const VerifyFlags& flags) {
  AHA_ASSIGN_OR_RETURN(const kernels::Backend* backend, ChooseBackend());
  const InterruptGuard interrupt;
  AHA_ASSIGN_OR_RETURN(const VerifyReport r,
                       Verify(flags.folder, {.threads = flags.threads > 0 ? flags.threads : Cores(),
                                             .backend = backend,
                                             .program = "aha " AHA_VERSION,
                                             .from_start = flags.from_start,
                                             .replay = !flags.no_replay,
                                             .stop = [&] { return interrupt.interrupted(); },
                                             .say = {}}));
  fmt::print("files: as the run wrote them\n");
  for (const std::string& parent : r.parents) fmt::print("parent: {}\n", parent);
  for (const std::string& input : r.inputs) fmt::print("input: {}\n", input);
  if (!r.replayed) {
    fmt::print("replay: not done; {}\n", r.why_not);
    return OkStatus();
  }
  if (!r.same) {
    return InvalidArgument("steps {} to {} done anew give other bits{}", r.from + 1, r.to,
                           r.first_difference.empty() ? "" : ": " + r.first_difference);
  }
  if (!r.first_difference.empty()) {
    return InvalidArgument("the weights agree, but metrics.jsonl does not: {}", r.first_difference);
  }
  fmt::print("replay: steps {} to {} done anew, every bit the same ({}, {} threads)\n", r.from + 1,
             r.to, backend->name(), flags.threads > 0 ? flags.threads : Cores());
  return OkStatus();
}

}  // namespace

void AddVerify(CLI::App& app, Command* run) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verify = app.add_subcommand(
      "verify", "Do a checkpoint's last steps again and say whether the bits agree.");
  verify->add_option("checkpoint", flags->folder, "runs/NAME/checkpoints/step-N, or a final folder")
      ->required();
  verify->add_option("--threads", flags->threads, "threads; all cores without it")
      ->check(CLI::Range(1, 1024));
  verify->add_flag("--from-start", flags->from_start, "do the whole recipe again");
  verify->add_flag("--no-replay", flags->no_replay, "look at hashes and parents only");
  verify->callback([flags, run] { *run = [flags] { return RunVerify(*flags); }; });
}

}  // namespace aha::cli
