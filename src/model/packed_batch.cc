#include "model/packed_batch.h"

#include <algorithm>
#include <numeric>

namespace aha {

void PackedBatch::Add(std::span<const int32_t> tokens, std::span<const int32_t> positions) {
  const auto first = this->tokens();
  const auto count = static_cast<int64_t>(tokens.size());
  CHECK(count > 0 && (positions.empty() || positions.size() == tokens.size()));
  sequences_.push_back({.first_query = first, .queries = count, .first_row = first});
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  for (int64_t i = 0; i < count; ++i) {
    slots_.push_back(static_cast<int32_t>(first + i));
    positions_.push_back(positions.empty() ? static_cast<int32_t>(i)
                                           : positions[static_cast<size_t>(i)]);
  }
}

void PackedBatch::Clear() {
  tokens_.clear();
  positions_.clear();
  slots_.clear();
  sequences_.clear();
}

ForwardBatch PackedBatch::forward() {
  k_.resize(std::max(k_.size(), static_cast<size_t>(tokens() * info_.kv.k_width())));
  v_.resize(std::max(v_.size(), static_cast<size_t>(tokens() * info_.kv.v_width())));
  k_layers_.assign(static_cast<size_t>(info_.layers), k_.data());
  v_layers_.assign(static_cast<size_t>(info_.layers), v_.data());
  kv_ = {
      .k = k_layers_, .v = v_layers_, .page_tokens = 0, .slots = slots_, .sequences = sequences_};
  return {.tokens = tokens_, .positions = positions_, .kv = kv_};
}

}  // namespace aha
