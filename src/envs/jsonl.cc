#include "envs/jsonl.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/section.h"
#include "envs/countdown_game.h"
#include "envs/expression.h"
#include "envs/problem_file.h"

namespace aha {
namespace {

enum class Compare { kExact, kNumeric, kLastNumber, kChoice, kCountdown };

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \n\r\t";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Digits with an optional fraction, as a Rational; nullopt when there are too many of them.
std::optional<Rational> Decimal(std::string_view text) {
  Rational r;
  bool point = false;
  int digits = 0;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9' && digits < 17) {
      r.numerator = r.numerator * 10 + (c - '0');
      if (point) r.denominator *= 10;
      ++digits;
    } else {
      return std::nullopt;
    }
  }
  if (digits == 0) return std::nullopt;
  return r;
}

std::optional<Rational> Number(std::string_view text) {
  text = Trimmed(text);
  std::string plain;
  for (const char c : text) {
    if (c != ',' && c != '$') plain.push_back(c);
  }
  std::string_view rest = plain;
  int64_t scale = 1;
  // A unit behind the number says nothing of its value; a percent sign does.
  while (!rest.empty() && !std::isdigit(static_cast<unsigned char>(rest.back())) &&
         rest.back() != '.') {
    if (rest.back() == '%') scale = 100;
    rest.remove_suffix(1);
  }
  const bool negative = rest.starts_with("-");
  if (negative || rest.starts_with("+")) rest.remove_prefix(1);
  rest = Trimmed(rest);
  const size_t slash = rest.find('/');
  const std::optional<Rational> a = Decimal(rest.substr(0, slash));
  std::optional<Rational> b = Rational{1, 1};
  if (slash != std::string_view::npos) b = Decimal(rest.substr(slash + 1));
  if (!a || !b || b->numerator == 0) return std::nullopt;
  // a / b / scale, kept as a fraction that need not be in lowest terms.
  const __int128 numerator = static_cast<__int128>(a->numerator) * b->denominator;
  const __int128 denominator = static_cast<__int128>(a->denominator) * b->numerator * scale;
  const __int128 most = INT64_MAX;
  if (numerator > most || denominator > most) return std::nullopt;
  return Rational{static_cast<int64_t>(negative ? -numerator : numerator),
                  static_cast<int64_t>(denominator)};
}

std::string_view OnlyBoxed(std::string_view text) {
  constexpr std::string_view kOpen = "\\boxed{";
  const size_t open = text.find(kOpen);
  if (open == std::string_view::npos || text.find(kOpen, open + 1) != std::string_view::npos) {
    return {};
  }
  int depth = 1;
  const size_t begin = open + kOpen.size();
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return text.substr(begin, i - begin);
  }
  return {};
}

// reasoning_gym.games.countdown: what an expression with the wrong value or numbers is worth, and
// what is no expression.
constexpr double kAnyExpression = 0.05, kNoExpression = 0.01;

Status HasNumbersAndTarget(const Problem& p) {
  const Json* numbers = FindKey(p.meta, "numbers");
  const Json* target = FindKey(p.meta, "target");
  const bool there = numbers != nullptr && numbers->is_array() && !numbers->empty() &&
                     std::all_of(numbers->begin(), numbers->end(),
                                 [](const Json& n) { return n.is_number_integer(); }) &&
                     target != nullptr && target->is_number_integer();
  if (there) return OkStatus();
  return InvalidArgument("metadata has no numbers and target, which compare = \"countdown\" reads");
}

void GradeCountdown(const Problem& problem, std::string_view answer, Score* score) {
  const Result<Expression> e = EvaluateExpression(answer, Signs::kAllowed);
  if (!e.ok()) {
    score->correct = kNoExpression;
    score->why = e.status().message();
    return;
  }
  const countdown::Puzzle puzzle = {problem.meta["numbers"].get<std::vector<int64_t>>(),
                                    problem.meta["target"].get<int64_t>()};
  score->correct = countdown::Solves(puzzle, *e, &score->why) ? 1 : kAnyExpression;
}

class Jsonl : public Environment {
 public:
  Jsonl(ProblemFile problems, Compare compare)
      : problems_(std::move(problems)), compare_(compare) {}

  Problem Get(Split split, uint64_t seed, uint64_t index) const override {
    return problems_.Get(split, seed, index);
  }

  Result<Score> Grade(const Problem& problem, std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    Score score;
    if (!reply.closed) {
      score.why = "the thought does not end";
      return score;
    }
    std::string_view answer = OnlyAnswer(reply.answer);
    if (answer.data() == nullptr) answer = OnlyBoxed(reply.answer);
    if (answer.data() == nullptr) answer = reply.answer;
    answer = Trimmed(answer);
    if (compare_ == Compare::kLastNumber) answer = LastNumber(answer);
    score.extracted = answer.substr(0, 200);
    score.format = !answer.empty();
    if (compare_ == Compare::kCountdown) {
      GradeCountdown(problem, answer, &score);
      return score;
    }
    score.correct = Same(answer, Trimmed(problem.answer)) ? 1 : 0;
    score.why = score.correct != 0 ? "right" : "the answer is " + problem.answer;
    return score;
  }

 private:
  bool Same(std::string_view answer, std::string_view want) const {
    if (compare_ == Compare::kNumeric || compare_ == Compare::kLastNumber) {
      return SameNumber(answer, want);
    }
    if (compare_ == Compare::kExact) return answer == want;
    // "(B)", "b." and "B" are one choice.
    const auto letter = [](std::string_view text) {
      std::string letters;
      for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c))) {
          letters.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
        }
      }
      return letters;
    };
    return !letter(answer).empty() && letter(answer) == letter(want);
  }

  ProblemFile problems_;
  Compare compare_;
};

}  // namespace

bool SameNumber(std::string_view a, std::string_view b) {
  const std::optional<Rational> x = Number(a);
  const std::optional<Rational> y = Number(b);
  return x && y &&
         static_cast<__int128>(x->numerator) * y->denominator ==
             static_cast<__int128>(y->numerator) * x->denominator;
}

std::string_view LastNumber(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  const size_t last = text.find_last_of(kDigits);
  if (last == std::string_view::npos) return {};
  size_t end = last + 1;
  if (end < text.size() && text[end] == '%') ++end;
  size_t begin = text.find_last_not_of("0123456789.,/", last) + 1;  // npos + 1 is 0
  begin = text.find_first_of(kDigits, begin);
  if (begin > 0 && text[begin - 1] == '.') --begin;  // ".5"
  // "-4" and "= -4", but not "7-4" or "x-4".
  const bool minus = begin > 0 && text[begin - 1] == '-';
  if (minus && (begin == 1 || !std::isalnum(static_cast<unsigned char>(text[begin - 2])))) --begin;
  return text.substr(begin, end - begin);
}

Result<std::unique_ptr<Environment>> MakeJsonl(const Json& options) {
  Section s(&options, "task jsonl");
  s.Take("name");
  Compare compare = Compare::kExact;
  ProblemFileOptions file;
  s.ReadOne("compare", {"exact", "numeric", "last_number", "choice", "countdown"}, &compare);
  file.Read(s, "task jsonl");
  if (compare == Compare::kCountdown) file.check = HasNumbersAndTarget;
  AHA_RETURN_IF_ERROR(s.Finish());
  AHA_ASSIGN_OR_RETURN(ProblemFile problems, ProblemFile::Open(file));
  return std::unique_ptr<Environment>(std::make_unique<Jsonl>(std::move(problems), compare));
}

}  // namespace aha
