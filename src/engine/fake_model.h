// A model for the engine's tests: its logits are a hash of every key and value row of the sequence,
// read from the cache through the KvBatch as attention reads them. A row in the wrong page, a stale
// or a missing one, changes every later token. The same hash is computed from the tokens alone by
// FakeHash, without any cache.
#ifndef AHA_ENGINE_FAKE_MODEL_H_
#define AHA_ENGINE_FAKE_MODEL_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <vector>

#include "model/model.h"

namespace aha {

struct FakeHash {
  static uint64_t Mix(uint64_t h, uint64_t value) {
    h = (h ^ value) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 31);
  }
  static float Low(uint64_t h) { return static_cast<float>(h & 0xFFFFFF); }
  static float High(uint64_t h) { return static_cast<float>(h >> 40); }
  static uint64_t Bits(float x) { return static_cast<uint64_t>(x); }

  // The hash of a layer's row, folded into the hash of the rows before it.
  static uint64_t Fold(uint64_t h, const float* k, const float* v) {
    for (int i = 0; i < 3; ++i) h = Mix(h, Bits(k[i]));
    for (int i = 0; i < 2; ++i) h = Mix(h, Bits(v[i]));
    return h;
  }
  static void Row0(int32_t token, int64_t position, float* k, float* v) {
    k[0] = static_cast<float>(token);
    k[1] = static_cast<float>(position);
    k[2] = 7;
    v[0] = static_cast<float>(token + 1);
    v[1] = static_cast<float>(position + 2);
  }
  static void Row1(uint64_t h0, float* k, float* v) {
    k[0] = Low(h0);
    k[1] = High(h0);
    k[2] = 5;
    v[0] = Low(h0 * 3);
    v[1] = High(h0 * 5);
  }
  static float Logit(uint64_t h1, int64_t id) {
    const uint64_t bits = Mix(Mix(h1, static_cast<uint64_t>(id)), 99);
    return static_cast<float>(bits >> 44) / static_cast<float>(1 << 20) * 12.0f - 6.0f;
  }
};

class FakeModel : public Model {
 public:
  // Logits after this id are NaN.
  static constexpr int32_t kPoison = 13;

  explicit FakeModel(int64_t vocab = 97, int64_t max_positions = 512) {
    info_.family = "fake";
    info_.vocab = vocab;
    info_.hidden = 4;
    info_.layers = 2;
    info_.n_heads = 1;
    info_.max_positions = max_positions;
    info_.kv.n_kv_heads = 1;
    info_.kv.k_dim = 3;
    info_.kv.v_dim = 2;
  }

  const ModelInfo& info() const override { return info_; }
  void ReservePositions(int64_t n) override { reserved_ = n; }
  int64_t forwards() const { return forwards_; }
  int64_t largest_batch() const { return largest_batch_; }

  Tensor Forward(ops::Context& cx, const ForwardBatch& batch) const override {
    const ops::KvBatch& kv = batch.kv;
    ++forwards_;
    largest_batch_ = std::max(largest_batch_, static_cast<int64_t>(batch.tokens.size()));
    CheckBatch(batch);
    const auto rows = static_cast<int64_t>(batch.tokens.size());
    Tensor hidden = cx.New({rows, 4});
    uint64_t* h0 = cx.activations.Allocate<uint64_t>(rows);
    for (size_t t = 0; t < batch.tokens.size(); ++t) {
      const int64_t slot = kv.slots[t];
      FakeHash::Row0(batch.tokens[t], batch.positions[t], At(kv.k, 0) + slot * 3,
                     At(kv.v, 0) + slot * 2);
    }
    const auto count = static_cast<int64_t>(kv.sequences.size());
    cx.kernels.pool->ParallelFor(count, [&](int64_t s, int) {
      Read(kv, 0, kv.sequences[static_cast<size_t>(s)],
           [&](int64_t row, uint64_t h) { h0[row] = h; });
    });
    for (int64_t t = 0; t < rows; ++t) {
      const int64_t slot = kv.slots[static_cast<size_t>(t)];
      FakeHash::Row1(h0[t], At(kv.k, 1) + slot * 3, At(kv.v, 1) + slot * 2);
    }
    cx.kernels.pool->ParallelFor(count, [&](int64_t s, int) {
      Read(kv, 1, kv.sequences[static_cast<size_t>(s)], [&](int64_t row, uint64_t h) {
        float* y = hidden.row(row);
        y[0] = static_cast<float>(h & 0xFFFF);
        y[1] = static_cast<float>((h >> 16) & 0xFFFFFF);
        y[2] = static_cast<float>(h >> 40);
        y[3] = batch.tokens[static_cast<size_t>(row)] == kPoison ? 1.0f : 0.0f;
      });
    });
    return hidden;
  }

  Tensor Logits(ops::Context& cx, const Tensor& hidden) const override {
    Tensor logits = cx.New({hidden.rows(), info_.vocab});
    cx.kernels.pool->ParallelFor(hidden.rows(), [&](int64_t r, int) {
      const float* x = hidden.row(r);
      const uint64_t h = static_cast<uint64_t>(x[0]) | static_cast<uint64_t>(x[1]) << 16 |
                         static_cast<uint64_t>(x[2]) << 40;
      FillLogits(h, x[3] != 0, logits.row(r));
    });
    return logits;
  }

  // The logits after `tokens`, computed from them alone.
  std::vector<float> LogitsAfter(std::span<const int32_t> tokens) const {
    uint64_t h0 = 1;
    uint64_t h1 = 2;
    float k[3];
    float v[2];
    for (size_t p = 0; p < tokens.size(); ++p) {
      FakeHash::Row0(tokens[p], static_cast<int64_t>(p), k, v);
      h0 = FakeHash::Fold(h0, k, v);
      FakeHash::Row1(h0, k, v);
      h1 = FakeHash::Fold(h1, k, v);
    }
    std::vector<float> logits(static_cast<size_t>(info_.vocab));
    FillLogits(h1, tokens.back() == kPoison, logits.data());
    return logits;
  }

  void ForEachParameter(
      const std::function<void(const std::string&, const ConstView&)>&) const override {}

  uint64_t weights = 0;     // another value stands for other weights
  bool check_slots = true;  // allocates

 private:
  void FillLogits(uint64_t h, bool poisoned, float* out) const {
    for (int64_t id = 0; id < info_.vocab; ++id) {
      out[id] =
          poisoned ? std::numeric_limits<float>::quiet_NaN() : FakeHash::Logit(h + weights, id);
    }
  }

  static float* At(std::span<void* const> layers, size_t layer) {
    return static_cast<float*>(layers[layer]);
  }

  template <typename Visit>
  static void Read(const ops::KvBatch& kv, size_t layer, const kernels::AttentionSequence& s,
                   const Visit& visit) {
    for (int64_t q = 0; q < s.queries; ++q) {
      uint64_t h = layer + 1;
      for (int64_t t = 0; t <= s.first_position + q; ++t) {
        const int64_t row = s.pages[t / kv.page_tokens] * kv.page_tokens + t % kv.page_tokens;
        h = FakeHash::Fold(h, At(kv.k, layer) + row * 3, At(kv.v, layer) + row * 2);
      }
      visit(s.first_query + q, h);
    }
  }

  void CheckBatch(const ForwardBatch& batch) const {
    const ops::KvBatch& kv = batch.kv;
    if (check_slots) {
      std::set<int32_t> slots(kv.slots.begin(), kv.slots.end());
      CHECK(slots.size() == kv.slots.size(), "two tokens of one pass are stored in one row");
    }
    CHECK(batch.positions.size() == batch.tokens.size() && kv.slots.size() == batch.tokens.size());
    int64_t next = 0;
    for (const kernels::AttentionSequence& s : kv.sequences) {
      CHECK(s.first_query == next && s.queries > 0, "queries are not consecutive");
      for (int64_t q = 0; q < s.queries; ++q, ++next) {
        const int64_t p = s.first_position + q;
        CHECK(batch.positions[static_cast<size_t>(next)] == p, "a position is not its sequence's");
        CHECK(p < reserved_, "a position was not reserved");
        CHECK(kv.slots[static_cast<size_t>(next)] ==
                  s.pages[p / kv.page_tokens] * kv.page_tokens + p % kv.page_tokens,
              "a slot is not in its sequence's pages");
      }
    }
    CHECK(next == static_cast<int64_t>(batch.tokens.size()), "tokens outside all sequences");
  }

  ModelInfo info_;
  int64_t reserved_ = 0;
  mutable int64_t forwards_ = 0;
  mutable int64_t largest_batch_ = 0;
};

}  // namespace aha

#endif  // AHA_ENGINE_FAKE_MODEL_H_
