#include "model/packed_batch.h"

#include <algorithm>
#include <numeric>

namespace aha {

void PackedBatch::Add(std::span<const int32_t> tokens, std::span<const int32_t> positions) {
  Branch(0, 0, tokens, positions);
}

void PackedBatch::Branch(int64_t document, int64_t prompt, std::span<const int32_t> tokens,
                         std::span<const int32_t> positions) {
  const auto first = this->tokens();
  const auto count = static_cast<int64_t>(tokens.size());
  CHECK(count > 0 && (positions.empty() || positions.size() == tokens.size()));
  CHECK(document >= 0 && document + prompt <= first);
  sequences_.push_back({.first_query = first,
                        .queries = count,
                        .first_position = prompt,
                        .first_row = static_cast<int64_t>(key_tokens_.size())});
  branched_ |= prompt > 0;
  for (int64_t i = 0; i < prompt; ++i) key_tokens_.push_back(static_cast<int32_t>(document + i));
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  for (int64_t i = 0; i < count; ++i) {
    key_tokens_.push_back(static_cast<int32_t>(first + i));
    slots_.push_back(static_cast<int32_t>(first + i));
    positions_.push_back(positions.empty() ? static_cast<int32_t>(prompt + i)
                                           : positions[static_cast<size_t>(i)]);
  }
}

void PackedBatch::Clear() {
  tokens_.clear();
  positions_.clear();
  slots_.clear();
  key_tokens_.clear();
  branched_ = false;
  sequences_.clear();
}

ForwardBatch PackedBatch::forward() {
  k_.resize(std::max(k_.size(), static_cast<size_t>(tokens() * info_.kv.k_width())));
  v_.resize(std::max(v_.size(), static_cast<size_t>(tokens() * info_.kv.v_width())));
  k_layers_.assign(static_cast<size_t>(info_.layers), k_.data());
  v_layers_.assign(static_cast<size_t>(info_.layers), v_.data());
  kv_ = {
      .k = k_layers_, .v = v_layers_, .page_tokens = 0, .slots = slots_, .sequences = sequences_};
  if (branched_) kv_.key_tokens = key_tokens_;
  return {.tokens = tokens_, .positions = positions_, .kv = kv_};
}

}  // namespace aha
