// Seconds to learn a vocabulary of 8192 from 10 MB: prose-like words of Zipf's frequencies.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "base/rng.h"
#include "tokenizer/bpe_trainer.h"

namespace aha {
namespace {

// A vocabulary without end: a rank is a word, rare ranks are long words.
std::string Text(size_t bytes) {
  const Rng rng(1, 0);
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) {
    const auto rank = static_cast<uint64_t>(std::exp(rng.Uniform(i) * 13));
    const Rng letters(2, rank);
    const auto length = 1 + static_cast<uint64_t>(std::log2(static_cast<double>(rank + 1)) / 1.6);
    for (uint64_t j = 0; j < length; ++j) text += "etaoinshrdlcumwf"[letters.Bits(j) % 16];
    text += i % 17 == 16 ? ".\n" : " ";
  }
  return text;
}

void BM_BpeTrainer(benchmark::State& state) {
  const std::string text = Text(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    BpeTrainer trainer = BpeTrainer::Create({.vocab_size = 8192}).value();
    for (size_t at = 0; at < text.size(); at += 4000) {
      CHECK(trainer.Add(std::string_view(text).substr(at, 4000)).ok());
    }
    benchmark::DoNotOptimize(trainer.Train().value());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_BpeTrainer)->Arg(10 << 20)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace aha
