// Problems from a file of JSON lines, {"prompt" or "question": ..., "answer": ...}: reasoning-gym's
// items are read as they are.
#ifndef AHA_ENVS_JSONL_H_
#define AHA_ENVS_JSONL_H_

#include "envs/environment.h"

namespace aha {

// Options: compare ("exact", "numeric", "last_number", "choice" or "countdown"; exact) and
// ProblemFileOptions's. The answer is what follows the thought: the inside of its only <answer>,
// else of its only \boxed{}, else all of it; "last_number" takes the last number in that, for
// models that answer in sentences. "countdown" is for items whose metadata hold numbers and target,
// and scores as reasoning-gym does: 1 for an expression that uses each number once and is the
// target (exactly: there, within 1e-5 of it), 0.05 for any other, 0.01 for what is none.
Result<std::unique_ptr<Environment>> MakeJsonl(const Json& options);

// The number that a text is, exactly: "1,234.5", "-3/4", "50%", "$7", "10 cm". False when it is
// none.
bool SameNumber(std::string_view a, std::string_view b);
// The last number in a text, with its sign, fraction and percent sign: "so 7 - 3 = 4." -> "4".
// Empty: there is none.
std::string_view LastNumber(std::string_view text);

}  // namespace aha

#endif  // AHA_ENVS_JSONL_H_
