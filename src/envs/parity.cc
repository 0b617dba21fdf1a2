#include "envs/parity.h"

#include "base/rng.h"
#include "base/section.h"

namespace aha {
namespace {

constexpr uint64_t kMostTries = 1000;  // splits hold at least a tenth: 0.9^1000 never happens

std::string Bits(Split split, uint64_t seed, uint64_t index, int64_t bits) {
  const Rng rng(seed, index);
  for (uint64_t attempt = 0; attempt < kMostTries; ++attempt) {
    std::string out;
    for (int64_t i = 0; i < bits; ++i) {
      const uint64_t word = rng.Bits(attempt * 64 + static_cast<uint64_t>(i));
      out.push_back((word >> 63) != 0 ? '1' : '0');
    }
    if (SplitOf("parity " + out) == split) return out;
  }
  return std::string(static_cast<size_t>(bits), '0');
}

std::string RunningParities(const std::string& bits) {
  std::string out;
  bool odd = false;
  for (const char bit : bits) {
    odd ^= bit == '1';
    out.push_back(odd ? '1' : '0');
  }
  return out;
}

class Parity : public Environment {
 public:
  explicit Parity(int64_t bits) : bits_(bits) {}

  Problem Get(Split split, uint64_t seed, uint64_t index) const override {
    const std::string bits = Bits(split, seed, index, bits_);
    return {.id = "parity-" + bits,
            .prompt = bits + "=",
            .answer = RunningParities(bits).substr(bits.size() - 1),
            .level = fmt::format("{} bits", bits.size())};
  }

  Result<Score> Grade(const Problem& problem, std::string_view completion) const override {
    const Reply reply = SplitReply(completion);
    Score score;
    score.extracted = reply.answer;
    score.format = reply.closed && (reply.answer == "0" || reply.answer == "1");
    score.correct = score.format && reply.answer == problem.answer ? 1 : 0;
    score.why = !reply.closed   ? "the thought does not end"
                : !score.format ? "the answer is not one bit"
                : score.correct ? "right"
                                : "the parity is " + problem.answer;
    return score;
  }

 private:
  int64_t bits_;
};

class ParityText : public DocumentSource {
 public:
  ParityText(int64_t bits, double long_share) : bits_(bits), long_share_(long_share) {}

  Document Get(uint64_t seed, uint64_t index) const override {
    const std::string bits = Bits(Split::kTrain, seed, index, bits_);
    const std::string running = RunningParities(bits);
    const bool thinks = Rng(seed, index).Uniform(~uint64_t{0}) < long_share_;
    std::string reply = running.substr(running.size() - 1);
    if (thinks) reply = "<think>" + running + "</think>" + reply;
    // The bits are random: nothing is to be learned from them.
    return {{{bits + "=", 0, true}, {reply, 1, false}}};
  }

 private:
  int64_t bits_;
  double long_share_;
};

}  // namespace

Result<std::unique_ptr<Environment>> MakeParity(const Json& options) {
  Section s(&options, "task parity");
  s.Take("name");
  int64_t bits = 16;
  s.Read("bits", &bits, 1, 64);
  AHA_RETURN_IF_ERROR(s.Finish());
  return std::unique_ptr<Environment>(std::make_unique<Parity>(bits));
}

Result<std::unique_ptr<DocumentSource>> MakeParityText(const Json& options) {
  Section s(&options, "data parity-text");
  s.Take("name");
  int64_t bits = 16;
  double long_share = 0.2;
  s.Read("bits", &bits, 1, 64);
  s.Read("long_share", &long_share, 0, 1);
  AHA_RETURN_IF_ERROR(s.Finish());
  return std::unique_ptr<DocumentSource>(std::make_unique<ParityText>(bits, long_share));
}

}  // namespace aha
