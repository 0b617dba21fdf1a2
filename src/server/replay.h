// An answer made again from its receipt, and whether every bit is the same.
//
//   AHA_ASSIGN_OR_RETURN(ReplayReport report, Replay(receipt, {.backend = backend, .threads = 4}));
//   if (!report.difference.empty()) ...
#ifndef AHA_SERVER_REPLAY_H_
#define AHA_SERVER_REPLAY_H_

#include <filesystem>
#include <string>
#include <vector>

#include "server/model_host.h"

namespace aha {

struct ReplayOptions {
  const kernels::Backend* backend = nullptr;
  int threads = 1;
  std::string model;           // as ResolveModel takes it; "": the receipt's id
  std::filesystem::path runs;  // where ids of checkpoints are looked for
  std::string version;         // of this program
  int load = 0;                // other requests that run meanwhile
};

struct ReplayReport {
  std::string model;
  int64_t samples = 0, tokens = 0;
  std::string difference;          // the first one; "": every bit is the same
  std::vector<std::string> notes;  // what is not as it was: version, code path
};

// Errors: a receipt that is none (the field is named), a model that is not there, or whose weights
// or template are not the receipt's.
Result<ReplayReport> Replay(const Json& receipt, const ReplayOptions& options);

}  // namespace aha

#endif  // AHA_SERVER_REPLAY_H_
