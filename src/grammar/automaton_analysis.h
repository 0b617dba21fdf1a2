// What is computed over a whole automaton once its states stand. Used by CompileAutomaton.
#ifndef AHA_GRAMMAR_AUTOMATON_ANALYSIS_H_
#define AHA_GRAMMAR_AUTOMATON_ANALYSIS_H_

#include "base/status.h"
#include "grammar/automaton.h"

namespace aha::grammar {

// Sets calls' `tail`, rules' `nullable` and `order`, states' `height`, and the byte classes; checks
// what automaton.h guarantees. Linear in the automaton but for a logarithm.
Status Analyse(Automaton* automaton);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_AUTOMATON_ANALYSIS_H_
