// Problems from a file of JSON lines, {"prompt" or "question": ..., "answer": ...}: reasoning-gym's
// items are read as they are.
#ifndef AHA_ENVS_JSONL_H_
#define AHA_ENVS_JSONL_H_

#include "envs/environment.h"

namespace aha {

// Options: path; compare ("exact", "numeric" or "choice"; exact); on_error ("fail" or "skip" a
// broken line; fail); prefix and suffix put around the prompt. The answer is what follows the
// thought: the inside of its only <answer>, else of its only \boxed{}, else all of it.
Result<std::unique_ptr<Environment>> MakeJsonl(const Json& options);

// The number that a text is, exactly: "1,234.5", "-3/4", "50%", "$7", "10 cm". False when it is
// none.
bool SameNumber(std::string_view a, std::string_view b);

}  // namespace aha

#endif  // AHA_ENVS_JSONL_H_
