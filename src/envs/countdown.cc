#include "envs/countdown.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "base/section.h"
#include "envs/expression.h"

namespace aha {
namespace {

constexpr int64_t kMostValue = 99;  // of what is reached on the way

struct Game {
  int64_t numbers = 3, largest = 12, least_target = 10, most_target = 99;
  bool division = false;
};

// What one operation gives: the larger minus the smaller, exact quotients. Negative: not legal.
int64_t Apply(char op, int64_t a, int64_t b) {
  if (op == '+') return a + b;
  if (op == '-') return std::max(a, b) - std::min(a, b);
  if (op == '*') return a * b;
  const int64_t low = std::min(a, b);
  return low > 0 && std::max(a, b) % low == 0 ? std::max(a, b) / low : -1;
}
bool Ordered(char op) { return op == '-' || op == '/'; }

// "a-b" with the larger first where order matters.
std::string Join(char op, int64_t a, int64_t b) {
  if (Ordered(op) && b > a) std::swap(a, b);
  return std::to_string(a) + op + std::to_string(b);
}

// All values that the numbers can reach, each used once.
void Reach(const Game& game, std::vector<int64_t> left, std::set<int64_t>* out) {
  if (left.size() == 1) {
    out->insert(left[0]);
    return;
  }
  for (size_t i = 0; i < left.size(); ++i) {
    for (size_t j = i + 1; j < left.size(); ++j) {
      for (const char op : {'+', '-', '*', '/'}) {
        if (op == '/' && !game.division) continue;
        const int64_t value = Apply(op, left[i], left[j]);
        if (value < 0 || value > kMostValue) continue;
        std::vector<int64_t> rest = {value};
        for (size_t k = 0; k < left.size(); ++k) {
          if (k != i && k != j) rest.push_back(left[k]);
        }
        Reach(game, std::move(rest), out);
      }
    }
  }
}

struct Puzzle {
  std::vector<int64_t> numbers;  // ascending
  int64_t target = 0;
  std::string Key() const {
    std::string key = "countdown";
    for (const int64_t n : numbers) key += " " + std::to_string(n);
    return key + " to " + std::to_string(target);
  }
};

// Every puzzle that has a solution, by split.
class Puzzles {
 public:
  explicit Puzzles(const Game& game) {
    std::vector<int64_t> numbers(static_cast<size_t>(game.numbers), 1);
    Visit(game, 0, 1, &numbers);
  }
  const std::vector<Puzzle>& of(Split split) const { return by_split_[static_cast<size_t>(split)]; }

 private:
  void Visit(const Game& game, size_t at, int64_t least, std::vector<int64_t>* numbers) {
    if (at == numbers->size()) {
      std::set<int64_t> values;
      Reach(game, *numbers, &values);
      for (const int64_t v : values) {
        if (v < game.least_target || v > game.most_target) continue;
        Puzzle puzzle{*numbers, v};
        by_split_[static_cast<size_t>(SplitOf(puzzle.Key()))].push_back(std::move(puzzle));
      }
      return;
    }
    for (int64_t n = least; n <= game.largest; ++n) {
      (*numbers)[at] = n;
      Visit(game, at + 1, n, numbers);
    }
  }

  std::vector<Puzzle> by_split_[3];
};

// Draws for one document, in order.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t index) : rng_(seed, index) {}
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(rng_.Uniform(next_++) * static_cast<double>(n));
  }
  bool Chance(double p) { return rng_.Uniform(next_++) < p; }
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

std::string Listed(const std::vector<int64_t>& numbers) {
  std::string out;
  for (const int64_t n : numbers) out += (out.empty() ? "" : " ") + std::to_string(n);
  return out;
}

class Countdown : public Environment {
 public:
  explicit Countdown(const Game& game) : puzzles_(game) {}
  bool empty() const {
    return puzzles_.of(Split::kTrain).empty() || puzzles_.of(Split::kHeldOut).empty() ||
           puzzles_.of(Split::kTest).empty();
  }

  Problem Get(Split split, uint64_t seed, uint64_t index) const override {
    Draws draws(seed, index);
    const std::vector<Puzzle>& all = puzzles_.of(split);
    Puzzle puzzle = all[static_cast<size_t>(draws.Below(static_cast<int64_t>(all.size())))];
    draws.Shuffle(&puzzle.numbers);
    Problem p;
    p.id = puzzle.Key();
    p.prompt = "Q: " + Listed(puzzle.numbers) + " to " + std::to_string(puzzle.target) + "\n";
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
    const Result<Expression> e = EvaluateExpression(answer);
    if (!e.ok()) {
      score.why = e.status().message();
      return score;
    }
    auto want = problem.meta["numbers"].get<std::vector<int64_t>>();
    std::vector<int64_t> used = e->numbers;
    std::sort(want.begin(), want.end());
    std::sort(used.begin(), used.end());
    const auto target = problem.meta["target"].get<int64_t>();
    if (used != want) {
      score.why = "it uses " + Listed(used) + ", not " + Listed(want);
    } else if (!(e->value == Rational{target, 1})) {
      score.why =
          fmt::format("it is {}/{}, not {}", e->value.numerator, e->value.denominator, target);
    } else {
      score.correct = 1;
      score.why = "right";
    }
    return score;
  }

  std::vector<std::pair<std::string, double>> Measure(const Problem& problem,
                                                      std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    if (!reply.thinks) return {};
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
};

struct TextOptions {
  double questions = 0.4, notes = 0.5, think_share = 0.2, give_up = 0.25, note_give_up = 0.03;
  double prompt_weight = 0.05, check_weight = 2;
};

// One pair and operation, and what it gives.
struct Head {
  int64_t a, b, rest, value;
  char op;
  std::string Text() const { return Join(op, a, b); }
};

struct Attempt {
  size_t line;
  char op;
  int64_t value;
};

// The heads of three numbers in their cycle (pairs by place, + - *), from `start` on, with the
// attempts that each line makes.
struct Search {
  std::vector<Head> lines;
  std::vector<Attempt> attempts;

  Search(const std::vector<int64_t>& n, int64_t start) {
    static constexpr int kPairs[3][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};
    for (int64_t i = 0; i < 9; ++i) {
      const int64_t at = (start + i) % 9;
      const int* pair = kPairs[at / 3];
      const auto number = [&n](int k) { return n[static_cast<size_t>(k)]; };
      const char op = "+-*"[at % 3];
      const int64_t value = Apply(op, number(pair[0]), number(pair[1]));
      if (value > kMostValue) continue;
      lines.push_back({number(pair[0]), number(pair[1]), number(pair[2]), value, op});
      for (const char next : {'+', '-', '*'}) {
        const int64_t result = Apply(next, value, lines.back().rest);
        if (result <= kMostValue) attempts.push_back({lines.size() - 1, next, result});
      }
    }
  }

  std::string Answer(const Attempt& a) const {
    const Head& h = lines[a.line];
    const std::string head = "(" + h.Text() + ")";
    const std::string rest = std::to_string(h.rest);
    return Ordered(a.op) && h.rest > h.value ? rest + a.op + head : head + a.op + rest;
  }
};

class CountdownText : public DocumentSource {
 public:
  CountdownText(const Game& game, const TextOptions& options)
      : game_(game), puzzles_(game), options_(options) {}

  Document Get(uint64_t seed, uint64_t index) const override {
    Draws draws(seed, index);
    const double kind = static_cast<double>(draws.Below(1 << 20)) / (1 << 20);
    if (kind < options_.questions) return Question(draws);
    if (kind < options_.questions + options_.notes) return Note(draws);
    return Drill(draws);
  }

 private:
  void Say(std::string text, Document* d) const {
    d->segments.push_back({std::move(text), 1, false});
  }
  void Check(bool hit, Document* d) const {
    d->segments.push_back(
        {hit ? " yes" : " no, ", static_cast<float>(options_.check_weight), false});
  }
  void Prompt(std::string text, Document* d) const {
    d->segments.push_back({std::move(text), static_cast<float>(options_.prompt_weight), true});
  }

  std::string Guess(const std::vector<int64_t>& numbers, Draws& draws) const {
    const Search search(numbers, draws.Below(9));
    const auto n = static_cast<int64_t>(search.attempts.size());
    return search.Answer(search.attempts[static_cast<size_t>(draws.Below(n))]);
  }

  // The thought up to the hit, or to giving up; the answer.
  void Think(const Search& search, const std::vector<int64_t>& numbers, int64_t target,
             double give_up, Draws& draws, Document* d) const {
    Say("<think>", d);
    size_t line = search.lines.size();
    std::string answer;
    for (const Attempt& a : search.attempts) {
      std::string text;
      const Head& h = search.lines[a.line];
      if (a.line != line) text = "\n" + h.Text() + "=" + std::to_string(h.value) + ": ";
      line = a.line;
      Say(text + Join(a.op, h.value, h.rest) + "=" + std::to_string(a.value), d);
      Check(a.value == target, d);
      if (a.value == target) {
        answer = search.Answer(a);
        break;
      }
      if (draws.Chance(give_up)) break;
    }
    if (answer.empty()) answer = Guess(numbers, draws);
    Say("</think><answer>" + answer + "</answer>", d);
  }

  Document Question(Draws& draws) const {
    const std::vector<Puzzle>& all = puzzles_.of(Split::kTrain);
    Puzzle p = all[static_cast<size_t>(draws.Below(static_cast<int64_t>(all.size())))];
    draws.Shuffle(&p.numbers);
    Document d;
    Prompt("Q: " + Listed(p.numbers) + " to " + std::to_string(p.target) + "\n", &d);
    if (!draws.Chance(options_.think_share)) {
      Say("<answer>" + Guess(p.numbers, draws) + "</answer>", &d);
      return d;
    }
    Think(Search(p.numbers, draws.Below(9)), p.numbers, p.target, options_.give_up, draws, &d);
    return d;
  }

  // The target is what some attempt reaches first: in 60% one of the first 6, else of the next 18.
  Document Note(Draws& draws) const {
    for (int tries = 0;; ++tries) {
      std::vector<int64_t> numbers;
      for (int i = 0; i < 3; ++i) numbers.push_back(1 + draws.Below(game_.largest));
      const Search search(numbers, draws.Below(9));
      const int64_t hit = draws.Chance(0.6) ? draws.Below(6) : 6 + draws.Below(18);
      if (hit >= static_cast<int64_t>(search.attempts.size())) continue;
      const int64_t target = search.attempts[static_cast<size_t>(hit)].value;
      const auto first = std::find_if(search.attempts.begin(), search.attempts.end(),
                                      [&](const Attempt& a) { return a.value == target; });
      std::vector<int64_t> sorted = numbers;
      std::sort(sorted.begin(), sorted.end());
      const bool usable = first - search.attempts.begin() == hit && target >= game_.least_target &&
                          target <= game_.most_target &&
                          SplitOf(Puzzle{sorted, target}.Key()) == Split::kTrain;
      if (!usable && tries < 1000) continue;
      Document d;
      Prompt("N: " + Listed(numbers) + " to " + std::to_string(target) + "\n", &d);
      Think(search, numbers, target, options_.note_give_up, draws, &d);
      return d;
    }
  }

  // Comparing numbers: 40% hits, and misses that look like them.
  Document Drill(Draws& draws) const {
    const int64_t target =
        game_.least_target + draws.Below(game_.most_target - game_.least_target + 1);
    Document d;
    Prompt("C:  to " + std::to_string(target) + "\n", &d);
    const int64_t checks = 6 + draws.Below(9);
    for (int64_t i = 0; i < checks; ++i) {
      const int64_t value = draws.Chance(0.4) ? target : NearMiss(target, draws);
      Say("=" + std::to_string(value), &d);
      Check(value == target, &d);
    }
    return d;
  }

  static int64_t NearMiss(int64_t target, Draws& draws) {
    const int64_t tens = target / 10;
    const int64_t ones = target % 10;
    int64_t value = target;
    while (value == target) {
      switch (draws.Below(4)) {
        case 0:
          value = tens * 10 + draws.Below(10);
          break;
        case 1:
          value = (1 + draws.Below(9)) * 10 + ones;
          break;
        case 2:
          value = ones * 10 + tens;
          break;
        default:
          value = draws.Below(100);
      }
      if (value == target) value = draws.Below(100);
    }
    return value;
  }

  Game game_;
  Puzzles puzzles_;
  TextOptions options_;
};

Status ReadGame(Section& s, Game* game) {
  s.Take("name");
  s.Read("numbers", &game->numbers, 2, 6);
  s.Read("largest", &game->largest, 1, 100);
  s.Read("least_target", &game->least_target, 0, kMostValue);
  s.Read("most_target", &game->most_target, game->least_target, kMostValue);
  s.Read("division", &game->division);
  // Every multiset of numbers is solved when the game is made.
  double sets = 1;
  for (int64_t i = 0; i < game->numbers; ++i) {
    sets *= static_cast<double>(game->largest + i) / static_cast<double>(i + 1);
  }
  const double most = game->numbers <= 4 ? 20'000 : game->numbers == 5 ? 500 : 30;
  if (sets > most) {
    s.Fail(
        InvalidArgument("countdown: {} numbers up to {} are too many puzzles to solve at the "
                        "start ({:.0f}, at most {:.0f})",
                        game->numbers, game->largest, sets, most));
  }
  return s.Finish();
}

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
  s->right = (!Ordered(s->op) || s->a >= s->b) && Apply(s->op, s->a, s->b) == s->value;
  *at = i;
  return true;
}

}  // namespace

TraceStats ReadTrace(std::string_view thought, const std::vector<int64_t>& numbers,
                     int64_t target) {
  TraceStats t;
  Statement head{};
  std::vector<int64_t> rest;
  for (size_t i = 0; i < thought.size();) {
    Statement s{};
    const bool line_start = i == 0 || thought[i - 1] == '\n';
    if (!ReadStatement(thought, &i, &s)) {
      ++i;
      continue;
    }
    ++t.statements;
    t.right += s.right;
    if (line_start) {
      head = s;
      rest = numbers;
      for (const int64_t used : {s.a, s.b}) {
        const auto at = std::find(rest.begin(), rest.end(), used);
        if (at == rest.end()) {
          rest.assign(99, -1);  // the head is not of these numbers
          break;
        }
        rest.erase(at);
      }
      continue;
    }
    const std::string_view next = thought.substr(i);
    const bool yes = next.starts_with(" yes");
    if (!yes && !next.starts_with(" no")) continue;
    ++t.attempts;
    const int64_t other = s.a == head.value ? s.b : s.a;
    t.legal += rest.size() == 1 && rest[0] == other && (s.a == head.value || s.b == head.value);
    if (s.value == target) {
      ++t.hits;
      t.false_rejects += !yes;
    } else {
      ++t.misses;
      t.false_accepts += yes;
    }
  }
  return t;
}

Result<std::unique_ptr<Environment>> MakeCountdown(const Json& options) {
  Section s(&options, "task countdown");
  Game game;
  AHA_RETURN_IF_ERROR(ReadGame(s, &game));
  auto env = std::make_unique<Countdown>(game);
  if (env->empty()) return InvalidArgument("task countdown: too few puzzles have a solution");
  return std::unique_ptr<Environment>(std::move(env));
}

Result<std::unique_ptr<DocumentSource>> MakeCountdownText(const Json& options) {
  Section s(&options, "data countdown-text");
  TextOptions o;
  s.Read("questions", &o.questions, 0, 1);
  s.Read("notes", &o.notes, 0, 1);
  s.Read("think_share", &o.think_share, 0, 1);
  s.Read("give_up", &o.give_up, 0, 1);
  s.Read("note_give_up", &o.note_give_up, 0, 1);
  s.Read("prompt_weight", &o.prompt_weight, 0, 100);
  s.Read("check_weight", &o.check_weight, 0, 100);
  if (o.questions + o.notes > 1) {
    s.Fail(InvalidArgument("data countdown-text: questions {} and notes {} are more than all",
                           o.questions, o.notes));
  }
  Game game;
  AHA_RETURN_IF_ERROR(ReadGame(s, &game));
  if (game.numbers != 3 || game.division || game.largest < 4) {
    return InvalidArgument(
        "data countdown-text is of 3 numbers up to at least 4, without division");
  }
  return std::unique_ptr<DocumentSource>(std::make_unique<CountdownText>(game, o));
}

}  // namespace aha
