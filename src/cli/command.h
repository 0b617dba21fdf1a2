// A verb of the command line: it adds its flags to the app and leaves what to run in *run.
#ifndef AHA_CLI_COMMAND_H_
#define AHA_CLI_COMMAND_H_

#include <CLI/CLI.hpp>

#include <functional>

#include "base/status.h"

namespace aha::cli {

// What the chosen verb does; an error is printed as one line and the exit code is 1.
using Command = std::function<Status()>;

void AddAsk(CLI::App& app, Command* run);
void AddChat(CLI::App& app, Command* run);
void AddTokenize(CLI::App& app, Command* run);
void AddScore(CLI::App& app, Command* run);
void AddBench(CLI::App& app, Command* run);
void AddTrain(CLI::App& app, Command* run);
void AddEval(CLI::App& app, Command* run);
void AddRuns(CLI::App& app, Command* run);
void AddVerify(CLI::App& app, Command* run);
void AddServe(CLI::App& app, Command* run);
void AddDoctor(CLI::App& app, Command* run);
void AddReplay(CLI::App& app, Command* run);
void AddModels(CLI::App& app, Command* run);

}  // namespace aha::cli

#endif  // AHA_CLI_COMMAND_H_
