#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/portable_math.h"
#include "base/rng.h"

namespace aha {
namespace {

bool HasPenalties(const SamplingParams& p) {
  return p.repetition_penalty != 1.0f || p.presence_penalty != 0 || p.frequency_penalty != 0;
}
bool IsAdjusted(const SamplingParams& p) { return HasPenalties(p) || !p.logit_bias.empty(); }
// Whether the choice needs more than the raw logits' largest.
bool NeedsScaled(const SampleRow& row) {
  const SamplingParams& p = *row.params;
  return p.temperature > 0 || IsAdjusted(p) || row.constraint != nullptr;
}

// Whether the total over the vocabulary is needed: top-k alone does without.
bool NeedsBlockSums(const SamplingParams& p, int64_t vocab) {
  return p.temperature > 0 && (p.top_k == 0 || p.top_k >= vocab) && (p.top_p < 1 || p.min_p == 0);
}

// x, but -inf where the id's bit is 0 or there is none.
void CopyAllowed(const float* x, int64_t vocab, std::span<const uint64_t> allowed, float* out) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  const int64_t known = std::min(vocab, static_cast<int64_t>(allowed.size()) * 64);
  for (int64_t begin = 0; begin < known; begin += 64) {
    const uint64_t word = allowed[static_cast<size_t>(begin / 64)];
    const int64_t count = std::min<int64_t>(64, known - begin);
    if (word == 0) {
      std::fill_n(out + begin, count, kNever);
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      out[begin + i] = (word >> i & 1) != 0 ? x[begin + i] : kNever;
    }
  }
  std::fill(out + known, out + vocab, kNever);
}

double Weight(float scaled) { return portable::Exp(static_cast<double>(scaled)); }

// The index whose share of [0, sum of weights) holds `target`; never one of weight 0.
size_t Pick(std::span<const double> weights, double target) {
  double sum = 0;
  size_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    sum += weights[i];
    last = i;
    if (sum > target) break;
  }
  return last;
}

double Sum(std::span<const double> weights) {
  double sum = 0;
  for (double w : weights) sum += w;
  return sum;
}

}  // namespace

Sampler::Sampler(int64_t vocab, int workers)
    : vocab_(vocab),
      blocks_((vocab + kBlock - 1) / kBlock),
      scratch_(static_cast<size_t>(workers)) {
  // The most there can be: no draw allocates. Pages that are never touched cost nothing.
  for (Scratch& scratch : scratch_) {
    scratch.candidates.reserve(static_cast<size_t>(vocab + kBlock));
    scratch.weights.reserve(static_cast<size_t>(vocab));
  }
}

void Sampler::Sample(ops::Context& cx, std::span<SampleRow> rows) {
  // Scaled logits of rows that need block sums come first, so that one call sums them all.
  const int64_t padded = blocks_ * kBlock;
  slot_.assign(rows.size(), -1);
  for (const SampleRow& row : rows) {
    if (HasPenalties(*row.params)) ReserveCounts();
  }
  int64_t slots = 0;
  int64_t summed = 0;
  for (const bool sums : {true, false}) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!NeedsScaled(rows[i])) continue;
      if (NeedsBlockSums(*rows[i].params, vocab_) == sums) slot_[i] = slots++;
    }
    if (sums) summed = slots;
  }
  float* scaled = cx.activations.Allocate<float>(slots * padded);
  float* sums = cx.activations.Allocate<float>(summed * blocks_);
  ThreadPool& pool = *cx.kernels.pool;
  pool.ParallelFor(static_cast<int64_t>(rows.size()), [&](int64_t i, int worker) {
    SampleRow& row = rows[static_cast<size_t>(i)];
    const int64_t slot = slot_[static_cast<size_t>(i)];
    if (slot < 0) {
      row.id = IndexOf(row.logits, vocab_, Largest(row.logits, vocab_));
    } else {
      Scale(row, scaled + slot * padded, &scratch_[static_cast<size_t>(worker)]);
    }
  });
  if (summed > 0) cx.backend().LogSumExp(cx.kernels, scaled, summed * blocks_, kBlock, sums);
  pool.ParallelFor(static_cast<int64_t>(rows.size()), [&](int64_t i, int worker) {
    SampleRow& row = rows[static_cast<size_t>(i)];
    const int64_t slot = slot_[static_cast<size_t>(i)];
    if (slot < 0 || row.id < 0 || row.params->temperature == 0) return;
    const float* block_sums = slot < summed ? sums + slot * blocks_ : nullptr;
    row.id = Draw(row, scaled + slot * padded, block_sums, &scratch_[static_cast<size_t>(worker)]);
  });
}

// For all workers at once: which of them meets the first penalty is chance.
void Sampler::ReserveCounts() {
  if (!scratch_[0].seen.empty()) return;
  for (Scratch& scratch : scratch_) {
    scratch.seen.assign(static_cast<size_t>(vocab_), 0);
    scratch.output_counts.assign(static_cast<size_t>(vocab_), 0);
  }
}

// scaled = (adjusted logits - their maximum) / temperature, so the largest is 0; up to whole blocks
// it is -inf, whose probability is exactly 0. Sets row.id to the most likely id, or -1.
void Sampler::Scale(SampleRow& row, float* scaled, Scratch* scratch) const {
  const float* x = row.logits;
  std::span<const uint64_t> allowed;
  if (row.constraint != nullptr) allowed = row.constraint->Allowed(row.sample);
  if (!allowed.empty()) {
    CopyAllowed(x, vocab_, allowed, scaled);
    x = scaled;
  }
  if (IsAdjusted(*row.params)) {
    if (x != scaled) std::copy(x, x + vocab_, scaled);
    Adjust(row, scaled, scratch);
    x = scaled;
  }
  std::fill(scaled + vocab_, scaled + blocks_ * kBlock, -std::numeric_limits<float>::infinity());
  const float largest = Largest(x, vocab_);
  row.id = -1;
  if (std::isfinite(largest)) row.id = IndexOf(x, vocab_, largest);
  // -inf - -inf would be NaN; the row is not used then, but block sums see it.
  const float shift = row.id < 0 ? 0.0f : largest;
  const float t = row.params->temperature;
  if (t == 0) return;
  for (int64_t i = 0; i < vocab_; ++i) scaled[i] = (x[i] - shift) / t;
}

void Sampler::Adjust(const SampleRow& row, float* x, Scratch* scratch) const {
  const SamplingParams& p = *row.params;
  for (const auto& [id, bias] : p.logit_bias) x[id] += bias;
  if (!HasPenalties(p)) return;
  for (int32_t id : row.tokens.subspan(static_cast<size_t>(row.prompt_size))) {
    ++scratch->output_counts[static_cast<size_t>(id)];
  }
  for (int32_t id : row.tokens) {
    uint8_t& seen = scratch->seen[static_cast<size_t>(id)];
    if (seen != 0) continue;
    seen = 1;
    const float r = p.repetition_penalty;
    x[id] = x[id] > 0 ? x[id] / r : x[id] * r;
    const int32_t count = scratch->output_counts[static_cast<size_t>(id)];
    if (count == 0) continue;
    x[id] -= p.frequency_penalty * static_cast<float>(count);
    x[id] -= p.presence_penalty;
  }
  for (int32_t id : row.tokens) {
    scratch->seen[static_cast<size_t>(id)] = 0;
    scratch->output_counts[static_cast<size_t>(id)] = 0;
  }
}

int32_t Sampler::Draw(const SampleRow& row, const float* scaled, const float* block_sums,
                      Scratch* scratch) const {
  const SamplingParams& p = *row.params;
  const double uniform = Rng(p.seed, static_cast<uint64_t>(row.sample)).Uniform(row.tokens.size());
  std::vector<Candidate>& kept = scratch->candidates;
  std::vector<double>& weights = scratch->weights;
  kept.clear();
  if (p.top_k > 0 && p.top_k < vocab_) {
    SelectTop(scaled, vocab_, p.top_k, &kept);
  } else if (p.top_p < 1) {
    SelectNucleus(scaled, block_sums, static_cast<double>(p.top_p), scratch);
  } else if (p.min_p > 0) {
    // A little too far down; the exact comparison is below.
    const double lowest = portable::Log(static_cast<double>(p.min_p));
    AppendAtLeast(scaled, 0, vocab_, static_cast<float>(lowest) - 0.001f, &kept);
  } else {
    return DrawFromBlocks(scaled, block_sums, uniform);
  }
  weights.clear();
  for (const Candidate& c : kept) weights.push_back(Weight(c.value));
  if (p.top_p < 1 && p.top_k > 0 && p.top_k < vocab_) {
    const double most = static_cast<double>(p.top_p) * Sum(weights);
    double before = 0;
    size_t count = 0;
    for (; count < weights.size() && before < most; ++count) before += weights[count];
    weights.resize(count);
  }
  if (p.min_p > 0) {
    for (double& w : weights) w = w >= static_cast<double>(p.min_p) ? w : 0;
  }
  return kept[Pick(weights, uniform * Sum(weights))].id;
}

// Candidates = the nucleus of the whole vocabulary. Only likely ids are looked at and sorted: how
// far down is found by trying, and changes nothing in what is selected.
void Sampler::SelectNucleus(const float* scaled, const float* block_sums, double top_p,
                            Scratch* scratch) const {
  double total = 0;
  for (int64_t b = 0; b < blocks_; ++b) {
    if (block_sums[b] > -std::numeric_limits<float>::infinity()) total += Weight(block_sums[b]);
  }
  std::vector<Candidate>& kept = scratch->candidates;
  for (const float threshold : {-3.0f, -5.0f, -7.0f, -9.0f, -12.0f, -16.0f, -22.0f, -40.0f,
                                -std::numeric_limits<float>::infinity()}) {
    kept.clear();
    for (int64_t b = 0; b < blocks_; ++b) {
      // A block's sum is at least its largest value.
      if (!(block_sums[b] >= threshold)) continue;
      AppendAtLeast(scaled, b * kBlock, std::min(vocab_, (b + 1) * kBlock), threshold, &kept);
    }
    double found = 0;
    for (const Candidate& c : kept) found += Weight(c.value);
    if (found < top_p * total * (1 + 1e-9) && !std::isinf(threshold)) continue;
    std::sort(kept.begin(), kept.end(), Before);
    double before = 0;
    size_t count = 0;
    for (; count < kept.size() && before < top_p * total; ++count) {
      before += Weight(kept[count].value);
    }
    kept.resize(count);
    return;
  }
}

// Over the whole vocabulary: first the block, by the blocks' sums, then the id in it.
int32_t Sampler::DrawFromBlocks(const float* scaled, const float* block_sums,
                                double uniform) const {
  const auto mass = [&](int64_t b) {  // a block of -inf alone sums to NaN
    return block_sums[b] > -std::numeric_limits<float>::infinity() ? Weight(block_sums[b]) : 0.0;
  };
  double total = 0;
  for (int64_t b = 0; b < blocks_; ++b) total += mass(b);
  const double target = uniform * total;
  double before = 0;
  int64_t block = 0;
  double inside = 0;
  for (int64_t b = 0; b < blocks_; ++b) {
    const double m = mass(b);
    if (m <= 0) continue;
    block = b;
    inside = (target - before) / m;
    if (before + m > target) break;
    before += m;
  }
  double weights[kBlock];
  for (int64_t i = 0; i < kBlock; ++i) weights[i] = Weight(scaled[block * kBlock + i]);
  return static_cast<int32_t>(block * kBlock) +
         static_cast<int32_t>(Pick(weights, inside * Sum(weights)));
}

}  // namespace aha
