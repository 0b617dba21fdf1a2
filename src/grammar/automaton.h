// A compiled grammar: for each rule a non-deterministic automaton over bytes whose edges may also
// call rules. Immutable; what machine.h runs.
//
//   AHA_ASSIGN_OR_RETURN(Automaton a, CompileAutomaton(syntax, root, {.most_depth = 100}));
//
// Guaranteed by CompileAutomaton: no rule reaches itself before a byte was read, the root can end,
// counted bodies are never empty. A state from which the rule cannot end has height kNever.
#ifndef AHA_GRAMMAR_AUTOMATON_H_
#define AHA_GRAMMAR_AUTOMATON_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "grammar/syntax.h"

namespace aha::grammar {

struct ByteEdge {
  uint8_t low = 0, high = 0;
  int32_t target = -1;
};

// Runs `rule` (`least` to `most` times when counted), then goes on at `target`.
struct Call {
  int32_t rule = -1;
  int32_t target = -1;
  bool counted = false;
  bool tail = false;            // nothing follows: the callee returns to the caller's caller
  int32_t least = 1, most = 1;  // most < 0: no end
};

struct State {
  // Ranges of the lists below: [first, first of the next state).
  int32_t epsilons = 0, edges = 0, calls = 0;
  bool final = false;
  // Rules that must be entered below each other at the least until this rule ends.
  int32_t height = 0;
};

struct AutomatonRule {
  std::string name;
  int32_t start = -1;
  int32_t order = 0;  // a rule that another begins with has a higher one
  bool nullable = false;
};

struct Automaton {
  static constexpr int32_t kNever = 1 << 29;

  std::vector<AutomatonRule> rules;
  std::vector<State> states;  // and one past the end
  std::vector<int32_t> epsilon_list;
  std::vector<ByteEdge> edge_list;
  std::vector<Call> call_list;
  int32_t root = 0;
  int32_t most_depth = 0;  // rules entered below each other
  bool counts = false;     // some call is counted
  // Bytes that no edge tells apart are one class.
  std::array<uint8_t, 256> byte_class = {};
  std::vector<uint8_t> class_byte;  // [classes] one of each

  const State& state(int32_t q) const { return states[static_cast<size_t>(q)]; }
  const AutomatonRule& rule(int32_t r) const { return rules[static_cast<size_t>(r)]; }
  std::span<const int32_t> epsilons(int32_t q) const {
    return Part(epsilon_list, state(q).epsilons, state(q + 1).epsilons);
  }
  std::span<const ByteEdge> edges(int32_t q) const {
    return Part(edge_list, state(q).edges, state(q + 1).edges);
  }
  std::span<const Call> calls(int32_t q) const {
    return Part(call_list, state(q).calls, state(q + 1).calls);
  }
  // Whether the call can be over without a byte.
  bool Nullable(const Call& call) const {
    return call.least == 0 || (!call.counted && rule(call.rule).nullable);
  }

 private:
  template <typename T>
  static std::span<const T> Part(const std::vector<T>& list, int32_t begin, int32_t end) {
    return std::span(list).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }
};

struct CompileLimits {
  int32_t most_states = 400'000;
  int32_t most_depth = 10'000;
};

// Errors: a rule that is left-recursive, a root that can never end (both by name), a large count of
// something that may be empty, too many states.
Result<Automaton> CompileAutomaton(const Syntax& syntax, int32_t root, const CompileLimits& limits);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_AUTOMATON_H_
