// llama.cpp's GBNF notation to Syntax.
#ifndef AHA_GRAMMAR_GBNF_H_
#define AHA_GRAMMAR_GBNF_H_

#include <string_view>

#include "base/status.h"
#include "grammar/syntax.h"

namespace aha::grammar {

struct GbnfGrammar {
  Syntax syntax;
  int32_t root = -1;
};

// Errors name the line and what stands there; rules that are used and not defined, or defined
// twice; a missing rule `root`.
Result<GbnfGrammar> ParseGbnf(std::string_view text);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_GBNF_H_
