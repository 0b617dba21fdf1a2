// The Countdown game: make a target from some numbers with + - * (and / if asked), each used once.
//
//   prompt  "Q: 9 7 8 to 10\n"
//   short   "<answer>(8-7)+9</answer>"
//   long    "<think>\n9*7=63: 63+8=71 no, 63-8=55 no, \n8+7=15: ...\n8-7=1: 1+9=10
//   yes</think><answer>..."
//
// A line of a thought takes one pair of the numbers (its head) and tries what the rest can do with
// it.
#ifndef AHA_ENVS_COUNTDOWN_H_
#define AHA_ENVS_COUNTDOWN_H_

#include "envs/environment.h"

namespace aha {

// Options: numbers (3, up to 6), largest (12), least_target (10), most_target (99), division
// (false). Problems are the pairs of numbers and target that have a solution.
Result<std::unique_ptr<Environment>> MakeCountdown(const Json& options);

// Pre-training text for 3 numbers. Documents are questions (Q), worked notes (N) and check drills
// (C). Options, with the shares of docs/results: questions (0.4), notes (0.5), think_share (0.2) of
// questions that try, give_up (0.25) after each failed attempt of those, note_give_up (0.03),
// prompt_weight (0.05) and check_weight (2) of tokens in the loss.
Result<std::unique_ptr<DocumentSource>> MakeCountdownText(const Json& options);

// What a thought's lines claim: the skill that reinforcement learning starts from.
struct TraceStats {
  int64_t attempts = 0;                   // "a+b=c no" or "yes"
  int64_t statements = 0;                 // all "a+b=c"
  int64_t right = 0;                      // of them
  int64_t legal = 0;                      // attempts that use the problem's numbers, each once
  int64_t false_rejects = 0, hits = 0;    // attempts that reach the target; called "no"
  int64_t false_accepts = 0, misses = 0;  // attempts that do not; called "yes"
};
TraceStats ReadTrace(std::string_view thought, const std::vector<int64_t>& numbers, int64_t target);

}  // namespace aha

#endif  // AHA_ENVS_COUNTDOWN_H_
