// The user's own checker: any program that reads requests and writes answers, one JSON object a
// line (docs/environments.md has the protocol and an example).
//
//   request  {"id":7,"op":"grade","problem":{"prompt":...,...},"completion":"<think>..."}
//   answer   {"id":7,"reward":1,"format":true,"answer":"42","why":"right"}
//
// The checker cannot hang or kill a run. One that does not answer in time, dies, or writes anything
// but its answer is killed with all it started, started again, and asked the same once more; a
// completion that it fails on twice scores 0, and `why` says so. A run ends, with a sentence, when
// the checker has failed more than `restarts` times in a row, or gives a reward that is none.
#ifndef AHA_ENVS_COMMAND_H_
#define AHA_ENVS_COMMAND_H_

#include "envs/environment.h"

namespace aha {

// Options: command (the program and its arguments, a list of strings; no shell), timeout_seconds
// (10) for each answer, the first one's start included, memory_mb (4096; 0: no limit) of address
// space for each of its processes, restarts (10), and those of a file of problems: path, prefix,
// suffix, on_error. The checker gets the file's line as `problem`; an "answer" may be missing
// there.
//
// It is started here, and must grade an empty completion of the first problem: a run whose checker
// cannot work does not begin.
Result<std::unique_ptr<Environment>> MakeCommand(const Json& options);

}  // namespace aha

#endif  // AHA_ENVS_COMMAND_H_
