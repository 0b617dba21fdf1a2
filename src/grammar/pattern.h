// A JSON schema's `pattern`: the part of ECMA-262 regular expressions that is regular, as what
// stands between the quotes of a JSON string.
#ifndef AHA_GRAMMAR_PATTERN_H_
#define AHA_GRAMMAR_PATTERN_H_

#include <string_view>

#include "base/status.h"
#include "grammar/json_text.h"
#include "grammar/syntax.h"

namespace aha::grammar {

struct Pattern {
  ExprId expr = 0;
  // Characters that a match has; most may be Syntax::kUnbounded.
  int64_t least = 0, most = 0;
};

// Classes and their escapes, groups, alternatives, counts (lazy ones too, which match the same), ^
// and $ at the ends of an alternative of the whole. Without them anything may stand before or
// after. Errors name the pattern and what is not supported in it: look-around, back-references, \b,
// \p.
Result<Pattern> ParsePattern(std::string_view pattern, Syntax* syntax, JsonText* json);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_PATTERN_H_
