// The rules of Countdown: what a step may give, which puzzles there are, and every line of steps
// that the numbers of one allow.
#ifndef AHA_ENVS_COUNTDOWN_GAME_H_
#define AHA_ENVS_COUNTDOWN_GAME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/section.h"
#include "envs/environment.h"
#include "envs/expression.h"

namespace aha::countdown {

constexpr int64_t kMostValue = 99;  // of what is reached on the way

struct Game {
  int64_t numbers = 3;
  int64_t least_numbers = 0;  // a puzzle has from these to `numbers`; 0: always `numbers`
  int64_t largest = 12, least_target = 10, most_target = 99;
  bool division = false;
  // Which targets a set of numbers gets: each that can be reached as often as any other, or what a
  // random play comes to (targets with many solutions come more often).
  enum class Targets { kEvery, kDrawn } targets = Targets::kEvery;
};
// The game's keys of `s`, which is finished by the caller.
void ReadGame(Section& s, Game* game);

// The larger minus the smaller, exact quotients. Negative: not legal.
int64_t Apply(char op, int64_t a, int64_t b);
bool Ordered(char op);                                    // - and /: the larger stands first
std::string Listed(const std::vector<int64_t>& numbers);  // "9 7 8"

struct Puzzle {
  std::vector<int64_t> numbers;
  int64_t target = 0;
  // The same for every order of the numbers: what splits are cut by.
  std::string Key() const;
};
// Whether `e` is the target of each number once. `why`: "right", or what it is instead.
bool Solves(const Puzzle& puzzle, const Expression& e, std::string* why);

// Random choices for one problem or document, in order.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t index) : rng_(seed, index) {}
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(rng_.Uniform(next_++) * static_cast<double>(n));
  }
  bool Chance(double p) { return rng_.Uniform(next_++) < p; }
  template <typename T>
  const T& OneOf(const std::vector<T>& items) {
    return items[static_cast<size_t>(Below(static_cast<int64_t>(items.size())))];
  }
  template <typename T>
  void Shuffle(std::vector<T>* items) {
    for (size_t i = items->size(); i > 1; --i) {
      std::swap((*items)[i - 1], (*items)[static_cast<size_t>(Below(static_cast<int64_t>(i)))]);
    }
  }

 private:
  Rng rng_;
  uint64_t next_ = 0;
};

// The puzzles of a game that have a solution, by split.
class Puzzles {
 public:
  // Error: with Targets::kEvery all sets of numbers are solved here, and there can be too many of
  // them, or too few.
  static Result<Puzzles> Make(const Game& game);
  // In random order.
  Puzzle Draw(Split split, Draws& draws) const;

 private:
  explicit Puzzles(const Game& game) : game_(game) {}
  void Visit(size_t at, int64_t least, std::vector<int64_t>* numbers);
  Puzzle Play(Split split, int64_t count, Draws& draws) const;

  Game game_;
  std::vector<std::vector<Puzzle>> every_;  // [size - least][split], flattened
};

// A value in a play: one of the numbers, or what the line's step `source` gave.
struct Operand {
  int64_t value = 0;
  int source = -1;
};
struct Step {
  char op = '+';
  Operand a, b;  // the larger first where order matters
  int64_t value = 0;
  std::string Text() const;  // "15-9"
};
// Steps that leave two values, and all that these two can make.
struct Line {
  std::vector<Step> heads;
  std::vector<Step> attempts;
  // An attempt with the heads from `level` on written out: level 0 is in the puzzle's numbers
  // alone.
  std::string Expression(const Step& attempt, size_t level) const;
};
// Every line of the numbers (3 or 4), pairs by place, operations in the order + - * /.
std::vector<Line> AllLines(const Game& game, const std::vector<int64_t>& numbers);

}  // namespace aha::countdown

#endif  // AHA_ENVS_COUNTDOWN_GAME_H_
