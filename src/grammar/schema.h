// JSON schemas (draft 2020-12, and what earlier drafts write differently) to Syntax: the text of
// JSON values that are valid under them. docs/grammar.md lists what is read how.
#ifndef AHA_GRAMMAR_SCHEMA_H_
#define AHA_GRAMMAR_SCHEMA_H_

#include "base/json.h"
#include "base/status.h"
#include "grammar/syntax.h"

namespace aha::grammar {

struct SchemaGrammar {
  Syntax syntax;
  int32_t root = -1;
};

// Errors name the keyword that is not supported or wrong, and where it stands (#/properties/...).
Result<SchemaGrammar> ParseSchema(const Json& schema);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_SCHEMA_H_
