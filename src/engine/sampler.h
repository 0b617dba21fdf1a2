// Chooses one token for each row of logits, by the SamplingParams of the row's sequence.
//
// A choice is a pure function of (logits, allowed ids, parameters, tokens so far, sample): all
// arithmetic is in a fixed order with our own exp, and the one random number is Rng(seed,
// sample).Uniform(position). With x the adjusted logits (bias, penalties; -inf for an id that is
// not allowed) and p = softmax((x - max x) / temperature):
//   top_k  keeps the k first, by p and then by lowest id;
//   top_p  keeps, of those and in that order, each one before which less than top_p of their
//          probability lies;
//   min_p  keeps those with p >= min_p * max p.
// The draw walks over what is kept in that order; over the whole vocabulary by id.
#ifndef AHA_ENGINE_SAMPLER_H_
#define AHA_ENGINE_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/candidates.h"
#include "engine/engine.h"
#include "ops/context.h"

namespace aha {

struct SampleRow {
  const float* logits = nullptr;  // [vocab], finite LogSumExp; left as they are
  const SamplingParams* params = nullptr;
  std::span<const int32_t> tokens;  // prompt and output so far
  int64_t prompt_size = 0;
  int32_t sample = 0;
  TokenConstraint* constraint = nullptr;  // asked by Sample, on a thread of the pool
  // The choice; -1 when bias and penalties have driven the logits beyond float, or no id is
  // allowed.
  int32_t id = -1;
};

class Sampler {
 public:
  // `workers`: threads of the pool that Sample's context has.
  Sampler(int64_t vocab, int workers);
  // Takes scratch from cx.activations.
  void Sample(ops::Context& cx, std::span<SampleRow> rows);

 private:
  // Vocabulary ids whose probability is summed together.
  static constexpr int64_t kBlock = 256;
  struct Scratch {
    std::vector<Candidate> candidates;
    std::vector<double> weights;         // of the candidates, largest possible is 1
    std::vector<int32_t> output_counts;  // [vocab] zero between uses
    std::vector<uint8_t> seen;           // [vocab] zero between uses
  };
  void ReserveCounts();
  void Scale(SampleRow& row, float* scaled, Scratch* scratch) const;
  void Adjust(const SampleRow& row, float* x, Scratch* scratch) const;
  int32_t Draw(const SampleRow& row, const float* scaled, const float* block_sums,
               Scratch* scratch) const;
  int32_t DrawFromBlocks(const float* scaled, const float* block_sums, double uniform) const;
  void SelectNucleus(const float* scaled, const float* block_sums, double top_p,
                     Scratch* scratch) const;

  int64_t vocab_;
  int64_t blocks_;
  std::vector<Scratch> scratch_;  // [workers]
  std::vector<int64_t> slot_;     // [rows] index of the row's scaled logits; -1: needs none
};

}  // namespace aha

#endif  // AHA_ENGINE_SAMPLER_H_
