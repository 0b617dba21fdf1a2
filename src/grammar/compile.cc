// Syntax to automaton: Thompson's construction, with UTF-8 spelled out in bytes. Small repetitions
// are written out, large ones become counted calls, so that a count costs no states.
#include <algorithm>
#include <map>
#include <tuple>

#include "grammar/automaton.h"
#include "grammar/automaton_analysis.h"
#include "grammar/utf8_ranges.h"

namespace aha::grammar {
namespace {

// A repetition is written out up to this many states.
constexpr int64_t kMostWrittenOut = 64;

class Compiler {
 public:
  Compiler(const Syntax& syntax, const CompileLimits& limits)
      : syntax_(syntax), limits_(limits), sizes_(Syntax::kMostExprs, 0) {}

  Result<Automaton> Run(int32_t root) {
    for (const Rule& rule : syntax_.rules()) automaton_.rules.push_back({rule.name});
    for (size_t r = 0; r < automaton_.rules.size(); ++r) {
      // Bodies of repetitions are added to the list as they are met.
      const ExprId expr = r < syntax_.rules().size() ? syntax_.rules()[r].expr
                                                     : body_exprs_[r - syntax_.rules().size()];
      const int32_t start = NewState();
      const int32_t end = NewState();
      automaton_.rules[r].start = start;
      automaton_.states[static_cast<size_t>(end)].final = true;
      current_rule_ = static_cast<int32_t>(r);
      Add(expr, start, end);
      if (full_) {
        return ResourceExhausted("the grammar is too large: rule {} passes {} states",
                                 automaton_.rules[r].name, limits_.most_states);
      }
    }
    automaton_.root = root;
    automaton_.most_depth = limits_.most_depth;
    Flatten();
    AHA_RETURN_IF_ERROR(Analyse(&automaton_));
    return std::move(automaton_);
  }

 private:
  template <typename T>
  struct From {
    int32_t from;
    T what;
  };

  int32_t NewState() {
    if (static_cast<int32_t>(automaton_.states.size()) >= limits_.most_states) {
      full_ = true;
      return 0;
    }
    automaton_.states.emplace_back();
    return static_cast<int32_t>(automaton_.states.size()) - 1;
  }
  void AddEpsilon(int32_t from, int32_t to) { epsilons_.push_back({from, to}); }
  void AddEdge(int32_t from, ByteRange bytes, int32_t to) {
    edges_.push_back({from, {bytes.low, bytes.high, to}});
  }

  // States and edges that match `id` between the two. Nothing is added into `from` or out of `to`.
  void Add(ExprId id, int32_t from, int32_t to) {
    if (full_) return;
    const Expr& e = syntax_.expr(id);
    switch (e.kind) {
      case ExprKind::kText:
        return AddText(e.text, from, to);
      case ExprKind::kWords:
        return AddWords(e.words, 0, from, to);
      case ExprKind::kClass:
        return AddClass(e.ranges, from, to);
      case ExprKind::kSequence:
        for (size_t i = 0; i < e.parts.size(); ++i) {
          const int32_t next = i + 1 == e.parts.size() ? to : NewState();
          Add(e.parts[i], from, next);
          from = next;
        }
        return;
      case ExprKind::kChoice:
        for (ExprId part : e.parts) Add(part, from, to);
        return;
      case ExprKind::kRepeat:
        return AddRepeat(e, from, to);
      case ExprKind::kRule:
        calls_.push_back({from, {e.rule, to}});
        return;
    }
  }

  void AddText(std::string_view text, int32_t from, int32_t to) {
    if (text.empty()) return AddEpsilon(from, to);
    for (size_t i = 0; i < text.size(); ++i) {
      const int32_t next = i + 1 == text.size() ? to : NewState();
      const auto byte = static_cast<uint8_t>(text[i]);
      AddEdge(from, {byte, byte}, next);
      from = next;
      if (full_) return;
    }
  }

  // `words` are sorted and agree up to `at`: a tree. What is left of a single word is a chain.
  void AddWords(std::span<const std::string> words, size_t at, int32_t from, int32_t to) {
    while (!full_ && !words.empty()) {
      if (words.size() == 1) return AddText(std::string_view(words[0]).substr(at), from, to);
      if (words[0].size() == at) {
        AddEpsilon(from, to);
        words = words.subspan(1);
        continue;
      }
      const char byte = words[0][at];
      size_t count = 1;
      while (count < words.size() && words[count][at] == byte) ++count;
      // A stretch in common is walked here, so that the recursion is as deep as words branch.
      const std::span<const std::string> branch = words.first(count);
      if (branch.size() == 1) {
        AddText(std::string_view(branch[0]).substr(at), from, to);
      } else {
        const std::string& last = branch.back();
        size_t common = at + 1;
        while (common < branch[0].size() && branch[0][common] == last[common]) ++common;
        const int32_t next = NewState();
        AddText(std::string_view(branch[0]).substr(at, common - at), from, next);
        AddWords(branch, common, next, to);
      }
      words = words.subspan(count);
    }
  }

  // Sequences share their ends.
  void AddClass(const std::vector<CodeRange>& ranges, int32_t from, int32_t to) {
    std::vector<ByteSequence> sequences;
    for (const CodeRange& range : ranges) AppendByteSequences(range, &sequences);
    std::map<std::tuple<uint8_t, uint8_t, int32_t>, int32_t> before;  // low, high, to: the state
    for (const ByteSequence& s : sequences) {
      int32_t next = to;
      for (int i = s.length - 1; i > 0; --i) {
        const auto [it, is_new] = before.try_emplace({s.bytes[i].low, s.bytes[i].high, next}, 0);
        if (is_new) {
          it->second = NewState();
          AddEdge(it->second, s.bytes[i], next);
        }
        next = it->second;
      }
      AddEdge(from, s.bytes[0], next);
      if (full_) return;
    }
  }

  void AddRepeat(const Expr& e, int32_t from, int32_t to) {
    const ExprId part = e.parts[0];
    const bool unbounded = e.most == Syntax::kUnbounded;
    const int64_t copies = unbounded ? e.least + 1 : e.most;
    if (copies > 1 && copies > kMostWrittenOut / std::max<int64_t>(1, SizeOf(part))) {
      Call call{BodyRule(part), to, true};
      call.least = static_cast<int32_t>(e.least);
      call.most = unbounded ? -1 : static_cast<int32_t>(e.most);
      calls_.push_back({from, call});
      return;
    }
    const int64_t written = unbounded ? e.least : e.most;
    for (int64_t i = 0; i < written; ++i) {
      if (i >= e.least) AddEpsilon(from, to);
      const int32_t next = !unbounded && i + 1 == written ? to : NewState();
      Add(part, from, next);
      from = next;
    }
    if (!unbounded) return;
    const int32_t loop = NewState();
    AddEpsilon(from, loop);
    Add(part, loop, loop);
    AddEpsilon(loop, to);
  }

  int32_t BodyRule(ExprId part) {
    const auto [it, is_new] = bodies_.try_emplace(part, 0);
    if (is_new) {
      it->second = static_cast<int32_t>(automaton_.rules.size());
      body_exprs_.push_back(part);
      const std::string& name = automaton_.rules[static_cast<size_t>(current_rule_)].name;
      automaton_.rules.push_back({name.starts_with("what ") ? name : "what " + name + " repeats"});
    }
    return it->second;
  }

  // About how many states an expression takes.
  int64_t SizeOf(ExprId id) {
    int64_t& known = sizes_[static_cast<size_t>(id)];
    if (known != 0) return known;
    const Expr& e = syntax_.expr(id);
    int64_t size = 0;
    if (e.kind == ExprKind::kText) size = static_cast<int64_t>(e.text.size());
    for (const std::string& word : e.words) size += static_cast<int64_t>(word.size());
    if (e.kind == ExprKind::kClass) {
      const auto ranges = static_cast<int64_t>(e.ranges.size());
      size = ranges == 0 || e.ranges.back().last <= 0x7F ? ranges : 4 + 4 * ranges;
    }
    for (ExprId part : e.parts) size += SizeOf(part);
    if (e.kind == ExprKind::kRepeat) {
      const int64_t copies = e.most == Syntax::kUnbounded ? e.least + 1 : e.most;
      if (copies <= kMostWrittenOut / std::max<int64_t>(1, size)) size *= copies;
    }
    return known = std::max<int64_t>(1, size);
  }

  template <typename T, typename Member>
  void FlattenList(std::vector<From<T>>* from, std::vector<T>* to, Member member) {
    std::ranges::stable_sort(*from, {}, &From<T>::from);
    size_t next = 0;
    for (size_t q = 0; q < automaton_.states.size(); ++q) {
      automaton_.states[q].*member = static_cast<int32_t>(to->size());
      for (; next < from->size() && (*from)[next].from == static_cast<int32_t>(q); ++next) {
        to->push_back((*from)[next].what);
      }
    }
  }

  void Flatten() {
    automaton_.states.emplace_back();  // where the last state's lists end
    FlattenList(&epsilons_, &automaton_.epsilon_list, &State::epsilons);
    FlattenList(&edges_, &automaton_.edge_list, &State::edges);
    FlattenList(&calls_, &automaton_.call_list, &State::calls);
  }

  const Syntax& syntax_;
  CompileLimits limits_;
  Automaton automaton_;
  std::vector<From<int32_t>> epsilons_;
  std::vector<From<ByteEdge>> edges_;
  std::vector<From<Call>> calls_;
  std::vector<ExprId> body_exprs_;    // of the rules after the syntax's own
  std::map<ExprId, int32_t> bodies_;  // rules of counted bodies
  std::vector<int64_t> sizes_;        // [expr] 0: not known yet
  int32_t current_rule_ = 0;
  bool full_ = false;
};

}  // namespace

Result<Automaton> CompileAutomaton(const Syntax& syntax, int32_t root,
                                   const CompileLimits& limits) {
  AHA_RETURN_IF_ERROR(syntax.status());
  return Compiler(syntax, limits).Run(root);
}

}  // namespace aha::grammar
