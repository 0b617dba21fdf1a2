// Text to pre-train on: what a model knows of Countdown before it is rewarded for anything.
#include <algorithm>
#include <optional>

#include "envs/countdown.h"
#include "envs/countdown_game.h"
#include "envs/countdown_phrases.h"

namespace aha {
namespace {

using countdown::AllLines;
using countdown::Draws;
using countdown::Game;
using countdown::Line;
using countdown::Listed;
using countdown::Puzzle;
using countdown::Puzzles;
using countdown::Step;

// What stands between the sums of a thought.
struct Style {
  const char *open, *then;
  bool writes_out;      // "So 6*2=(15-9)*2" before the end
  const char* give_up;  // before the end of a thought that found nothing
};
constexpr Style kPlain = {"\n", ", ", false, ""};
constexpr Style kWords = {"\nTry ", " then ", true, "\nI will guess."};

struct TextOptions {
  double questions = 0.4, notes = 0.5, think_share = 0.2, give_up = 0.25, note_give_up = 0.03;
  double other_share = 0;
  double prompt_weight = 0.05, check_weight = 2;
  int64_t note_attempts = 24;
  bool phrases = false;
  enum class Kind { kPlain, kWords } style = Kind::kPlain;
};

// The lines of a puzzle in the order in which a thought takes them. Three numbers: in the cycle of
// AllLines from a random start, so that the next line is always the successor of the last one.
// Four have hundreds: in random order.
std::vector<Line> SearchOrder(const Game& game, const std::vector<int64_t>& numbers, Draws& draws) {
  std::vector<Line> lines = AllLines(game, numbers);
  if (numbers.size() > 3) {
    draws.Shuffle(&lines);
  } else {
    const int64_t start = draws.Below(static_cast<int64_t>(lines.size()));
    std::rotate(lines.begin(), lines.begin() + start, lines.end());
  }
  return lines;
}

class CountdownText : public DocumentSource {
 public:
  CountdownText(const Game& game, Puzzles puzzles, const TextOptions& options)
      : game_(game),
        puzzles_(std::move(puzzles)),
        options_(options),
        style_(options.style == TextOptions::Kind::kWords ? kWords : kPlain) {}

  Document Get(uint64_t seed, uint64_t index) const override {
    Draws draws(seed, index);
    const double kind = static_cast<double>(draws.Below(1 << 20)) / (1 << 20);
    if (kind < options_.questions) {
      return options_.other_share > 0 && draws.Chance(options_.other_share) ? Other(draws)
                                                                            : Question(draws);
    }
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

  static std::string Guess(const std::vector<Line>& lines, Draws& draws) {
    const Line& line = draws.OneOf(lines);
    return line.Expression(draws.OneOf(line.attempts), 0);
  }

  void Open(const Line& line, Document* d) const {
    std::string text = style_.open;
    for (size_t i = 0; i < line.heads.size(); ++i) {
      const Step& head = line.heads[i];
      text += (i > 0 ? style_.then : "") + head.Text() + "=" + std::to_string(head.value);
    }
    Say(text + ": ", d);
  }

  // "\nSo 6*2=(15-9)*2=((8+7)-9)*2": one head a time.
  void WriteOut(const Line& line, const Step& hit, Document* d) const {
    if (!style_.writes_out) return;
    std::string text = "\nSo " + hit.Text();
    for (size_t level = line.heads.size(); level-- > 0;) {
      text += "=" + line.Expression(hit, level);
    }
    Say(text, d);
  }

  // The thought up to the hit, or to giving up; the answer.
  void Think(const std::vector<Line>& lines, int64_t target, double give_up, Draws& draws,
             Document* d) const {
    Say("<think>", d);
    std::string answer;
    bool tries = true;
    for (size_t l = 0; l < lines.size() && tries; ++l) {
      Open(lines[l], d);
      for (size_t a = 0; a < lines[l].attempts.size() && tries; ++a) {
        const Step& attempt = lines[l].attempts[a];
        Say(attempt.Text() + "=" + std::to_string(attempt.value), d);
        Check(attempt.value == target, d);
        if (attempt.value == target) {
          WriteOut(lines[l], attempt, d);
          answer = lines[l].Expression(attempt, 0);
          tries = false;
        } else {
          tries = !draws.Chance(give_up);
        }
      }
    }
    if (answer.empty()) {
      if (*style_.give_up != 0) Say(style_.give_up, d);
      answer = Guess(lines, draws);
    }
    Say("</think><answer>" + answer + "</answer>", d);
  }

  Document Question(Draws& draws) const {
    const Puzzle p = puzzles_.Draw(Split::kTrain, draws);
    Document d;
    Prompt("Q: " + countdown::Ask(p, options_.phrases, draws) + "\n", &d);
    const bool thinks = draws.Chance(options_.think_share);
    const std::vector<Line> lines = SearchOrder(game_, p.numbers, draws);
    if (thinks) {
      Think(lines, p.target, options_.give_up, draws, &d);
    } else {
      Say("<answer>" + Guess(lines, draws) + "</answer>", &d);
    }
    return d;
  }

  // The value that attempt number `hit` is the first to reach.
  static std::optional<int64_t> FirstReachedBy(const std::vector<Line>& lines, int64_t hit) {
    std::vector<bool> seen(countdown::kMostValue + 1);
    for (const Line& line : lines) {
      for (const Step& attempt : line.attempts) {
        const auto value = static_cast<size_t>(attempt.value);
        if (hit-- == 0) return seen[value] ? std::nullopt : std::optional(attempt.value);
        seen[value] = true;
      }
    }
    return std::nullopt;
  }

  // The target is what some attempt reaches first: in 60% one of the first 6, else a later one.
  Document Note(Draws& draws) const {
    for (int tries = 0;; ++tries) {
      Puzzle p;
      const int64_t count =
          game_.least_numbers + draws.Below(game_.numbers - game_.least_numbers + 1);
      for (int64_t i = 0; i < count; ++i) p.numbers.push_back(1 + draws.Below(game_.largest));
      const std::vector<Line> lines = SearchOrder(game_, p.numbers, draws);
      const int64_t hit =
          draws.Chance(0.6) ? draws.Below(6) : 6 + draws.Below(options_.note_attempts - 6);
      p.target = FirstReachedBy(lines, hit).value_or(-1);
      const bool usable = p.target >= game_.least_target && p.target <= game_.most_target &&
                          SplitOf(p.Key()) == Split::kTrain;
      if (!usable && tries < 1000) continue;
      Document d;
      Prompt("N: " + Listed(p.numbers) + " to " + std::to_string(p.target) + "\n", &d);
      Think(lines, p.target, options_.note_give_up, draws, &d);
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

  // What is no puzzle gets a plain answer.
  Document Other(Draws& draws) const {
    Document d;
    Prompt("Q: " + countdown::NoPuzzle(draws) + "\n", &d);
    Say(std::string("<answer>") + countdown::kNoPuzzleReply + "</answer>", &d);
    return d;
  }

  Game game_;
  Puzzles puzzles_;
  TextOptions options_;
  Style style_;
};

}  // namespace

Result<std::unique_ptr<DocumentSource>> MakeCountdownText(const Json& options) {
  Section s(&options, "data countdown-text");
  TextOptions o;
  s.Read("questions", &o.questions, 0, 1);
  s.Read("notes", &o.notes, 0, 1);
  s.Read("think_share", &o.think_share, 0, 1);
  s.Read("give_up", &o.give_up, 0, 1);
  s.Read("note_give_up", &o.note_give_up, 0, 1);
  s.Read("note_attempts", &o.note_attempts, 7, 1000);
  s.Read("other_share", &o.other_share, 0, 1);
  s.Read("prompt_weight", &o.prompt_weight, 0, 100);
  s.Read("check_weight", &o.check_weight, 0, 100);
  s.Read("phrases", &o.phrases);
  s.ReadOne("style", {"plain", "words"}, &o.style);
  Game game;
  countdown::ReadGame(s, &game);
  if (o.questions + o.notes > 1) {
    s.Fail(InvalidArgument("data countdown-text: questions {} and notes {} are more than all",
                           o.questions, o.notes));
  }
  if (game.least_numbers < 3 || game.numbers > 4 || game.largest < 4) {
    s.Fail(InvalidArgument("data countdown-text is of 3 or 4 numbers up to at least 4"));
  }
  AHA_RETURN_IF_ERROR(s.Finish());
  AHA_ASSIGN_OR_RETURN(Puzzles puzzles, Puzzles::Make(game));
  return std::unique_ptr<DocumentSource>(
      std::make_unique<CountdownText>(game, std::move(puzzles), o));
}

}  // namespace aha
