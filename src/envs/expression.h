// Arithmetic as a model writes it, computed exactly.
#ifndef AHA_ENVS_EXPRESSION_H_
#define AHA_ENVS_EXPRESSION_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace aha {

// An exact fraction in lowest terms, denominator > 0.
struct Rational {
  int64_t numerator = 0;
  int64_t denominator = 1;
  bool operator==(const Rational&) const = default;
};

struct Expression {
  Rational value;
  std::vector<int64_t> numbers;  // as they stand, in order
};

// + - * / and parentheses over whole numbers; blanks are skipped. A sign before a number or a
// parenthesis ("-5+8") is none of it unless it is allowed. Errors (a sentence, never a crash):
// other characters, unbalanced parentheses, division by zero, a value beyond 64 bits, more than
// 1000 characters or 50 levels.
enum class Signs { kRefused, kAllowed };
Result<Expression> EvaluateExpression(std::string_view text, Signs signs = Signs::kRefused);

}  // namespace aha

#endif  // AHA_ENVS_EXPRESSION_H_
