// aha: wires the parts together, one file per verb.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "cli/command.h"

namespace {

// One line, whatever the message holds.
void PrintError(std::string message) {
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  while (!message.empty() && message.back() == ' ') message.pop_back();
  fmt::print(stderr, "aha: {}\n", message);
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away makes writes fail, which ends us in order.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Runs, serves and grows reasoning models on this machine.", "aha");
  app.set_version_flag("--version", "aha " AHA_VERSION);
  app.require_subcommand(1);
  app.footer("Models lie in $AHA_MODELS; AHA_CPU=amx|avx512|avx2|ref forces a code path.");
  aha::cli::Command run;
  aha::cli::AddAsk(app, &run);
  aha::cli::AddChat(app, &run);
  aha::cli::AddServe(app, &run);
  aha::cli::AddDoctor(app, &run);
  aha::cli::AddReplay(app, &run);
  aha::cli::AddModels(app, &run);
  aha::cli::AddBench(app, &run);
  aha::cli::AddTrain(app, &run);
  aha::cli::AddEval(app, &run);
  aha::cli::AddRuns(app, &run);
  aha::cli::AddVerify(app, &run);
  aha::cli::AddTokenize(app, &run);
  aha::cli::AddScore(app, &run);
  if (argc < 2) {
    PrintError("no command is given; aha --help lists them, aha ask \"...\" asks a question");
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    PrintError(e.what());
    return 2;
  }
  const aha::Status status = run();
  if (status.ok() && std::fflush(stdout) == 0) return 0;
  if (!status.ok()) PrintError(status.message());
  return 1;
}
