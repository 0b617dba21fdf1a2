// What people type: a puzzle in their words, and things that are no puzzle.
#ifndef AHA_ENVS_COUNTDOWN_PHRASES_H_
#define AHA_ENVS_COUNTDOWN_PHRASES_H_

#include <string>

#include "envs/countdown_game.h"

namespace aha::countdown {

// "9 7 8 to 10"; with `phrases` half of the time "Use 9, 7 and 8 to make 10." and the like.
std::string Ask(const Puzzle& puzzle, bool phrases, Draws& draws);
// What is answered to what is no puzzle.
inline constexpr const char* kNoPuzzleReply =
    "I can only play Countdown. Give me 3 or 4 numbers and a target, like: 9 7 8 to 10";
// A question, a remark or a jumble of characters that asks for no target.
std::string NoPuzzle(Draws& draws);

}  // namespace aha::countdown

#endif  // AHA_ENVS_COUNTDOWN_PHRASES_H_
