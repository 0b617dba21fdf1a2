// Problems from a file of JSON lines, {"prompt" or "question": ..., "answer": ...}, cut into splits
// by a hash of the prompt: what `jsonl` and `command` share.
#ifndef AHA_ENVS_PROBLEM_FILE_H_
#define AHA_ENVS_PROBLEM_FILE_H_

#include <functional>

#include "base/section.h"
#include "envs/environment.h"

namespace aha {

struct ProblemFileOptions {
  std::string path, prefix, suffix, system;
  bool chat = false;
  enum class OnError { kFail, kSkip } on_error = OnError::kFail;
  // Set by the environment, not by the user:
  bool whole_items = false;  // Problem::meta is all of the line, else its "metadata"
  bool needs_answer = true;
  std::function<Status(const Problem&)> check;  // of each line; may be empty

  std::string where;

  // path; on_error ("fail" or "skip" a broken line; fail); prefix and suffix put around the prompt;
  // chat (false; true: it is what a person says, put into the model's chat template) and system, a
  // system message before it.
  // `of` is how errors call the environment.
  void Read(Section& s, const std::string& of);
};

class ProblemFile {
 public:
  // Errors name the file, and the line where one is broken.
  static Result<ProblemFile> Open(const ProblemFileOptions& options);
  // A split that a short file leaves empty is the training one.
  const Problem& Get(Split split, uint64_t seed, uint64_t index) const;

 private:
  explicit ProblemFile(std::vector<Problem> problems);
  std::vector<Problem> by_split_[3];
};

}  // namespace aha

#endif  // AHA_ENVS_PROBLEM_FILE_H_
