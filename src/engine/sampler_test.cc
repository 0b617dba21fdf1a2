#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/rng.h"

namespace aha {
namespace {

class SamplerTest : public ::testing::Test {
 protected:
  ThreadPool pool{2};
  ops::Context cx{&kernels::RefBackend(), &pool, ops::Numerics::kPortable};

  // The choices for samples 0..n-1 of one row.
  std::vector<int32_t> Draw(const std::vector<float>& logits, const SamplingParams& params, int n,
                            const std::vector<int32_t>& tokens = {0}, int64_t prompt_size = 1,
                            TokenConstraint* constraint = nullptr) {
    Sampler sampler(static_cast<int64_t>(logits.size()), pool.threads());
    std::vector<int32_t> out;
    for (int done = 0; done < n; done += 64) {
      std::vector<SampleRow> rows;
      for (int i = done; i < std::min(n, done + 64); ++i) {
        rows.push_back({logits.data(), &params, tokens, prompt_size, i, constraint});
      }
      cx.activations.Reset();
      sampler.Sample(cx, rows);
      for (const SampleRow& row : rows) out.push_back(row.id);
    }
    return out;
  }
};

std::vector<float> RandomLogits(int64_t n, uint64_t seed, double width) {
  std::vector<float> x;
  for (int64_t i = 0; i < n; ++i) {
    const Rng rng(seed, 3);
    double sum = 0;
    for (uint32_t j = 0; j < 4; ++j) sum += rng.Uniform(static_cast<uint64_t>(i), j) - 0.5;
    x.push_back(static_cast<float>(sum * width));
  }
  return x;
}

// The definition, with libm and a full sort.
std::vector<double> Exact(std::vector<float> x, const SamplingParams& p) {
  std::vector<size_t> order(x.size());
  for (size_t i = 0; i < x.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  const float top = x[order[0]];
  std::vector<double> w(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    w[i] = std::exp(static_cast<double>(x[i] - top) / static_cast<double>(p.temperature));
  }
  size_t keep = x.size();
  if (p.top_k > 0) keep = std::min(keep, static_cast<size_t>(p.top_k));
  double total = 0;
  for (size_t i = 0; i < keep; ++i) total += w[order[i]];
  double before = 0;
  double kept = 0;
  std::vector<double> out(x.size(), 0.0);
  for (size_t i = 0; i < keep; ++i) {
    if (before >= static_cast<double>(p.top_p) * total && p.top_p < 1) break;
    before += w[order[i]];
    if (w[order[i]] < static_cast<double>(p.min_p)) continue;
    out[order[i]] = w[order[i]];
    kept += w[order[i]];
  }
  for (double& v : out) v /= kept;
  return out;
}

std::vector<SamplingParams> AllKinds() {
  std::vector<SamplingParams> all(10);
  all[1].temperature = 0.6f;
  all[2].top_k = 7;
  all[3].top_p = 0.9f;
  all[4].min_p = 0.05f;
  all[5].top_k = 12;
  all[5].top_p = 0.7f;
  all[6].temperature = 1.7f;
  all[6].top_p = 0.99f;
  all[7].top_k = 20;
  all[7].top_p = 0.95f;
  all[7].min_p = 0.02f;
  all[7].temperature = 0.6f;
  all[8].temperature = 100;
  all[9].top_k = 1;
  return all;
}

TEST_F(SamplerTest, DistributionIsExact) {
  // 300: not a multiple of the sampler's blocks. Chi-square against the exact probabilities.
  const std::vector<float> logits = RandomLogits(300, 11, 6);
  constexpr int kDraws = 20000;
  for (const SamplingParams& params : AllKinds()) {
    const std::vector<double> exact = Exact(logits, params);
    std::vector<int> count(logits.size(), 0);
    for (int32_t id : Draw(logits, params, kDraws)) ++count[static_cast<size_t>(id)];
    double chi = 0;
    int cells = 0;
    double rare_expected = 0;
    double rare_seen = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      if (exact[i] == 0) {
        EXPECT_EQ(count[i], 0) << "id " << i << " was cut away";
        continue;
      }
      const double expected = exact[i] * kDraws;
      if (expected < 8) {
        rare_expected += expected;
        rare_seen += count[i];
        continue;
      }
      chi += (count[i] - expected) * (count[i] - expected) / expected;
      ++cells;
    }
    if (rare_expected > 0) {
      chi += (rare_seen - rare_expected) * (rare_seen - rare_expected) / rare_expected;
      ++cells;
    }
    // Mean cells - 1, variance 2 (cells - 1): five sigma above.
    const double freedom = std::max(1, cells - 1);
    EXPECT_LT(chi, freedom + 5 * std::sqrt(2 * freedom) + 4)
        << "temperature " << params.temperature << " top_k " << params.top_k << " top_p "
        << params.top_p << " min_p " << params.min_p;
  }
}

TEST_F(SamplerTest, KeptSetIsExactOnLargeVocabularies) {
  for (const int64_t vocab : {1, 2, 255, 257, 50257, 151936}) {
    const std::vector<float> logits = RandomLogits(vocab, static_cast<uint64_t>(vocab), 20);
    for (const SamplingParams& params : AllKinds()) {
      const std::vector<double> exact = Exact(logits, params);
      for (int32_t id : Draw(logits, params, 50)) {
        ASSERT_GE(id, 0);
        ASSERT_LT(id, vocab);
        EXPECT_GT(exact[static_cast<size_t>(id)], 0) << "vocab " << vocab;
      }
    }
  }
}

TEST_F(SamplerTest, FlatAndBannedLogits) {
  // All equal: the nucleus is the lowest ids.
  std::vector<float> flat(1000, 1.5f);
  SamplingParams params;
  params.top_p = 0.25f;
  std::set<int32_t> seen;
  for (int32_t id : Draw(flat, params, 5000)) seen.insert(id);
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_LE(*seen.rbegin(), 250);
  EXPECT_GT(seen.size(), 240u);
  params = {};
  params.temperature = 0;
  EXPECT_EQ(Draw(flat, params, 1)[0], 0);
  params.logit_bias = {{700, 1.0f}, {800, 1.0f}};
  EXPECT_EQ(Draw(flat, params, 1)[0], 700);
  // Whole blocks at -inf, as models with padded heads give.
  std::vector<float> banned(1024, -std::numeric_limits<float>::infinity());
  banned[600] = banned[610] = 3;
  for (const SamplingParams& kind : AllKinds()) {
    std::map<int32_t, int> count;
    for (int32_t id : Draw(banned, kind, 400)) ++count[id];
    EXPECT_EQ(count[600] + count[610], 400);
    if (kind.top_k != 1 && kind.top_p > 0.7f) EXPECT_GT(count[610], 100);
  }
  // Tiny temperatures are greedy, and do not overflow.
  for (const float t : {1e-3f, 1e-30f, 1e-45f}) {
    SamplingParams cold;
    cold.temperature = t;
    std::vector<float> logits = RandomLogits(500, 4, 10);
    logits[123] = 50;
    for (int32_t id : Draw(logits, cold, 20)) EXPECT_EQ(id, 123);
  }
  SamplingParams overflow;
  overflow.repetition_penalty = 1e-38f;
  EXPECT_EQ(Draw({10.0f, 1.0f}, overflow, 1)[0], -1);
}

class Bits : public TokenConstraint {
 public:
  explicit Bits(std::vector<uint64_t> words) : words_(std::move(words)) {}
  std::span<const uint64_t> Allowed(int32_t) override { return words_; }

 private:
  std::vector<uint64_t> words_;
};

// A choice among allowed ids is the choice from logits that are -inf elsewhere, to the bit.
TEST_F(SamplerTest, DisallowedIsMinusInfinity) {
  for (const int64_t vocab : {1, 63, 64, 300, 5000}) {
    const std::vector<float> logits = RandomLogits(vocab, 17, 8);
    std::vector<uint64_t> words;
    for (int64_t i = 0; i < (vocab + 63) / 64; ++i) {
      const uint64_t bits = Rng(5, 6).Bits(static_cast<uint64_t>(i));
      words.push_back(i % 7 == 3 ? 0 : i % 7 == 5 ? ~uint64_t{0} : bits);
    }
    words[0] |= 1;
    if (vocab == 5000) words.resize(70);  // ids past the last word may not
    std::vector<float> cut = logits;
    for (size_t id = 0; id < cut.size(); ++id) {
      const bool allowed = id / 64 < words.size() && (words[id / 64] >> (id % 64) & 1) != 0;
      if (!allowed) cut[id] = -std::numeric_limits<float>::infinity();
    }
    Bits constraint(words);
    std::vector<SamplingParams> kinds = AllKinds();
    for (const SamplingParams& kind : AllKinds()) {
      kinds.push_back(kind);
      kinds.back().repetition_penalty = 1.4f;
      kinds.back().logit_bias = {{0, 100.0f}, {static_cast<int32_t>(vocab) - 1, 100.0f}};
    }
    kinds.push_back({.temperature = 0});
    for (const SamplingParams& kind : kinds) {
      const std::vector<int32_t> ids = Draw(logits, kind, 64, {0, 0}, 1, &constraint);
      EXPECT_EQ(ids, Draw(cut, kind, 64, {0, 0}, 1));
      for (int32_t id : ids) {
        ASSERT_GE(id, 0);
        EXPECT_TRUE(std::isfinite(cut[static_cast<size_t>(id)]));
      }
    }
  }
}

TEST_F(SamplerTest, NoWordsAllowAllAndNoBitsAllowNone) {
  const std::vector<float> logits = RandomLogits(300, 17, 8);
  Bits all({});
  Bits none(std::vector<uint64_t>(5, 0));
  std::vector<SamplingParams> kinds = AllKinds();
  kinds.push_back({.temperature = 0});
  for (const SamplingParams& kind : kinds) {
    EXPECT_EQ(Draw(logits, kind, 64, {0}, 1, &all), Draw(logits, kind, 64));
    EXPECT_EQ(Draw(logits, kind, 2, {0}, 1, &none), (std::vector<int32_t>{-1, -1}));
  }
}

TEST_F(SamplerTest, PenaltiesByHand) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2;
  // Prompt {0, 1}; output {1, 2, 2}. HF's rule: 4 / 2 = 2, -1 * 2 = -2; each id once.
  const std::vector<int32_t> tokens = {0, 1, 1, 2, 2};
  const auto best = [&](const std::vector<float>& logits) {
    return Draw(logits, params, 1, tokens, 2)[0];
  };
  EXPECT_EQ(best({4.0f, 0, 0, 1.99f}), 0);
  EXPECT_EQ(best({4.0f, 0, 0, 2.01f}), 3);
  EXPECT_EQ(best({-1.0f, -9, -9, -1.99f}), 3);
  EXPECT_EQ(best({-1.0f, -9, -9, -2.01f}), 0);
  EXPECT_EQ(best({0, 0, 4.0f, 2.01f}), 3);
  EXPECT_EQ(best({0, 0, 4.0f, 1.99f}), 2);
  // Over the output only: id 0 keeps 1, id 1 loses 0.5 + 1 * 0.25, id 2 loses 0.5 + 2 * 0.25.
  params.repetition_penalty = 1;
  params.presence_penalty = 0.5f;
  params.frequency_penalty = 0.25f;
  EXPECT_EQ(best({1, -9, -9, 0.99f}), 0);
  EXPECT_EQ(best({-9, 1, -9, 0.249f}), 1);
  EXPECT_EQ(best({-9, 1, -9, 0.251f}), 3);
  EXPECT_EQ(best({-9, -9, 1, 0.001f}), 3);
  EXPECT_EQ(best({-9, -9, 1, -0.001f}), 2);
  // Bias first, then repetition: (2 + 4) / 2 = 3 - 1 = 2.
  params.repetition_penalty = 2;
  params.logit_bias = {{2, 4.0f}};
  EXPECT_EQ(best({-9, -9, 2, 1.99f}), 2);
  EXPECT_EQ(best({-9, -9, 2, 2.01f}), 3);
}

TEST_F(SamplerTest, ChoiceDependsOnItsRowAlone) {
  const std::vector<float> a = RandomLogits(5000, 1, 10);
  const std::vector<float> b = RandomLogits(5000, 2, 10);
  const std::vector<SamplingParams> kinds = AllKinds();
  const std::vector<int32_t> tokens = {1, 2, 3};
  Sampler sampler(5000, 2);
  const auto rows_of = [&](bool reversed) {
    std::vector<SampleRow> rows;
    for (size_t i = 0; i < 40; ++i) {
      rows.push_back({i % 2 == 0 ? a.data() : b.data(), &kinds[i % kinds.size()], tokens, 1,
                      static_cast<int32_t>(i)});
    }
    if (reversed) std::reverse(rows.begin(), rows.end());
    return rows;
  };
  std::vector<SampleRow> forward = rows_of(false);
  std::vector<SampleRow> backward = rows_of(true);
  sampler.Sample(cx, forward);
  sampler.Sample(cx, backward);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(forward[i].id, backward[39 - i].id);
    std::vector<SampleRow> alone = {rows_of(false)[i]};
    sampler.Sample(cx, alone);
    EXPECT_EQ(forward[i].id, alone[0].id);
  }
}

TEST(Candidates, SelectTopEqualsSorting) {
  std::vector<Candidate> got;
  for (const int64_t n : {1, 15, 16, 17, 100, 5000}) {
    for (const int64_t levels : {2, 50, 1000000}) {  // few levels: many ties
      std::vector<float> x;
      for (int64_t i = 0; i < n; ++i) {
        x.push_back(static_cast<float>(Rng(1, 2).Bits(static_cast<uint64_t>(i)) %
                                       static_cast<uint64_t>(levels)));
      }
      std::vector<Candidate> sorted;
      for (int64_t i = 0; i < n; ++i) {
        sorted.push_back({x[static_cast<size_t>(i)], static_cast<int32_t>(i)});
      }
      std::sort(sorted.begin(), sorted.end(), Before);
      for (const int64_t k : {0, 1, 2, 17, 100, 4999, 6000}) {
        SelectTop(x.data(), n, k, &got);
        ASSERT_EQ(static_cast<int64_t>(got.size()), std::min(k, n));
        for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].id, sorted[i].id);
      }
      EXPECT_EQ(Largest(x.data(), n), sorted[0].value);
      EXPECT_EQ(IndexOf(x.data(), n, sorted[0].value), sorted[0].id);
    }
  }
}

}  // namespace
}  // namespace aha
