// What a text may be: compiled from llama.cpp's GBNF notation or from a JSON schema, to constrain
// what a model writes (matcher.h).
//
//   AHA_ASSIGN_OR_RETURN(Grammar g, Grammar::FromJsonSchema(schema));
//   AHA_ASSIGN_OR_RETURN(Grammar g, Grammar::FromGbnf("root ::= [a-z]+ (\", \" [a-z]+){0,9}"));
//
// Immutable and cheap to copy; safe to share between threads. Compiling is bounded in time and
// memory whatever the input: what is too large is an error. docs/grammar.md says what is supported.
#ifndef AHA_GRAMMAR_GRAMMAR_H_
#define AHA_GRAMMAR_GRAMMAR_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace aha {

namespace grammar {
struct Automaton;
}

class Grammar {
 public:
  // The rule `root` is the whole text. Errors name the line; a rule that is missing, left-recursive
  // or endless.
  static Result<Grammar> FromGbnf(std::string_view text);
  // Errors name the keyword that is not supported and its JSON pointer.
  static Result<Grammar> FromJsonSchema(const Json& schema);
  // One of several texts: what stands before, a value of the schema, what stands behind. Errors as
  // of FromJsonSchema.
  struct Branch {
    std::string before;
    Json schema;
    std::string after;
  };
  static Result<Grammar> FromBranches(std::span<const Branch> branches);
  // Any JSON object.
  static Grammar JsonObject();

  const std::shared_ptr<const grammar::Automaton>& automaton() const { return automaton_; }

 private:
  explicit Grammar(std::shared_ptr<const grammar::Automaton> automaton)
      : automaton_(std::move(automaton)) {}
  std::shared_ptr<const grammar::Automaton> automaton_;
};

}  // namespace aha

#endif  // AHA_GRAMMAR_GRAMMAR_H_
