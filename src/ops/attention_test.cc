#include "ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ops/op_test_context.h"
#include "tensor/block_codes.h"

namespace aha::ops {
namespace {

// Two sequences of 5 and 3 tokens in one pass, against the plain formula in double.
TEST(Attend, IsCausalPerSequenceAndGroupsHeads) {
  TestContext t;
  const KvLayout layout = {.n_kv_heads = 2, .k_dim = 8, .v_dim = 6};
  const Tensor q = t.Random({8, 4, 8}, 1);
  const Tensor k = t.Random({8, 16}, 2);
  const Tensor v = t.Random({8, 12}, 3);
  std::vector<float> keys(16 * 20), values(12 * 20);
  void* const k_cache[] = {nullptr, keys.data()};
  void* const v_cache[] = {nullptr, values.data()};
  const std::vector<int32_t> slots = {10, 11, 12, 13, 14, 2, 3, 4};
  const kernels::AttentionSequence sequences[] = {{.first_query = 0, .queries = 5, .first_row = 10},
                                                  {.first_query = 5, .queries = 3, .first_row = 2}};
  const KvBatch kv = {.k = k_cache, .v = v_cache, .slots = slots, .sequences = sequences};
  const Tensor out = Attend(t.cx, kv, 1, layout, q, k, v, 0.5f);
  EXPECT_EQ(out.shape, Shape({8, 24}));
  for (int64_t token = 0; token < 8; ++token) {
    const int64_t start = token < 5 ? 0 : 5;
    for (int64_t head = 0; head < 4; ++head) {
      double total = 0;
      std::vector<double> sum(6);
      for (int64_t s = start; s <= token; ++s) {
        double score = 0;
        for (int64_t d = 0; d < 8; ++d) {
          score += q.data[(token * 4 + head) * 8 + d] * k.row(s)[head / 2 * 8 + d];
        }
        const double p = std::exp(0.5 * score);
        total += p;
        for (int64_t d = 0; d < 6; ++d) {
          sum[static_cast<size_t>(d)] += p * v.row(s)[head / 2 * 6 + d];
        }
      }
      for (int64_t d = 0; d < 6; ++d) {
        EXPECT_NEAR(out.row(token)[head * 6 + d], sum[static_cast<size_t>(d)] / total, 2e-6);
      }
    }
  }
}

TEST(Attend, LatentValuesAreTheStartOfTheKeys) {
  TestContext t;
  const KvLayout latent = {.n_kv_heads = 1, .k_dim = 10, .v_dim = 7, .latent = true};
  const KvLayout plain = {.n_kv_heads = 1, .k_dim = 10, .v_dim = 7};
  const Tensor q = t.Random({4, 3, 10}, 1);
  const Tensor k = t.Random({4, 10}, 2);
  Tensor v = t.cx.New({4, 7});
  for (int64_t r = 0; r < 4; ++r) std::copy_n(k.row(r), 7, v.row(r));
  std::vector<float> keys(40), values(28);
  void* const k_cache[] = {keys.data()};
  void* const v_cache[] = {values.data()};
  void* const no_cache[] = {nullptr};
  const std::vector<int32_t> slots = {0, 1, 2, 3};
  const kernels::AttentionSequence sequences[] = {{.queries = 4}};
  const Tensor want =
      Attend(t.cx, {.k = k_cache, .v = v_cache, .slots = slots, .sequences = sequences}, 0, plain,
             q, k, v, 1);
  const Tensor got =
      Attend(t.cx, {.k = k_cache, .v = no_cache, .slots = slots, .sequences = sequences}, 0, latent,
             q, k, {}, 1);
  EXPECT_EQ(Values(got), Values(want));
}

// What a float16 cache gives is what a float32 cache gives for keys and values that were rounded
// before; in rows, and in pages, where units are half full and full.
TEST(Attend, AFloat16CacheRoundsKeysAndValuesAndNothingElse) {
  TestContext t;
  const Tensor q = t.Random({37, 4, 8}, 1);
  Tensor k = t.Random({37, 16}, 2);
  Tensor v = t.Random({37, 12}, 3);
  k.row(3)[5] = 1e6f;  // becomes the largest half
  const auto attend = [&](bool latent, DType dtype, int64_t page_tokens) {
    const KvLayout layout = {
        .n_kv_heads = latent ? 1 : 2, .k_dim = 8, .v_dim = 6, .latent = latent};
    std::vector<float> keys(64 * 16), values(64 * 12);
    void* const k_cache[] = {keys.data()};
    void* const v_cache[] = {values.data()};
    std::vector<int32_t> slots(37);
    for (int32_t i = 0; i < 37; ++i) {
      slots[static_cast<size_t>(i)] = page_tokens > 0 ? (i < 32 ? 32 + i : i - 32) : i;
    }
    const int32_t pages[] = {1, 0};
    const kernels::AttentionSequence sequences[] = {
        {.queries = 37, .pages = page_tokens > 0 ? pages : nullptr}};
    const KvBatch kv = {.k = k_cache,
                        .v = v_cache,
                        .dtype = dtype,
                        .page_tokens = page_tokens,
                        .slots = slots,
                        .sequences = sequences};
    const Tensor keys_in = latent ? Tensor{k.data, {37, 8}} : k;
    return Values(Attend(t.cx, kv, 0, layout, q, keys_in, latent ? Tensor{} : v, 0.5f));
  };
  std::vector<std::vector<float>> got, unrounded;
  for (const bool latent : {false, true}) {
    for (const int64_t page_tokens : {0, 32}) {
      got.push_back(attend(latent, DType::kF16, page_tokens));
      unrounded.push_back(attend(latent, DType::kF32, page_tokens));
    }
  }
  for (float& x : k.span()) x = HalfToFloat(FloatToHalf(std::min(x, kLargestHalf)));
  for (float& x : v.span()) x = HalfToFloat(FloatToHalf(x));
  size_t i = 0;
  for (const bool latent : {false, true}) {
    for (const int64_t page_tokens : {0, 32}) {
      EXPECT_EQ(got[i], attend(latent, DType::kF32, page_tokens)) << i;
      EXPECT_NE(got[i], unrounded[i]) << i;
      ++i;
    }
  }
}

}  // namespace
}  // namespace aha::ops
