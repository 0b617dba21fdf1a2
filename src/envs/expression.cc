#include "envs/expression.h"

#include <limits>
#include <numeric>

namespace aha {
namespace {

constexpr size_t kMostCharacters = 1000;
constexpr int kMostDepth = 50;
using Wide = __int128;

Result<Rational> Reduced(Wide numerator, Wide denominator) {
  if (denominator == 0) return InvalidArgument("division by zero");
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  Wide a = numerator < 0 ? -numerator : numerator;
  Wide b = denominator;
  while (b != 0) {
    const Wide rest = a % b;
    a = b;
    b = rest;
  }
  if (a > 1) {
    numerator /= a;
    denominator /= a;
  }
  constexpr Wide kMost = std::numeric_limits<int64_t>::max();
  if (numerator > kMost || -numerator > kMost || denominator > kMost) {
    return InvalidArgument("a value too large");
  }
  return Rational{static_cast<int64_t>(numerator), static_cast<int64_t>(denominator)};
}

Result<Rational> Apply(char op, const Rational& x, const Rational& y) {
  const Wide a = x.numerator, b = x.denominator, c = y.numerator, d = y.denominator;
  switch (op) {
    case '+':
      return Reduced(a * d + c * b, b * d);
    case '-':
      return Reduced(a * d - c * b, b * d);
    case '*':
      return Reduced(a * c, b * d);
    default:
      return Reduced(a * d, b * c);
  }
}

class Parser {
 public:
  Parser(std::string_view text, Signs signs) : text_(text), signs_(signs) {}

  Result<Expression> Run() {
    AHA_ASSIGN_OR_RETURN(out_.value, Sum(0));
    if (Peek() != '\0') return Unexpected();
    return std::move(out_);
  }

 private:
  char Peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  Status Unexpected() {
    if (Peek() == '\0' && at_ >= text_.size()) return InvalidArgument("it ends too early");
    return InvalidArgument("'{}' at {} is not arithmetic", text_.substr(at_, 1), at_);
  }

  Result<Rational> Sum(int depth) {
    AHA_ASSIGN_OR_RETURN(Rational left, Product(depth));
    for (char op = Peek(); op == '+' || op == '-'; op = Peek()) {
      ++at_;
      AHA_ASSIGN_OR_RETURN(const Rational right, Product(depth));
      AHA_ASSIGN_OR_RETURN(left, Apply(op, left, right));
    }
    return left;
  }

  Result<Rational> Product(int depth) {
    AHA_ASSIGN_OR_RETURN(Rational left, Factor(depth));
    for (char op = Peek(); op == '*' || op == '/'; op = Peek()) {
      ++at_;
      AHA_ASSIGN_OR_RETURN(const Rational right, Factor(depth));
      AHA_ASSIGN_OR_RETURN(left, Apply(op, left, right));
    }
    return left;
  }

  Result<Rational> Factor(int depth) {
    if (depth > kMostDepth) return InvalidArgument("parentheses nested too deep");
    const char c = Peek();
    if (signs_ == Signs::kAllowed && (c == '-' || c == '+')) {
      ++at_;
      AHA_ASSIGN_OR_RETURN(const Rational value, Factor(depth + 1));
      return c == '-' ? Rational{-value.numerator, value.denominator} : value;
    }
    if (c == '(') {
      ++at_;
      AHA_ASSIGN_OR_RETURN(const Rational value, Sum(depth + 1));
      if (Peek() != ')') return Unexpected();
      ++at_;
      return value;
    }
    if (c < '0' || c > '9') return Unexpected();
    int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (value > 1'000'000'000'000) return InvalidArgument("a number too large");
      value = value * 10 + (text_[at_] - '0');
    }
    out_.numbers.push_back(value);
    return Rational{value, 1};
  }

  std::string_view text_;
  Signs signs_;
  size_t at_ = 0;
  Expression out_;
};

}  // namespace

Result<Expression> EvaluateExpression(std::string_view text, Signs signs) {
  if (text.size() > kMostCharacters)
    return InvalidArgument("an expression of {} characters", text.size());
  return Parser(text, signs).Run();
}

}  // namespace aha
