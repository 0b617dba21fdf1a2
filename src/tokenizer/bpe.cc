#include "tokenizer/bpe.h"

#include <algorithm>
#include <queue>

namespace aha {
namespace {

constexpr uint64_t kEmpty = UINT64_MAX;
constexpr size_t kShortWord = 48;  // bytes; above, the quadratic merge loses to the queue

uint64_t Mix(uint64_t x) {
  x ^= x >> 31;
  x *= 0x9E3779B97F4A7C15ULL;
  return x ^ (x >> 29);
}

}  // namespace

Result<Bpe> Bpe::Create(const TokenTable& tokens,
                        const std::vector<std::pair<std::string, std::string>>& merges,
                        bool ignore_merges) {
  Bpe bpe;
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    bpe.byte_ids_[b] = tokens.Find({&byte, 1});
  }
  size_t slots = 16;
  while (slots < merges.size() * 2) slots *= 2;
  bpe.keys_.assign(slots, kEmpty);
  bpe.merges_.resize(slots);
  std::string text;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const int32_t l = tokens.Find(left);
    const int32_t r = tokens.Find(right);
    const int32_t whole = tokens.Find(text.assign(left).append(right));
    if (l < 0 || r < 0 || whole < 0) {
      return InvalidArgument("merge {} ('{}' and '{}') names text that is no token", rank, left,
                             right);
    }
    const uint64_t key = Pair(l, r);
    size_t slot = Mix(key) & (slots - 1);
    while (bpe.keys_[slot] != kEmpty && bpe.keys_[slot] != key) slot = (slot + 1) & (slots - 1);
    // A pair listed twice: the later rank counts, as in Hugging Face's map.
    bpe.keys_[slot] = key;
    bpe.merges_[slot] = {static_cast<uint32_t>(rank), whole};
  }
  if (ignore_merges) bpe.whole_words_ = tokens;
  return bpe;
}

const Bpe::Merge* Bpe::FindMerge(int32_t left, int32_t right) const {
  const uint64_t key = Pair(left, right);
  for (size_t slot = Mix(key) & (keys_.size() - 1);; slot = (slot + 1) & (keys_.size() - 1)) {
    if (keys_[slot] == key) return &merges_[slot];
    if (keys_[slot] == kEmpty) return nullptr;
  }
}

void Bpe::MergeShort(std::vector<int32_t>* symbols) const {
  std::vector<int32_t>& s = *symbols;
  while (s.size() > 1) {
    const Merge* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < s.size(); ++i) {
      const Merge* merge = FindMerge(s[i], s[i + 1]);
      if (merge != nullptr && (best == nullptr || merge->rank < best->rank)) {
        best = merge;
        at = i;
      }
    }
    if (best == nullptr) return;
    s[at] = best->id;
    s.erase(s.begin() + static_cast<int64_t>(at) + 1);
  }
}

void Bpe::MergeLong(std::vector<int32_t>* symbols) const {
  struct Candidate {
    uint32_t rank;
    int32_t left;               // index of the left symbol
    int32_t left_id, right_id;  // what it was when queued; stale when changed
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  const auto n = static_cast<int32_t>(symbols->size());
  std::vector<Symbol> list(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) {
    list[static_cast<size_t>(i)] = {(*symbols)[static_cast<size_t>(i)], i - 1,
                                    i + 1 < n ? i + 1 : -1};
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto propose = [&](int32_t left) {
    if (left < 0 || list[static_cast<size_t>(left)].next < 0) return;
    const int32_t a = list[static_cast<size_t>(left)].id;
    const int32_t b = list[static_cast<size_t>(list[static_cast<size_t>(left)].next)].id;
    if (const Merge* merge = FindMerge(a, b)) queue.push({merge->rank, left, a, b});
  };
  for (int32_t i = 0; i < n; ++i) propose(i);
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Symbol& left = list[static_cast<size_t>(c.left)];
    if (left.id != c.left_id || left.next < 0) continue;
    Symbol& right = list[static_cast<size_t>(left.next)];
    if (right.id != c.right_id) continue;
    left.id = FindMerge(c.left_id, c.right_id)->id;
    right.id = -1;  // gone
    left.next = right.next;
    if (left.next >= 0) list[static_cast<size_t>(left.next)].previous = c.left;
    propose(left.previous);
    propose(c.left);
  }
  symbols->clear();
  for (int32_t i = 0; i >= 0; i = list[static_cast<size_t>(i)].next) {
    symbols->push_back(list[static_cast<size_t>(i)].id);
  }
}

void Bpe::Encode(std::string_view word, std::vector<int32_t>* ids) const {
  if (const int32_t whole = whole_words_.Find(word); whole >= 0) {
    ids->push_back(whole);
    return;
  }
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  for (const char c : word) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id >= 0) symbols.push_back(id);
  }
  if (symbols.size() <= kShortWord) {
    MergeShort(&symbols);
  } else {
    MergeLong(&symbols);
  }
  ids->insert(ids->end(), symbols.begin(), symbols.end());
}

}  // namespace aha
