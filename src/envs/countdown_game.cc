#include "envs/countdown_game.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace aha::countdown {
namespace {

constexpr size_t kSplits = 3;
constexpr int kMostTries = 100'000;

bool Legal(int64_t value) { return value >= 0 && value <= kMostValue; }

std::string_view Operations(const Game& game) { return game.division ? "+-*/" : "+-*"; }

// All values that the numbers can reach, each used once.
void Reach(const Game& game, std::vector<int64_t> left, std::set<int64_t>* out) {
  if (left.size() == 1) {
    out->insert(left[0]);
    return;
  }
  for (size_t i = 0; i < left.size(); ++i) {
    for (size_t j = i + 1; j < left.size(); ++j) {
      for (const char op : Operations(game)) {
        const int64_t value = Apply(op, left[i], left[j]);
        if (!Legal(value)) continue;
        std::vector<int64_t> rest = {value};
        for (size_t k = 0; k < left.size(); ++k) {
          if (k != i && k != j) rest.push_back(left[k]);
        }
        Reach(game, std::move(rest), out);
      }
    }
  }
}

Step MakeStep(char op, Operand a, Operand b) {
  if (Ordered(op) && b.value > a.value) std::swap(a, b);
  return {op, a, b, Apply(op, a.value, b.value)};
}

void Extend(const Game& game, const std::vector<Operand>& left, Line* line,
            std::vector<Line>* out) {
  if (left.size() == 2) {
    for (const char op : Operations(game)) {
      const Step step = MakeStep(op, left[0], left[1]);
      if (Legal(step.value)) line->attempts.push_back(step);
    }
    if (!line->attempts.empty()) out->push_back(*line);
    line->attempts.clear();
    return;
  }
  for (size_t i = 0; i < left.size(); ++i) {
    for (size_t j = i + 1; j < left.size(); ++j) {
      for (const char op : Operations(game)) {
        const Step step = MakeStep(op, left[i], left[j]);
        if (!Legal(step.value) || step.value == 0) continue;  // nothing is made with a zero
        std::vector<Operand> rest = {{step.value, static_cast<int>(line->heads.size())}};
        for (size_t k = 0; k < left.size(); ++k) {
          if (k != i && k != j) rest.push_back(left[k]);
        }
        line->heads.push_back(step);
        Extend(game, rest, line, out);
        line->heads.pop_back();
      }
    }
  }
}

}  // namespace

int64_t Apply(char op, int64_t a, int64_t b) {
  if (op == '+') return a + b;
  if (op == '-') return std::max(a, b) - std::min(a, b);
  if (op == '*') return a * b;
  const int64_t low = std::min(a, b);
  return low > 0 && std::max(a, b) % low == 0 ? std::max(a, b) / low : -1;
}

bool Ordered(char op) { return op == '-' || op == '/'; }

std::string Listed(const std::vector<int64_t>& numbers) {
  std::string out;
  for (const int64_t n : numbers) out += (out.empty() ? "" : " ") + std::to_string(n);
  return out;
}

bool Solves(const Puzzle& puzzle, const Expression& e, std::string* why) {
  std::vector<int64_t> want = puzzle.numbers;
  std::vector<int64_t> used = e.numbers;
  std::sort(want.begin(), want.end());
  std::sort(used.begin(), used.end());
  if (used != want) {
    *why = "it uses " + Listed(used) + ", not " + Listed(want);
    return false;
  }
  if (!(e.value == Rational{puzzle.target, 1})) {
    *why =
        fmt::format("it is {}/{}, not {}", e.value.numerator, e.value.denominator, puzzle.target);
    return false;
  }
  *why = "right";
  return true;
}

std::string Puzzle::Key() const {
  std::vector<int64_t> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  return "countdown " + Listed(sorted) + " to " + std::to_string(target);
}

void ReadGame(Section& s, Game* game) {
  s.Take("name");
  s.Read("numbers", &game->numbers, 2, 6);
  s.Read("least_numbers", &game->least_numbers, 0, game->numbers);
  if (game->least_numbers == 0) game->least_numbers = game->numbers;
  if (game->least_numbers < 2) {
    s.Fail(InvalidArgument("least_numbers is {}: want 2 to numbers", game->least_numbers));
  }
  s.Read("largest", &game->largest, 1, 100);
  s.Read("least_target", &game->least_target, 0, kMostValue);
  s.Read("most_target", &game->most_target, game->least_target, kMostValue);
  s.Read("division", &game->division);
  s.ReadOne("targets", {"every", "drawn"}, &game->targets);
}

Result<Puzzles> Puzzles::Make(const Game& game) {
  Puzzles puzzles(game);
  if (game.targets == Game::Targets::kDrawn) {
    for (size_t split = 0; split < kSplits; ++split) {
      for (int64_t n = game.least_numbers; n <= game.numbers; ++n) {
        Draws draws(0, split);
        if (puzzles.Play(static_cast<Split>(split), n, draws).target < 0) {
          return InvalidArgument("countdown: too few puzzles have a solution");
        }
      }
    }
    return puzzles;
  }
  for (int64_t n = game.least_numbers; n <= game.numbers; ++n) {
    double sets = 1;
    for (int64_t i = 0; i < n; ++i) {
      sets *= static_cast<double>(game.largest + i) / static_cast<double>(i + 1);
    }
    const double most = n <= 4 ? 20'000 : n == 5 ? 500 : 30;
    if (sets > most) {
      return InvalidArgument(
          "countdown: {} numbers up to {} are too many puzzles to solve at the start ({:.0f}, at "
          "most {:.0f}); targets = \"drawn\" needs no such table",
          n, game.largest, sets, most);
    }
    const size_t first = puzzles.every_.size();
    puzzles.every_.resize(first + kSplits);
    std::vector<int64_t> numbers(static_cast<size_t>(n), 1);
    puzzles.Visit(0, 1, &numbers);
    for (size_t split = 0; split < kSplits; ++split) {
      if (puzzles.every_[first + split].empty()) {
        return InvalidArgument("countdown: too few puzzles have a solution");
      }
    }
  }
  return puzzles;
}

void Puzzles::Visit(size_t at, int64_t least, std::vector<int64_t>* numbers) {
  if (at < numbers->size()) {
    for (int64_t n = least; n <= game_.largest; ++n) {
      (*numbers)[at] = n;
      Visit(at + 1, n, numbers);
    }
    return;
  }
  std::set<int64_t> values;
  Reach(game_, *numbers, &values);
  const size_t first = every_.size() - kSplits;
  for (const int64_t v : values) {
    if (v < game_.least_target || v > game_.most_target) continue;
    Puzzle puzzle{*numbers, v};
    every_[first + static_cast<size_t>(SplitOf(puzzle.Key()))].push_back(std::move(puzzle));
  }
}

// A random play's numbers and end; a target below zero when none was found.
Puzzle Puzzles::Play(Split split, int64_t count, Draws& draws) const {
  const std::string_view operations = Operations(game_);
  for (int tries = 0; tries < kMostTries; ++tries) {
    Puzzle puzzle;
    for (int64_t i = 0; i < count; ++i) puzzle.numbers.push_back(1 + draws.Below(game_.largest));
    std::vector<int64_t> left = puzzle.numbers;
    draws.Shuffle(&left);
    while (left.size() > 1) {
      const char op =
          operations[static_cast<size_t>(draws.Below(static_cast<int64_t>(operations.size())))];
      const int64_t value = Apply(op, left[left.size() - 1], left[left.size() - 2]);
      if (!Legal(value) || value == 0) break;
      left.pop_back();
      left.back() = value;
      draws.Shuffle(&left);
    }
    if (left.size() > 1 || left[0] < game_.least_target || left[0] > game_.most_target) continue;
    puzzle.target = left[0];
    if (SplitOf(puzzle.Key()) == split) return puzzle;
  }
  return {{}, -1};
}

Puzzle Puzzles::Draw(Split split, Draws& draws) const {
  const int64_t sizes = game_.numbers - game_.least_numbers + 1;
  const int64_t size = sizes == 1 ? 0 : draws.Below(sizes);
  if (game_.targets == Game::Targets::kDrawn) {
    Puzzle puzzle = Play(split, game_.least_numbers + size, draws);
    CHECK(puzzle.target >= 0, "a play was found when the game was made");
    return puzzle;
  }
  Puzzle puzzle =
      draws.OneOf(every_[static_cast<size_t>(size) * kSplits + static_cast<size_t>(split)]);
  draws.Shuffle(&puzzle.numbers);
  return puzzle;
}

std::string Step::Text() const { return std::to_string(a.value) + op + std::to_string(b.value); }

std::string Line::Expression(const Step& attempt, size_t level) const {
  const auto written = [&](const Operand& o) {
    if (o.source < 0 || static_cast<size_t>(o.source) < level) return std::to_string(o.value);
    return "(" + Expression(heads[static_cast<size_t>(o.source)], level) + ")";
  };
  return written(attempt.a) + attempt.op + written(attempt.b);
}

std::vector<Line> AllLines(const Game& game, const std::vector<int64_t>& numbers) {
  std::vector<Operand> left;
  for (const int64_t n : numbers) left.push_back({n, -1});
  std::vector<Line> lines;
  Line line;
  Extend(game, left, &line, &lines);
  return lines;
}

}  // namespace aha::countdown
