#include "grammar/matcher.h"

#include <algorithm>

#include "grammar/machine.h"

namespace aha {

using grammar::Machine;

namespace {

// What one TokenGrammar may remember before it begins anew.
constexpr size_t kMostBytes = size_t{48} << 20;
// Ways of the different configurations that one mask may meet: bounds its time to some
// milliseconds. Past it only single bytes are looked at, so a mask may miss tokens but is never
// blank and never wrong. JSON needs a thousand.
constexpr size_t kMostWaysOfAMask = 50'000;

}  // namespace

struct TokenGrammar::Memory {
  Memory(const Grammar& grammar, int32_t horizon) : machine(grammar.automaton(), horizon) {}

  Machine machine;
  std::unordered_map<int32_t, std::vector<uint64_t>> masks;  // by a twin's number
  size_t mask_bytes = 0;
  std::vector<int32_t> met;  // [config] the walk that met it last
  int32_t walk = 0;

  size_t bytes() const { return machine.bytes() + mask_bytes + met.capacity() * sizeof(int32_t); }
};

TokenGrammar::TokenGrammar(Grammar grammar, std::shared_ptr<const TokenTrie> trie,
                           std::vector<int32_t> stop_ids)
    : grammar_(std::move(grammar)),
      trie_(std::move(trie)),
      stop_ids_(std::move(stop_ids)),
      newest_(std::make_shared<Memory>(grammar_, trie_->most_bytes())),
      path_(static_cast<size_t>(trie_->most_bytes()) + 1) {}

TokenGrammar::~TokenGrammar() = default;

TokenGrammar::Stats TokenGrammar::stats() {
  const MutexLock lock(mutex_);
  return {static_cast<int64_t>(newest_->masks.size()), newest_->machine.configs(),
          static_cast<int64_t>(newest_->bytes())};
}

TokenGrammar::Memory& TokenGrammar::Current(std::shared_ptr<Memory>* memory, int32_t* config) {
  if (newest_->bytes() > kMostBytes) {
    newest_ = std::make_shared<Memory>(grammar_, trie_->most_bytes());
  }
  if (*memory != newest_) {
    *config = *memory == nullptr ? newest_->machine.start()
                                 : newest_->machine.Import((*memory)->machine, *config);
    *memory = newest_;
  }
  return *newest_;
}

const std::vector<uint64_t>& TokenGrammar::MaskOf(Memory& memory, int32_t config) {
  const int32_t twin = memory.machine.Twin(config);
  const auto [it, is_new] = memory.masks.try_emplace(twin);
  if (is_new) {
    it->second.assign(static_cast<size_t>((trie_->vocab() + 63) / 64), 0);
    memory.mask_bytes += it->second.size() * sizeof(uint64_t) + 64;
    Walk(memory, twin, &it->second);
  }
  return it->second;
}

void TokenGrammar::Walk(Memory& memory, int32_t config, std::vector<uint64_t>* words) {
  Machine& machine = memory.machine;
  ++memory.walk;
  path_[0] = config;
  size_t met = 0;
  const std::span<const TokenTrie::Node> nodes = trie_->nodes();
  for (int32_t i = 0; i < static_cast<int32_t>(nodes.size());) {
    const TokenTrie::Node& node = nodes[static_cast<size_t>(i)];
    if (met > kMostWaysOfAMask && node.depth > 1) {
      i = node.next;
      continue;
    }
    const auto depth = static_cast<size_t>(node.depth);
    const int32_t next = machine.Step(path_[depth - 1], node.byte);
    if (next == Machine::kDead) {
      i = node.next;
      continue;
    }
    if (static_cast<size_t>(next) >= memory.met.size()) {
      memory.met.resize(static_cast<size_t>(machine.configs()) + 256, 0);
    }
    int32_t& last = memory.met[static_cast<size_t>(next)];
    if (last != memory.walk) {
      last = memory.walk;
      met += machine.ways(next);
    }
    path_[depth] = next;
    for (int32_t id : trie_->TokensAt(i)) {
      (*words)[static_cast<size_t>(id / 64)] |= uint64_t{1} << (id % 64);
    }
    ++i;
  }
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<TokenGrammar> grammar)
    : grammar_(std::move(grammar)) {
  const MutexLock lock(grammar_->mutex_);
  grammar_->Current(&memory_, &config_);
  Settle(config_);
}

void GrammarMatcher::Settle(int32_t config) {
  config_ = config;
  finished_ = memory_->machine.MayEnd(config);
  more_ = memory_->machine.MayGoOn(config);
}

bool GrammarMatcher::Accept(int32_t token) {
  if (ended_) return false;
  if (std::ranges::find(grammar_->stop_ids_, token) != grammar_->stop_ids_.end()) {
    if (!finished_) return false;
    ended_ = true;
    more_ = false;
    return true;
  }
  const std::string_view bytes = grammar_->trie_->Bytes(token);
  return !bytes.empty() && AcceptText(bytes);
}

bool GrammarMatcher::AcceptText(std::string_view text) {
  if (ended_) return false;
  const MutexLock lock(grammar_->mutex_);
  Machine& machine = grammar_->Current(&memory_, &config_).machine;
  int32_t config = config_;
  for (const char c : text) {
    config = machine.Step(config, static_cast<uint8_t>(c));
    if (config == Machine::kDead) return false;
  }
  Settle(config);
  return true;
}

void GrammarMatcher::Mask(std::span<uint64_t> words) {
  std::ranges::fill(words, 0);
  if (!ended_) {
    const MutexLock lock(grammar_->mutex_);
    TokenGrammar::Memory& memory = grammar_->Current(&memory_, &config_);
    const std::vector<uint64_t>& mask = grammar_->MaskOf(memory, config_);
    std::copy_n(mask.begin(), std::min(mask.size(), words.size()), words.begin());
  }
  for (int32_t id : grammar_->stop_ids_) {
    const auto word = static_cast<size_t>(id / 64);
    if (id < 0 || word >= words.size()) continue;
    // A stop id that is also spelled by bytes is a stop id.
    const uint64_t bit = uint64_t{1} << (id % 64);
    words[word] = finished_ ? words[word] | bit : words[word] & ~bit;
  }
}

}  // namespace aha
