// Runs the built program as a user does: arguments and standard input in, output and exit code out.
#ifndef AHA_TESTS_RUN_AHA_H_
#define AHA_TESTS_RUN_AHA_H_

#include <map>
#include <string>
#include <vector>

namespace aha {

struct Ran {
  std::string out, err;
  int exit_code = -1;     // 128 + signal when a signal ended it
  double peak_bytes = 0;  // of memory that was resident
};

// `environment` is added to ours. Fails the test and kills the program after `seconds`.
Ran RunAha(const std::vector<std::string>& arguments, const std::string& input = "",
           const std::map<std::string, std::string>& environment = {}, int seconds = 120);

}  // namespace aha

#endif  // AHA_TESTS_RUN_AHA_H_
