#include "grammar/grammar.h"

#include "grammar/automaton.h"
#include "grammar/gbnf.h"
#include "grammar/machine.h"
#include "grammar/schema.h"

namespace aha {
namespace {

// Rules below each other: one or two for each bracket, so what is written can be read by parsers
// that stop at 128 of them.
constexpr int32_t kJsonDepth = 126;

Result<std::shared_ptr<const grammar::Automaton>> Compile(const grammar::Syntax& syntax,
                                                          int32_t root, int32_t most_depth) {
  grammar::CompileLimits limits;
  limits.most_depth = most_depth;
  AHA_ASSIGN_OR_RETURN(grammar::Automaton automaton,
                       grammar::CompileAutomaton(syntax, root, limits));
  auto shared = std::make_shared<const grammar::Automaton>(std::move(automaton));
  const grammar::Machine machine(shared, 1);
  if (machine.start() == grammar::Machine::kDead) {
    return ResourceExhausted("rule {} has too many alternatives that are open at one time",
                             shared->rule(root).name);
  }
  return shared;
}

}  // namespace

Result<Grammar> Grammar::FromGbnf(std::string_view text) {
  AHA_ASSIGN_OR_RETURN(const grammar::GbnfGrammar parsed, grammar::ParseGbnf(text));
  AHA_ASSIGN_OR_RETURN(auto automaton, Compile(parsed.syntax, parsed.root, 10'000));
  return Grammar(std::move(automaton));
}

Result<Grammar> Grammar::FromJsonSchema(const Json& schema) {
  AHA_ASSIGN_OR_RETURN(const grammar::SchemaGrammar parsed, grammar::ParseSchema(schema));
  AHA_ASSIGN_OR_RETURN(auto automaton, Compile(parsed.syntax, parsed.root, kJsonDepth));
  return Grammar(std::move(automaton));
}

Result<Grammar> Grammar::FromBranches(std::span<const Branch> branches) {
  grammar::Syntax syntax;
  std::vector<grammar::ExprId> choices;
  for (const Branch& branch : branches) {
    AHA_ASSIGN_OR_RETURN(const grammar::SchemaGrammar value, grammar::ParseSchema(branch.schema));
    const int32_t root = value.root + syntax.Append(value.syntax);
    AHA_RETURN_IF_ERROR(syntax.status());
    choices.push_back(syntax.Sequence(
        {syntax.Text(branch.before), syntax.RuleCall(root), syntax.Text(branch.after)}));
  }
  const int32_t root = syntax.AddRule("root", syntax.Choice(std::move(choices)));
  AHA_RETURN_IF_ERROR(syntax.status());
  AHA_ASSIGN_OR_RETURN(auto automaton, Compile(syntax, root, kJsonDepth));
  return Grammar(std::move(automaton));
}

Grammar Grammar::JsonObject() {
  Result<Grammar> made = FromJsonSchema(Json{{"type", "object"}});
  CHECK(made.ok(), made.status().message());
  return std::move(made).value();
}

}  // namespace aha
