// A grammar as it is written, whatever the notation: rules of expressions over Unicode text.
//
//   Syntax s;
//   const int32_t digits = s.AddRule("digits");
//   s.SetRule(digits, s.Repeat(s.Class({{'0', '9'}}), 1, Syntax::kUnbounded));
//
// Expressions are numbers into one list, made from the inside out, so none contains itself; only
// rules do. The list is bounded: past its end every new expression is number 0 and `status` says
// so.
#ifndef AHA_GRAMMAR_SYNTAX_H_
#define AHA_GRAMMAR_SYNTAX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace aha::grammar {

using ExprId = int32_t;

struct CodeRange {
  uint32_t first = 0, last = 0;  // both included
};

enum class ExprKind : uint8_t { kText, kWords, kClass, kSequence, kChoice, kRepeat, kRule };

struct Expr {
  ExprKind kind = ExprKind::kText;
  int32_t rule = -1;               // kRule
  int64_t least = 0, most = 0;     // kRepeat; most may be kUnbounded
  std::string text;                // kText: bytes, "" matches nothing but itself
  std::vector<std::string> words;  // kWords: any of these
  std::vector<CodeRange> ranges;  // kClass: sorted, apart, without surrogates; empty: matches never
  std::vector<ExprId> parts;      // kSequence, kChoice; kRepeat: one
};

struct Rule {
  std::string name;  // for errors
  ExprId expr = -1;
};

class Syntax {
 public:
  static constexpr int64_t kUnbounded = -1;
  static constexpr int64_t kMostCount = 1'000'000'000;
  static constexpr size_t kMostExprs = 400'000;
  static constexpr size_t kMostRules = 100'000;

  Syntax();
  ExprId Empty() const { return 0; }
  ExprId Text(std::string_view bytes);
  // Any order, doubles allowed.
  ExprId Words(std::vector<std::string> words);
  // Ranges in any order; surrogates are left out.
  ExprId Class(std::vector<CodeRange> ranges, bool negated = false);
  ExprId Sequence(std::vector<ExprId> parts);
  ExprId Choice(std::vector<ExprId> parts);
  // 0 <= least <= most <= kMostCount; most may be kUnbounded.
  ExprId Repeat(ExprId part, int64_t least, int64_t most);
  ExprId Optional(ExprId part) { return Repeat(part, 0, 1); }
  ExprId RuleCall(int32_t rule);

  int32_t AddRule(std::string name);
  void SetRule(int32_t rule, ExprId expr) { rules_[static_cast<size_t>(rule)].expr = expr; }
  // A rule of that expression.
  int32_t AddRule(std::string name, ExprId expr);

  // All of `other`'s expressions and rules; its rule r is then rule r + the number returned.
  int32_t Append(const Syntax& other);

  const Expr& expr(ExprId id) const { return exprs_[static_cast<size_t>(id)]; }
  const std::vector<Rule>& rules() const { return rules_; }
  // An error once there were too many expressions or rules.
  Status status() const;

 private:
  ExprId Add(Expr expr);

  std::vector<Expr> exprs_;
  std::vector<Rule> rules_;
  bool full_ = false;
};

// Sorted, joined, without surrogates; `negated`: all other code points.
std::vector<CodeRange> NormalRanges(std::vector<CodeRange> ranges, bool negated);
void AppendUtf8(uint32_t code, std::string* out);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_SYNTAX_H_
