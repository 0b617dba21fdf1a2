// Numbers between bounds, as the texts that JSON writers make of them.
#ifndef AHA_GRAMMAR_NUMBER_RANGE_H_
#define AHA_GRAMMAR_NUMBER_RANGE_H_

#include <optional>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "grammar/syntax.h"

namespace aha::grammar {

// A decimal number without an exponent.
struct Decimal {
  bool negative = false;
  std::string whole = "0";  // no leading zeros
  std::string fraction;     // no trailing zeros

  bool zero() const { return whole == "0" && fraction.empty(); }
};

// Of any JSON number. Errors: more than 18 digits before the point or 16 after it.
Result<Decimal> ToDecimal(const Json& number);
// < 0, 0, > 0 as a is below, equal to, above b.
int Compare(const Decimal& a, const Decimal& b);

struct NumberRange {
  std::optional<Decimal> low, high;
  bool low_open = false, high_open = false;  // the bound itself is outside
};

// Numbers of the range with at most 18 digits before the point, at most `places` after it (0: whole
// numbers), and no exponent; matches never when there is none. No "-0".
ExprId DecimalNumbers(const NumberRange& range, int places, Syntax* syntax);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_NUMBER_RANGE_H_
