#include "envs/countdown.h"

#include <algorithm>

#include "envs/countdown_game.h"
#include "envs/countdown_phrases.h"
#include "envs/expression.h"

namespace aha {
namespace {

using countdown::Draws;
using countdown::Game;
using countdown::Puzzle;
using countdown::Puzzles;

class Countdown : public Environment {
 public:
  Countdown(Puzzles puzzles, bool phrases, double other_share)
      : puzzles_(std::move(puzzles)), phrases_(phrases), other_share_(other_share) {}

  Problem Get(Split split, uint64_t seed, uint64_t index) const override {
    Draws draws(seed, index);
    Problem p;
    if (other_share_ > 0 && draws.Chance(other_share_)) {
      const std::string text = countdown::NoPuzzle(draws);
      p.id = "no puzzle: " + text;
      p.prompt = "Q: " + text + "\n";
      p.answer = countdown::kNoPuzzleReply;
      p.level = "no puzzle";
      return p;
    }
    const Puzzle puzzle = puzzles_.Draw(split, draws);
    p.id = puzzle.Key();
    p.prompt = "Q: " + countdown::Ask(puzzle, phrases_, draws) + "\n";
    p.level = fmt::format("{} numbers", puzzle.numbers.size());
    p.meta = {{"numbers", puzzle.numbers}, {"target", puzzle.target}};
    return p;
  }

  Result<Score> Grade(const Problem& problem, std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    Score score;
    const std::string_view answer = OnlyAnswer(reply.answer);
    score.format = reply.closed && answer.data() != nullptr;
    if (!reply.closed) {
      score.why = "the thought does not end";
      return score;
    }
    if (!score.format) {
      score.why = "after the thought there is not exactly one <answer>";
      return score;
    }
    score.extracted = answer.substr(0, 200);
    if (!problem.meta.contains("target")) {
      score.correct = score.extracted == problem.answer ? 1 : 0;
      score.why = score.correct > 0 ? "right" : "it is no puzzle";
      return score;
    }
    const Result<Expression> e = EvaluateExpression(answer);
    if (!e.ok()) {
      score.why = e.status().message();
      return score;
    }
    const Puzzle puzzle = {problem.meta["numbers"].get<std::vector<int64_t>>(),
                           problem.meta["target"].get<int64_t>()};
    score.correct = countdown::Solves(puzzle, *e, &score.why) ? 1 : 0;
    return score;
  }

  std::vector<std::pair<std::string, double>> Measure(const Problem& problem,
                                                      std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    if (!reply.thinks || !problem.meta.contains("target")) return {};
    const TraceStats t =
        ReadTrace(reply.thought, problem.meta["numbers"].get<std::vector<int64_t>>(),
                  problem.meta["target"].get<int64_t>());
    std::vector<std::pair<std::string, double>> out = {
        {"attempts", static_cast<double>(t.attempts)}};
    const auto share = [&out](const char* name, int64_t part, int64_t all) {
      if (all > 0) out.emplace_back(name, static_cast<double>(part) / static_cast<double>(all));
    };
    share("arithmetic", t.right, t.statements);
    share("legal_attempts", t.legal, t.attempts);
    share("false_reject", t.false_rejects, t.hits);
    share("false_accept", t.false_accepts, t.misses);
    return out;
  }

 private:
  Puzzles puzzles_;
  bool phrases_;
  double other_share_;
};

// A number at `at`, and past it.
bool ReadNumber(std::string_view text, size_t* at, int64_t* value) {
  const size_t begin = *at;
  *value = 0;
  while (*at < text.size() && text[*at] >= '0' && text[*at] <= '9' && *at - begin < 9) {
    *value = *value * 10 + (text[(*at)++] - '0');
  }
  return *at > begin;
}

struct Statement {
  int64_t a, b, value;
  char op;
  bool right;
};

bool ReadStatement(std::string_view text, size_t* at, Statement* s) {
  size_t i = *at;
  if (!ReadNumber(text, &i, &s->a) || i >= text.size()) return false;
  s->op = text[i++];
  if (std::string_view("+-*/").find(s->op) == std::string_view::npos) return false;
  if (!ReadNumber(text, &i, &s->b) || i >= text.size() || text[i++] != '=') return false;
  if (!ReadNumber(text, &i, &s->value)) return false;
  s->right = (!countdown::Ordered(s->op) || s->a >= s->b) &&
             countdown::Apply(s->op, s->a, s->b) == s->value;
  *at = i;
  return true;
}

// The values that a line has left after some steps; of steps that were not legal, none.
class Left {
 public:
  explicit Left(std::vector<int64_t> numbers) : values_(std::move(numbers)) {}
  void Step(const Statement& s) {
    if (Remove(s.a) && Remove(s.b)) {
      values_.push_back(s.value);
    } else {
      values_.clear();
    }
  }
  bool AreThese(const Statement& s) const {
    return values_.size() == 2 &&
           ((values_[0] == s.a && values_[1] == s.b) || (values_[0] == s.b && values_[1] == s.a));
  }

 private:
  bool Remove(int64_t value) {
    const auto at = std::find(values_.begin(), values_.end(), value);
    if (at == values_.end()) return false;
    values_.erase(at);
    return true;
  }
  std::vector<int64_t> values_;
};

void ReadLine(std::string_view line, Left left, int64_t target, TraceStats* t) {
  for (size_t i = 0; i < line.size();) {
    Statement s{};
    if (!ReadStatement(line, &i, &s)) {
      ++i;
      continue;
    }
    ++t->statements;
    t->right += s.right;
    const std::string_view next = line.substr(i);
    const bool yes = next.starts_with(" yes");
    if (!yes && !next.starts_with(" no")) {
      left.Step(s);  // a head
      continue;
    }
    ++t->attempts;
    t->legal += left.AreThese(s);
    if (s.value == target) {
      ++t->hits;
      t->false_rejects += !yes;
    } else {
      ++t->misses;
      t->false_accepts += yes;
    }
  }
}

}  // namespace

TraceStats ReadTrace(std::string_view thought, const std::vector<int64_t>& numbers,
                     int64_t target) {
  TraceStats t;
  while (!thought.empty()) {
    const size_t end = std::min(thought.find('\n'), thought.size());
    const std::string_view line = thought.substr(0, end);
    // "So 6*2=(15-9)*2" writes the answer out: it tries nothing.
    if (!line.starts_with("So ")) ReadLine(line, Left(numbers), target, &t);
    thought.remove_prefix(std::min(end + 1, thought.size()));
  }
  return t;
}

Result<std::unique_ptr<Environment>> MakeCountdown(const Json& options) {
  Section s(&options, "task countdown");
  Game game;
  bool phrases = false;
  double other_share = 0;
  countdown::ReadGame(s, &game);
  s.Read("phrases", &phrases);
  s.Read("other_share", &other_share, 0, 1);
  AHA_RETURN_IF_ERROR(s.Finish());
  AHA_ASSIGN_OR_RETURN(Puzzles puzzles, Puzzles::Make(game));
  return std::unique_ptr<Environment>(
      std::make_unique<Countdown>(std::move(puzzles), phrases, other_share));
}

}  // namespace aha
