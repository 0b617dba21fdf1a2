#include "tokenizer/token_table.h"

#include <functional>

namespace aha {
namespace {

uint64_t Hash(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }
uint32_t Tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

TokenTable::TokenTable(std::span<const std::string> tokens) : tokens_(tokens.data()) {
  size_t slots = 16;
  while (slots < tokens.size() * 2) slots *= 2;
  slots_.resize(slots);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].empty()) continue;
    const uint64_t hash = Hash(tokens[i]);
    Slot& slot = slots_[SlotOf(tokens[i], hash)];
    if (slot.id < 0) slot = {Tag(hash), static_cast<int32_t>(i)};
  }
}

size_t TokenTable::SlotOf(std::string_view bytes, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0 || (slot.tag == Tag(hash) && tokens_[slot.id] == bytes)) return at;
  }
}

int32_t TokenTable::Find(std::string_view bytes) const {
  return slots_.empty() ? -1 : slots_[SlotOf(bytes, Hash(bytes))].id;
}

}  // namespace aha
