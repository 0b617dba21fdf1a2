#include "envs/arithmetic.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/rng.h"
#include "base/section.h"

namespace aha {
namespace {

// Two factors of 18 digits make 36; an Integer holds 38.
using Integer = __int128;
constexpr int64_t kMostDigits = 18;
constexpr int64_t kMostTerms = 64;
constexpr uint64_t kMostTries = 1000;

std::string ToString(Integer value) {
  const bool negative = value < 0;
  auto rest = static_cast<unsigned __int128>(negative ? -value : value);
  std::string out;
  do {
    out.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  } while (rest != 0);
  if (negative) out.push_back('-');
  std::reverse(out.begin(), out.end());
  return out;
}

int64_t PowerOfTen(int64_t exponent) {
  int64_t power = 1;
  for (int64_t i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// False when the value is beyond an Integer.
bool Apply(char op, Integer a, Integer b, Integer* out) {
  if (op == '+') return !__builtin_add_overflow(a, b, out);
  if (op == '-') return !__builtin_sub_overflow(a, b, out);
  return !__builtin_mul_overflow(a, b, out);
}

struct Kind {
  enum class Of { kChain, kMultiplication } of = Of::kChain;
  int64_t terms = 4, digits = 2;              // at most
  int64_t least_terms = 4, least_digits = 2;  // of a chain; of a multiplication
  std::string operations = "+-*";
};

// Numbers with an operation between each two.
struct Chain {
  std::vector<int64_t> numbers;
  std::string operations;

  std::string Text() const {
    std::string out = std::to_string(numbers[0]);
    for (size_t i = 0; i < operations.size(); ++i) {
      out += operations[i] + std::to_string(numbers[i + 1]);
    }
    return out;
  }

  // The same for chains that differ in order alone: signed products, sorted, of sorted factors.
  std::string Key() const {
    std::vector<std::string> products;
    for (size_t begin = 0; begin < numbers.size();) {
      size_t end = begin + 1;
      while (end < numbers.size() && operations[end - 1] == '*') ++end;
      std::vector<int64_t> factors(numbers.begin() + static_cast<int64_t>(begin),
                                   numbers.begin() + static_cast<int64_t>(end));
      std::sort(factors.begin(), factors.end());
      std::string product(1, begin == 0 ? '+' : operations[begin - 1]);
      for (const int64_t f : factors) product += std::to_string(f) + "*";
      product.pop_back();
      products.push_back(std::move(product));
      begin = end;
    }
    std::sort(products.begin(), products.end());
    std::string key = "arithmetic ";
    for (const std::string& p : products) key += p;
    return key;
  }
};

// The steps that lead to a chain's value. The limits on Kind keep every value in range.
class Work {
 public:
  explicit Work(const Kind& kind, const Chain& chain) {
    value_ =
        kind.of == Kind::Of::kChain ? InOrder(chain) : ByDigits(chain.numbers[0], chain.numbers[1]);
  }
  Integer value() const { return value_; }
  const std::string& lines() const { return lines_; }

 private:
  Integer Step(Integer a, char op, Integer b) {
    Integer value = 0;
    CHECK(Apply(op, a, b, &value), ToString(a) + op + ToString(b));
    lines_ += "\n" + ToString(a) + op + ToString(b) + "=" + ToString(value);
    return value;
  }

  Integer InOrder(const Chain& chain) {
    std::vector<Integer> summands = {chain.numbers[0]};
    std::string signs;
    for (size_t i = 0; i < chain.operations.size(); ++i) {
      if (chain.operations[i] == '*') {
        summands.back() = Step(summands.back(), '*', chain.numbers[i + 1]);
      } else {
        signs.push_back(chain.operations[i]);
        summands.push_back(chain.numbers[i + 1]);
      }
    }
    Integer total = summands[0];
    for (size_t i = 0; i < signs.size(); ++i) total = Step(total, signs[i], summands[i + 1]);
    return total;
  }

  Integer ByDigits(int64_t a, int64_t b) {
    std::optional<Integer> total;
    for (int64_t unit = 1; b >= unit; unit *= 10) {
      const int64_t part = b / unit % 10 * unit;
      if (part == 0) continue;
      const Integer product = Step(a, '*', part);
      total = total ? Step(*total, '+', product) : product;
    }
    return total.value_or(0);
  }

  Integer value_ = 0;
  std::string lines_;
};

uint64_t Below(uint64_t bits, uint64_t n) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * n) >> 64);
}

// The problems of one kind, at random access.
class Chains {
 public:
  static Result<Chains> Make(const Kind& kind, const std::string& where) {
    Chains chains(kind);
    for (const Split split : {Split::kTrain, Split::kHeldOut, Split::kTest}) {
      std::optional<Chain> one;
      for (uint64_t index = 0; !one && index < 20; ++index) one = chains.Find(split, 0, index);
      if (!one) return InvalidArgument("{}: too few problems to cut into splits", where);
      chains.spare_[static_cast<size_t>(split)] = *std::move(one);
    }
    return chains;
  }

  const Kind& kind() const { return kind_; }
  Chain Get(Split split, uint64_t seed, uint64_t index) const {
    return Find(split, seed, index).value_or(spare_[static_cast<size_t>(split)]);
  }

 private:
  explicit Chains(const Kind& kind) : kind_(kind) {}

  std::optional<Chain> Find(Split split, uint64_t seed, uint64_t index) const {
    const Rng rng(seed, index);
    for (uint64_t attempt = 0; attempt < kMostTries; ++attempt) {
      Chain chain = Draw(rng, attempt * kMostTerms);
      if (SplitOf(chain.Key()) == split) return chain;
    }
    return std::nullopt;
  }

  // Of a chain's numbers each length between 1 and `digits` is as likely; factors are of one
  // length.
  Chain Draw(const Rng& rng, uint64_t at) const {
    Chain chain;
    const bool product = kind_.of == Kind::Of::kMultiplication;
    const int64_t least = product ? kind_.least_digits : kind_.least_terms;
    const int64_t most = product ? kind_.digits : kind_.terms;
    const auto size = least + static_cast<int64_t>(
                                  Below(rng.Bits(at, 3), static_cast<uint64_t>(most - least + 1)));
    const int64_t terms = product ? 2 : size;
    for (int64_t i = 0; i < terms; ++i) {
      const uint64_t slot = at + static_cast<uint64_t>(i);
      const auto longest = static_cast<uint64_t>(kind_.digits);
      const auto digits =
          product ? size : static_cast<int64_t>(1 + Below(rng.Bits(slot, 0), longest));
      const int64_t low = digits == 1 && !product ? 0 : PowerOfTen(digits - 1);
      const auto count = static_cast<uint64_t>(PowerOfTen(digits) - low);
      chain.numbers.push_back(low + static_cast<int64_t>(Below(rng.Bits(slot, 1), count)));
      if (i == 0) continue;
      chain.operations.push_back(
          product ? '*' : kind_.operations[Below(rng.Bits(slot, 2), kind_.operations.size())]);
    }
    return chain;
  }

  Kind kind_;
  std::array<Chain, 3> spare_;  // for the draw that misses its split every time
};

// An integer without plus sign and leading zeros; nullopt for any other text.
std::optional<std::string> Canonical(std::string_view text) {
  constexpr std::string_view kBlank = " \n\r\t";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kBlank) - first + 1);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
  return (negative && text != "0" ? "-" : "") + std::string(text);
}

// An integer at *at, and past it.
bool ReadInteger(std::string_view text, size_t* at, bool sign, Integer* value) {
  const bool negative = sign && *at < text.size() && text[*at] == '-';
  if (negative) ++*at;
  const size_t begin = *at;
  *value = 0;
  while (*at < text.size() && text[*at] >= '0' && text[*at] <= '9' && *at - begin < 37) {
    *value = *value * 10 + (text[(*at)++] - '0');
  }
  if (negative) *value = -*value;
  return *at > begin;
}

// Whether a whole line is "a+b=c"; *right, whether that is so.
bool ReadStep(std::string_view line, bool* right) {
  size_t at = 0;
  Integer a = 0, b = 0, claimed = 0, value = 0;
  if (!ReadInteger(line, &at, true, &a) || at >= line.size()) return false;
  const char op = line[at++];
  if (op != '+' && op != '-' && op != '*') return false;
  if (!ReadInteger(line, &at, false, &b) || at >= line.size() || line[at++] != '=') return false;
  if (!ReadInteger(line, &at, true, &claimed) || at != line.size()) return false;
  *right = Apply(op, a, b, &value) && value == claimed;
  return true;
}

class Arithmetic : public Environment {
 public:
  explicit Arithmetic(Chains chains) : chains_(std::move(chains)) {}

  Problem Get(Split split, uint64_t seed, uint64_t index) const override {
    const Chain chain = chains_.Get(split, seed, index);
    return {.id = chain.Key(),
            .prompt = chain.Text() + "=",
            .answer = ToString(Work(chains_.kind(), chain).value()),
            .level = chains_.kind().of == Kind::Of::kChain
                         ? fmt::format("{} terms", chain.numbers.size())
                         : fmt::format("{} digits", ToString(chain.numbers[0]).size())};
  }

  Result<Score> Grade(const Problem& problem, std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    const std::string_view answer = OnlyAnswer(reply.answer);
    Score score;
    score.format = reply.closed && answer.data() != nullptr;
    if (!score.format) {
      score.why = reply.closed ? "after the thought there is not exactly one <answer>"
                               : "the thought does not end";
      return score;
    }
    score.extracted = answer.substr(0, 200);
    const std::optional<std::string> value = Canonical(answer);
    score.correct = value && value == Canonical(problem.answer) ? 1 : 0;
    score.why = !value          ? "the answer is not an integer"
                : score.correct ? "right"
                                : "it is " + problem.answer;
    return score;
  }

  std::vector<std::pair<std::string, double>> Measure(const Problem&,
                                                      std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    if (!reply.thinks) return {};
    int64_t steps = 0;
    int64_t right_steps = 0;
    for (size_t begin = 0; begin < reply.thought.size();) {
      const size_t end = std::min(reply.thought.find('\n', begin), reply.thought.size());
      bool right = false;
      if (ReadStep(reply.thought.substr(begin, end - begin), &right)) {
        ++steps;
        right_steps += right;
      }
      begin = end + 1;
    }
    std::vector<std::pair<std::string, double>> out = {{"steps", static_cast<double>(steps)}};
    if (steps > 0) {
      out.emplace_back("arithmetic", static_cast<double>(right_steps) / static_cast<double>(steps));
    }
    return out;
  }

 private:
  Chains chains_;
};

class ArithmeticText : public DocumentSource {
 public:
  ArithmeticText(Chains chains, double think_share, double prompt_weight)
      : chains_(std::move(chains)), think_share_(think_share), prompt_weight_(prompt_weight) {}

  Document Get(uint64_t seed, uint64_t index) const override {
    const Chain chain = chains_.Get(Split::kTrain, seed, index);
    const Work work(chains_.kind(), chain);
    std::string reply = "<answer>" + ToString(work.value()) + "</answer>";
    if (Rng(seed, index).Uniform(~uint64_t{0}) < think_share_) {
      reply = "<think>" + work.lines() + "</think>" + reply;
    }
    return {{{chain.Text() + "=", static_cast<float>(prompt_weight_), true},
             {std::move(reply), 1, false}}};
  }

 private:
  Chains chains_;
  double think_share_, prompt_weight_;
};

Result<Chains> ReadChains(Section& s, const std::string& where) {
  s.Take("name");
  Kind kind;
  s.ReadOne("kind", {"chain", "multiplication"}, &kind.of);
  const bool chain = kind.of == Kind::Of::kChain;
  s.Read("digits", &kind.digits, 1, chain ? kMostDigits - 1 : kMostDigits);
  for (const char* key : {"terms", "least_terms", "operations"}) {
    if (!chain && s.Has(key)) {
      s.Fail(
          InvalidArgument("{} {}: a multiplication has two factors and no such key", where, key));
    }
  }
  if (chain && s.Has("least_digits")) {
    s.Fail(InvalidArgument("{} least_digits: a chain's numbers have any length", where));
  }
  kind.least_digits = kind.digits;
  s.Read("least_digits", &kind.least_digits, 1, kind.digits);
  s.Read("terms", &kind.terms, 2, kMostTerms);
  kind.least_terms = kind.terms;
  s.Read("least_terms", &kind.least_terms, 2, kind.terms);
  s.Read("operations", &kind.operations);
  const std::string& operations = kind.operations;
  for (const char op : operations) {
    if (std::string_view("+-*").find(op) == std::string_view::npos ||
        std::count(operations.begin(), operations.end(), op) != 1) {
      s.Fail(InvalidArgument("{} operations is '{}': want some of + - *, each once", where,
                             operations));
    }
  }
  if (operations.empty()) s.Fail(InvalidArgument("{} operations is empty", where));
  // Every value on the way stays below 10^18 with products, 64 * 10^17 without.
  if (chain && operations.find('*') != std::string::npos && kind.terms * kind.digits > 18) {
    s.Fail(InvalidArgument("{}: {} terms of {} digits with products are more than 18 digits", where,
                           kind.terms, kind.digits));
  }
  AHA_RETURN_IF_ERROR(s.Finish());
  return Chains::Make(kind, where);
}

}  // namespace

Result<std::unique_ptr<Environment>> MakeArithmetic(const Json& options) {
  const std::string where = "task arithmetic";
  Section s(&options, where);
  AHA_ASSIGN_OR_RETURN(Chains chains, ReadChains(s, where));
  return std::unique_ptr<Environment>(std::make_unique<Arithmetic>(std::move(chains)));
}

Result<std::unique_ptr<DocumentSource>> MakeArithmeticText(const Json& options) {
  const std::string where = "data arithmetic-text";
  Section s(&options, where);
  double think_share = 0.2;
  double prompt_weight = 0;
  s.Read("think_share", &think_share, 0, 1);
  s.Read("prompt_weight", &prompt_weight, 0, 100);
  AHA_ASSIGN_OR_RETURN(Chains chains, ReadChains(s, where));
  return std::unique_ptr<DocumentSource>(
      std::make_unique<ArithmeticText>(std::move(chains), think_share, prompt_weight));
}

}  // namespace aha
