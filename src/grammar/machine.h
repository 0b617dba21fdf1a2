// Runs an Automaton over bytes and remembers what it finds: a configuration is the set of all ways
// to have read the text so far, and each that was met has a number, its successors and, for masks,
// a twin. So text that comes again (the next member, the next character of a string) costs a
// lookup.
//
// A way is (state, node). A node is where its rule's callers go on: a set of frames, shared by all
// callers at one place, as in GLL parsing; so nothing multiplies, however ambiguous the grammar. A
// tail call adds no frame: lists written by right recursion do not grow.
//
// Not thread-safe: TokenGrammar holds the lock.
#ifndef AHA_GRAMMAR_MACHINE_H_
#define AHA_GRAMMAR_MACHINE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/span_set.h"

namespace aha::grammar {

// Where a rule goes on when it ends. call < 0: the whole text has ended.
struct Frame {
  int32_t call = -1;
  int32_t parent = -1;
  int32_t least = 0, most = 0;  // of a counted call, with the one that runs; most < 0: no end
  auto operator<=>(const Frame&) const = default;
};
inline uint64_t Hash(const Frame& f) {
  const uint64_t a =
      static_cast<uint64_t>(static_cast<uint32_t>(f.call)) << 32 | static_cast<uint32_t>(f.parent);
  const uint64_t b =
      static_cast<uint64_t>(static_cast<uint32_t>(f.least)) << 32 | static_cast<uint32_t>(f.most);
  return a ^ (b * 0x9E3779B97F4A7C15u);
}

// One way to have read the text. state < 0: the text may end here.
struct Way {
  int32_t state = -1;
  int32_t node = -1;
  auto operator<=>(const Way&) const = default;
};
inline uint64_t Hash(const Way& w) {
  return static_cast<uint64_t>(static_cast<uint32_t>(w.state)) << 32 |
         static_cast<uint32_t>(w.node);
}

class Machine {
 public:
  static constexpr int32_t kDead = 0;  // the configuration of text that does not match

  // Counts beyond `horizon` bytes away look alike to a twin: what no single token can reach.
  Machine(std::shared_ptr<const Automaton> automaton, int32_t horizon);

  int32_t start() const { return start_; }
  // kDead for a byte that cannot follow. Also when the ways become too many (a grammar ambiguous
  // beyond measure): such text is refused, never accepted wrongly.
  int32_t Step(int32_t config, uint8_t byte) {
    const size_t at = static_cast<size_t>(config) * classes_ + automaton_->byte_class[byte];
    const int32_t known = next_[at];
    return known >= 0 ? known : StepNew(config, byte);
  }
  // Whether the text may end, and whether it can go on.
  bool MayEnd(int32_t config) const {
    const std::span<const Way> ways = configs_[config];
    return !ways.empty() && ways[0].state < 0;
  }
  bool MayGoOn(int32_t config) const { return ways(config) > (MayEnd(config) ? 1u : 0u); }
  size_t ways(int32_t config) const { return configs_[config].size(); }
  // The configuration that goes on like this one for `horizon` bytes.
  int32_t Twin(int32_t config);
  // The same configuration of another machine of the same automaton, here.
  int32_t Import(const Machine& other, int32_t config);

  int32_t configs() const { return configs_.size(); }
  size_t bytes() const;

 private:
  static constexpr size_t kMostWays = 4096;

  int32_t StepNew(int32_t config, uint8_t byte);
  // The configuration of what queue_ and pending_ hold.
  int32_t Close();
  void Add(int32_t state, int32_t node);
  void Visit(Way way, bool pops);
  void Pop(int32_t node);
  void Push(const Call& call, int32_t index, int32_t node);
  void Enter(int32_t rule, const Frame& frame, int32_t depth);
  int32_t InternNode(std::vector<Frame>* frames);
  int32_t InternConfig(std::vector<Way>* ways);
  int32_t height(int32_t state) const { return automaton_->state(state).height; }

  std::shared_ptr<const Automaton> automaton_;
  int32_t horizon_;
  size_t classes_;
  int32_t start_ = kDead;

  struct Node {
    int32_t depth = 0;
    int32_t twin = -1;
  };
  SpanSet<Frame> node_frames_;
  std::vector<Node> nodes_;
  SpanSet<Way> configs_;
  std::vector<int32_t> next_;   // [configs, classes] -1: not known
  std::vector<int32_t> twins_;  // [configs] -1: not known

  // Of the closure under way.
  std::vector<Way> queue_;
  std::vector<Way> found_;
  std::vector<std::vector<Frame>> pending_;  // [rule] frames of calls at this place
  std::vector<int32_t> entered_;             // heap of orders of rules with pending frames
  std::vector<int32_t> rule_of_order_;
  std::vector<Way> seen_;  // hash table
  std::vector<uint32_t> seen_epoch_;
  uint32_t epoch_ = 0;
  bool ends_ = false;
  bool overflow_ = false;
};

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_MACHINE_H_
