#include "grammar/machine.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace aha::grammar {

Machine::Machine(std::shared_ptr<const Automaton> automaton, int32_t horizon)
    : automaton_(std::move(automaton)),
      horizon_(horizon),
      classes_(automaton_->class_byte.size()),
      pending_(automaton_->rules.size()),
      rule_of_order_(automaton_->rules.size()),
      seen_(4 * kMostWays),
      seen_epoch_(4 * kMostWays, 0) {
  for (size_t r = 0; r < automaton_->rules.size(); ++r) {
    rule_of_order_[static_cast<size_t>(automaton_->rules[r].order)] = static_cast<int32_t>(r);
  }
  std::vector<Way> none;
  InternConfig(&none);  // kDead
  std::vector<Frame> bottom = {Frame{}};
  InternNode(&bottom);
  ++epoch_;
  ends_ = automaton_->rule(automaton_->root).nullable;
  Enter(automaton_->root, Frame{}, 0);
  start_ = Close();
}

int32_t Machine::StepNew(int32_t config, uint8_t byte) {
  ++epoch_;
  ends_ = overflow_ = false;
  for (const Way& way : configs_[config]) {
    if (way.state < 0) continue;
    for (const ByteEdge& e : automaton_->edges(way.state)) {
      if (e.low <= byte && byte <= e.high) Add(e.target, way.node);
    }
  }
  const int32_t next = Close();
  next_[static_cast<size_t>(config) * classes_ + automaton_->byte_class[byte]] = next;
  return next;
}

int32_t Machine::Close() {
  // Ways of older nodes first: where a rule ends, its callers go on.
  size_t at = 0;
  for (; at < queue_.size(); ++at) Visit(queue_[at], true);
  // Then the rules that begin here, each after all that may call it. That one of those may be over
  // already was seen to by its caller.
  while (!entered_.empty()) {
    std::ranges::pop_heap(entered_, std::greater<>());
    const int32_t rule = rule_of_order_[static_cast<size_t>(entered_.back())];
    entered_.pop_back();
    std::vector<Frame>& frames = pending_[static_cast<size_t>(rule)];
    const int32_t node = InternNode(&frames);
    frames.clear();
    Add(automaton_->rule(rule).start, node);
    for (; at < queue_.size(); ++at) Visit(queue_[at], false);
  }
  queue_.clear();
  if (ends_ && !overflow_) found_.push_back({});
  if (overflow_) found_.clear();
  const int32_t config = InternConfig(&found_);
  found_.clear();
  return config;
}

void Machine::Add(int32_t state, int32_t node) {
  // Only ways that can end within the depth: so none ever leads nowhere.
  if (nodes_[static_cast<size_t>(node)].depth + height(state) > automaton_->most_depth) return;
  const Way way{state, node};
  const uint64_t hash = Hash(way) * 0x9E3779B97F4A7C15u;
  size_t at = (hash >> 40) & (seen_.size() - 1);
  for (; seen_epoch_[at] == epoch_; at = (at + 1) & (seen_.size() - 1)) {
    if (seen_[at] == way) return;
  }
  if (queue_.size() >= kMostWays) {
    overflow_ = true;
    return;
  }
  seen_[at] = way;
  seen_epoch_[at] = epoch_;
  queue_.push_back(way);
}

void Machine::Visit(Way way, bool pops) {
  for (int32_t target : automaton_->epsilons(way.state)) Add(target, way.node);
  if (!automaton_->edges(way.state).empty()) found_.push_back(way);
  if (pops && automaton_->state(way.state).final) Pop(way.node);
  const std::span<const Call> calls = automaton_->calls(way.state);
  for (size_t i = 0; i < calls.size(); ++i) {
    Push(calls[i], automaton_->state(way.state).calls + static_cast<int32_t>(i), way.node);
    if (automaton_->Nullable(calls[i])) Add(calls[i].target, way.node);
  }
}

void Machine::Pop(int32_t node) {
  // By number: nothing is interned while ways of older nodes are visited.
  for (const Frame& frame : node_frames_[node]) {
    if (frame.call < 0) {
      ends_ = true;
      continue;
    }
    const Call& call = automaton_->call_list[static_cast<size_t>(frame.call)];
    Frame again = frame;
    again.least = std::max(0, frame.least - 1);
    if (frame.most > 0) again.most = frame.most - 1;
    if (again.least == 0) Add(call.target, frame.parent);
    if (call.counted && again.most != 0) {
      Enter(call.rule, again, nodes_[static_cast<size_t>(frame.parent)].depth + 1);
    }
  }
}

void Machine::Push(const Call& call, int32_t index, int32_t node) {
  const int32_t depth = nodes_[static_cast<size_t>(node)].depth;
  if (call.tail) {
    for (const Frame& frame : node_frames_[node]) Enter(call.rule, frame, depth);
    return;
  }
  if (depth + height(call.target) > automaton_->most_depth) return;
  Frame frame{index, node, 0, 0};
  if (call.counted) {
    frame.least = call.least;
    frame.most = call.most;
  }
  Enter(call.rule, frame, depth + 1);
}

// `depth`: of the node that holds the frame.
void Machine::Enter(int32_t rule, const Frame& frame, int32_t depth) {
  if (depth + height(automaton_->rule(rule).start) > automaton_->most_depth) return;
  std::vector<Frame>& frames = pending_[static_cast<size_t>(rule)];
  if (frames.size() >= 2 * kMostWays) {
    overflow_ = true;
    return;
  }
  if (frames.empty()) {
    entered_.push_back(automaton_->rule(rule).order);
    std::ranges::push_heap(entered_, std::greater<>());
  }
  frames.push_back(frame);
}

int32_t Machine::InternNode(std::vector<Frame>* frames) {
  std::ranges::sort(*frames);
  frames->erase(std::unique(frames->begin(), frames->end()), frames->end());
  const auto [node, is_new] = node_frames_.Intern(*frames);
  if (!is_new) return node;
  Node made;
  for (const Frame& f : *frames) {
    if (f.call >= 0) {
      made.depth = std::max(made.depth, nodes_[static_cast<size_t>(f.parent)].depth + 1);
    }
  }
  nodes_.push_back(made);
  int32_t twin = node;
  if (automaton_->counts) {
    // Parents are older and have theirs.
    std::vector<Frame> near = *frames;
    for (Frame& f : near) {
      if (f.call < 0) continue;
      f.parent = nodes_[static_cast<size_t>(f.parent)].twin;
      f.least = std::min(f.least, horizon_ + 1);
      f.most = std::min(f.most, horizon_ + 1);
    }
    // A twin is its own: it is found above.
    if (near != *frames) twin = InternNode(&near);
  }
  nodes_[static_cast<size_t>(node)].twin = twin;
  return node;
}

int32_t Machine::InternConfig(std::vector<Way>* ways) {
  std::ranges::sort(*ways);
  ways->erase(std::unique(ways->begin(), ways->end()), ways->end());
  const auto [config, is_new] = configs_.Intern(*ways);
  if (is_new) {
    next_.insert(next_.end(), classes_, config == kDead ? kDead : -1);
    twins_.push_back(config == kDead || !automaton_->counts ? config : -1);
  }
  return config;
}

int32_t Machine::Twin(int32_t config) {
  int32_t& known = twins_[static_cast<size_t>(config)];
  if (known >= 0) return known;
  const std::span<const Way> ways = configs_[config];
  std::vector<Way> near(ways.begin(), ways.end());
  for (Way& way : near) {
    if (way.state >= 0) way.node = nodes_[static_cast<size_t>(way.node)].twin;
  }
  const int32_t twin = InternConfig(&near);
  twins_[static_cast<size_t>(twin)] = twin;
  return twins_[static_cast<size_t>(config)] = twin;
}

int32_t Machine::Import(const Machine& other, int32_t config) {
  // All nodes it hangs on, the oldest first: parents come before who needs them.
  std::vector<int32_t> work;
  std::unordered_map<int32_t, int32_t> here;
  const auto need = [&](int32_t node) {
    if (here.try_emplace(node, -1).second) work.push_back(node);
  };
  for (const Way& way : other.configs_[config]) {
    if (way.state >= 0) need(way.node);
  }
  for (size_t i = 0; i < work.size(); ++i) {
    for (const Frame& f : other.node_frames_[work[i]]) {
      if (f.call >= 0) need(f.parent);
    }
  }
  std::ranges::sort(work);
  for (int32_t node : work) {
    const std::span<const Frame> theirs = other.node_frames_[node];
    std::vector<Frame> frames(theirs.begin(), theirs.end());
    for (Frame& f : frames) {
      if (f.call >= 0) f.parent = here[f.parent];
    }
    here[node] = InternNode(&frames);
  }
  const std::span<const Way> theirs = other.configs_[config];
  std::vector<Way> ways(theirs.begin(), theirs.end());
  for (Way& way : ways) {
    if (way.state >= 0) way.node = here[way.node];
  }
  return InternConfig(&ways);
}

size_t Machine::bytes() const {
  return node_frames_.bytes() + configs_.bytes() + nodes_.capacity() * sizeof(Node) +
         (next_.capacity() + twins_.capacity()) * sizeof(int32_t);
}

}  // namespace aha::grammar
