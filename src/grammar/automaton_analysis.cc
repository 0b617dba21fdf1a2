#include "grammar/automaton_analysis.h"

#include <algorithm>
#include <queue>

namespace aha::grammar {
namespace {

// Where each state and rule is reached from.
struct Reverse {
  struct CallSite {
    int32_t from;
    int32_t call;
  };
  std::vector<std::vector<int32_t>> epsilon;   // [state] states
  std::vector<std::vector<int32_t>> edge;      // [state] states
  std::vector<std::vector<CallSite>> returns;  // [state] calls that go on here
  std::vector<std::vector<CallSite>> callers;  // [rule]
  std::vector<std::vector<int32_t>> starts;    // [state] rules that start here

  explicit Reverse(const Automaton& a)
      : epsilon(a.states.size()),
        edge(a.states.size()),
        returns(a.states.size()),
        callers(a.rules.size()),
        starts(a.states.size()) {
    const auto count = static_cast<int32_t>(a.states.size()) - 1;
    for (int32_t q = 0; q < count; ++q) {
      for (int32_t t : a.epsilons(q)) epsilon[static_cast<size_t>(t)].push_back(q);
      for (const ByteEdge& e : a.edges(q)) {
        std::vector<int32_t>& from = edge[static_cast<size_t>(e.target)];
        if (from.empty() || from.back() != q) from.push_back(q);
      }
      for (int32_t c = a.state(q).calls; c < a.state(q + 1).calls; ++c) {
        const Call& call = a.call_list[static_cast<size_t>(c)];
        returns[static_cast<size_t>(call.target)].push_back({q, c});
        callers[static_cast<size_t>(call.rule)].push_back({q, c});
      }
    }
    for (size_t r = 0; r < a.rules.size(); ++r) {
      starts[static_cast<size_t>(a.rules[r].start)].push_back(static_cast<int32_t>(r));
    }
  }
};

// A state that only ends its rule.
bool OnlyEnds(const Automaton& a, int32_t q) {
  for (int steps = 0; steps < 8; ++steps) {
    if (!a.edges(q).empty() || !a.calls(q).empty()) return false;
    if (a.state(q).final) return a.epsilons(q).empty();
    if (a.epsilons(q).size() != 1) return false;
    q = a.epsilons(q)[0];
  }
  return false;
}

// Which states reach the end of their rule without a byte; marks nullable rules.
void FindNullable(const Reverse& reverse, Automaton* a) {
  std::vector<uint8_t> ends(a->states.size(), 0);
  std::vector<int32_t> work;
  const auto mark = [&](int32_t q) {
    if (ends[static_cast<size_t>(q)] != 0) return;
    ends[static_cast<size_t>(q)] = 1;
    work.push_back(q);
  };
  const auto call_of = [&](const Reverse::CallSite& site) -> const Call& {
    return a->call_list[static_cast<size_t>(site.call)];
  };
  for (size_t q = 0; q + 1 < a->states.size(); ++q) {
    if (a->states[q].final) mark(static_cast<int32_t>(q));
  }
  while (!work.empty()) {
    const auto q = static_cast<size_t>(work.back());
    work.pop_back();
    for (int32_t from : reverse.epsilon[q]) mark(from);
    for (const Reverse::CallSite& site : reverse.returns[q]) {
      if (a->Nullable(call_of(site))) mark(site.from);
    }
    for (int32_t rule : reverse.starts[q]) {
      a->rules[static_cast<size_t>(rule)].nullable = true;
      for (const Reverse::CallSite& site : reverse.callers[static_cast<size_t>(rule)]) {
        if (ends[static_cast<size_t>(call_of(site).target)] != 0) mark(site.from);
      }
    }
  }
}

Status CheckCounted(const Automaton& a) {
  for (const Call& call : a.call_list) {
    if (!call.counted || !a.rule(call.rule).nullable) continue;
    return InvalidArgument("{} may be empty and is repeated up to {} times", a.rule(call.rule).name,
                           call.most < 0 ? call.least : call.most);
  }
  return OkStatus();
}

// The least height of every state, smallest first (Knuth's generalisation of Dijkstra's algorithm).
void FindHeights(const Reverse& reverse, Automaton* a) {
  using Entry = std::pair<int32_t, int32_t>;  // height, state
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  std::vector<uint8_t> known(a->states.size(), 0);
  const auto offer = [&](int32_t q, int32_t height) {
    int32_t& best = a->states[static_cast<size_t>(q)].height;
    if (height >= best) return;
    best = height;
    queue.push({height, q});
  };
  for (State& s : a->states) s.height = Automaton::kNever;
  for (size_t q = 0; q + 1 < a->states.size(); ++q) {
    if (a->states[q].final) offer(static_cast<int32_t>(q), 0);
  }
  const auto offer_call = [&](const Reverse::CallSite& site) {
    const Call& call = a->call_list[static_cast<size_t>(site.call)];
    const int32_t after = a->state(call.target).height;
    if (known[static_cast<size_t>(call.target)] == 0) return;
    if (call.least == 0) offer(site.from, after);
    const int32_t start = a->rule(call.rule).start;
    if (known[static_cast<size_t>(start)] == 0) return;
    offer(site.from, std::max(after, a->state(start).height + (call.tail ? 0 : 1)));
  };
  while (!queue.empty()) {
    const auto [height, q] = queue.top();
    queue.pop();
    const auto at = static_cast<size_t>(q);
    if (known[at] != 0) continue;
    known[at] = 1;
    for (int32_t from : reverse.epsilon[at]) offer(from, height);
    for (int32_t from : reverse.edge[at]) offer(from, height);
    for (const Reverse::CallSite& site : reverse.returns[at]) offer_call(site);
    for (int32_t rule : reverse.starts[at]) {
      for (const Reverse::CallSite& site : reverse.callers[static_cast<size_t>(rule)]) {
        offer_call(site);
      }
    }
  }
}

// The rules that each rule may begin with.
std::vector<std::vector<int32_t>> FindFirstCalls(const Automaton& a) {
  std::vector<std::vector<int32_t>> first(a.rules.size());
  std::vector<int32_t> seen(a.states.size(), -1);
  std::vector<int32_t> work;
  for (size_t r = 0; r < a.rules.size(); ++r) {
    const auto mark = [&](int32_t q) {
      int32_t& mine = seen[static_cast<size_t>(q)];
      if (mine == static_cast<int32_t>(r) || a.state(q).height >= Automaton::kNever) return;
      mine = static_cast<int32_t>(r);
      work.push_back(q);
    };
    mark(a.rules[r].start);
    while (!work.empty()) {
      const int32_t q = work.back();
      work.pop_back();
      for (int32_t t : a.epsilons(q)) mark(t);
      for (const Call& call : a.calls(q)) {
        first[r].push_back(call.rule);
        if (a.Nullable(call)) mark(call.target);
      }
    }
    std::ranges::sort(first[r]);
    first[r].erase(std::unique(first[r].begin(), first[r].end()), first[r].end());
  }
  return first;
}

// Depth first without recursion; a rule met again on its own path is left-recursive.
Status OrderRules(Automaton* a) {
  const std::vector<std::vector<int32_t>> first = FindFirstCalls(*a);
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> seen(a->rules.size(), kNew);
  struct Visit {
    int32_t rule;
    size_t next;
  };
  std::vector<Visit> path;
  auto order = static_cast<int32_t>(a->rules.size());
  for (size_t r = 0; r < a->rules.size(); ++r) {
    if (seen[r] != kNew) continue;
    seen[r] = kOpen;
    path.push_back({static_cast<int32_t>(r), 0});
    while (!path.empty()) {
      Visit& top = path.back();
      const auto at = static_cast<size_t>(top.rule);
      if (top.next == first[at].size()) {
        seen[at] = kDone;
        a->rules[at].order = --order;
        path.pop_back();
        continue;
      }
      const int32_t callee = first[at][top.next++];
      uint8_t& state = seen[static_cast<size_t>(callee)];
      if (state == kOpen) {
        return InvalidArgument(
            "rule {} is left-recursive: it can call itself before it has read anything",
            a->rule(callee).name);
      }
      if (state == kDone) continue;
      state = kOpen;
      path.push_back({callee, 0});
    }
  }
  return OkStatus();
}

void FindByteClasses(Automaton* a) {
  std::array<bool, 257> border = {};
  border[0] = true;
  for (const ByteEdge& e : a->edge_list) border[e.low] = border[size_t{e.high} + 1] = true;
  for (size_t b = 0; b < 256; ++b) {
    if (border[b]) a->class_byte.push_back(static_cast<uint8_t>(b));
    a->byte_class[b] = static_cast<uint8_t>(a->class_byte.size() - 1);
  }
}

}  // namespace

Status Analyse(Automaton* a) {
  for (Call& call : a->call_list) {
    call.tail = !call.counted && OnlyEnds(*a, call.target);
    a->counts |= call.counted;
  }
  const Reverse reverse(*a);
  FindNullable(reverse, a);
  AHA_RETURN_IF_ERROR(CheckCounted(*a));
  FindHeights(reverse, a);
  const AutomatonRule& root = a->rule(a->root);
  const int32_t height = a->state(root.start).height;
  if (height >= Automaton::kNever) {
    return InvalidArgument("rule {} can never end: whatever matches it has no finite text",
                           root.name);
  }
  if (height > a->most_depth) {
    return InvalidArgument("rule {} nests at least {} deep: at most {} is possible", root.name,
                           height, a->most_depth);
  }
  AHA_RETURN_IF_ERROR(OrderRules(a));
  FindByteClasses(a);
  return OkStatus();
}

}  // namespace aha::grammar
