// The Countdown game: make a target from some numbers with + - * (and / if asked), each used once.
//
//   prompt  "Q: 9 7 8 to 10\n"
//   short   "<answer>(8-7)+9</answer>"
//   long    "<think>\n9*7=63: 63+8=71 no, 63-8=55 no, \n8+7=15: ...\n8-7=1: 1+9=10
//   yes</think><answer>..."
//
// A line of a thought takes steps until two values are left (its heads) and tries what these can
// make. In words: "\nTry 8+7=15 then 15-9=6: 6+2=8 no, 6*2=12 yes\nSo 6*2=(15-9)*2=((8+7)-9)*2".
#ifndef AHA_ENVS_COUNTDOWN_H_
#define AHA_ENVS_COUNTDOWN_H_

#include "envs/environment.h"

namespace aha {

// Options: numbers (3, up to 6), least_numbers (numbers), largest (12), least_target (10),
// most_target (99), division (false), targets ("every" that has a solution equally often, or
// "drawn" by a random play), phrases (false: asked as above; true: in a person's words too),
// other_share (0) of problems that are no puzzle, which is the right answer then.
Result<std::unique_ptr<Environment>> MakeCountdown(const Json& options);

// Pre-training text for 3 or 4 numbers (and both): the game's options, and style ("plain" or
// "words"). Documents are questions (Q), worked notes (N) and check drills (C), with the shares of
// docs/results: questions (0.4), notes (0.5), think_share (0.2) of questions that try, give_up
// (0.25) after each failed attempt of those, note_give_up (0.03), note_attempts (24) at most before
// a note's hit, other_share (0) of questions that are no puzzle and are told so, prompt_weight
// (0.05) and check_weight (2) of tokens in the loss.
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
