#include "envs/environment.h"

#include "base/nearest_name.h"
#include "envs/arithmetic.h"
#include "envs/command.h"
#include "envs/countdown.h"
#include "envs/jsonl.h"
#include "envs/parity.h"

namespace aha {

Result<Split> ParseSplit(const std::string& name) {
  if (name == "train") return Split::kTrain;
  if (name == "held_out") return Split::kHeldOut;
  if (name == "test") return Split::kTest;
  return InvalidArgument("split '{}': want train, held_out or test", name);
}

Split SplitOf(std::string_view problem) {
  uint64_t h = 0xcbf29ce484222325u;  // FNV-1a, then mixed: its low bits alone are poor
  for (const char c : problem) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  h ^= h >> 33;
  const uint64_t share = h % 100;
  return share < 20 ? Split::kHeldOut : share < 30 ? Split::kTest : Split::kTrain;
}

Reply SplitReply(std::string_view completion) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  Reply reply;
  const size_t open = completion.find(kOpen);
  if (open == std::string_view::npos) {
    reply.answer = completion;
    return reply;
  }
  reply.thinks = true;
  const size_t begin = open + kOpen.size();
  // The last end counts: what stands before it is thought, whatever it looks like.
  const size_t close = completion.rfind(kClose);
  reply.closed = close != std::string_view::npos && close >= begin;
  reply.thought = completion.substr(begin, reply.closed ? close - begin : std::string_view::npos);
  reply.answer = reply.closed ? completion.substr(close + kClose.size()) : std::string_view();
  return reply;
}

std::string_view OnlyAnswer(std::string_view text) {
  constexpr std::string_view kOpen = "<answer>";
  constexpr std::string_view kClose = "</answer>";
  constexpr std::string_view kBlank = " \n\r\t";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kBlank) - first + 1);
  if (!text.starts_with(kOpen) || !text.ends_with(kClose) ||
      text.size() < kOpen.size() + kClose.size()) {
    return {};
  }
  text = text.substr(kOpen.size(), text.size() - kOpen.size() - kClose.size());
  const bool nested =
      text.find(kOpen) != std::string_view::npos || text.find(kClose) != std::string_view::npos;
  return nested ? std::string_view() : text;
}

namespace {

template <typename T>
Result<std::unique_ptr<T>> Unknown(const char* what, const std::string& name,
                                   const std::vector<std::string>& names) {
  const std::string nearest = NearestName(name, names);
  return InvalidArgument("there is no {} '{}'{}", what, name,
                         nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
}

}  // namespace

Result<std::unique_ptr<Environment>> MakeEnvironment(const Json& options) {
  AHA_ASSIGN_OR_RETURN(const std::string name, GetString(options, "name"));
  if (name == "parity") return MakeParity(options);
  if (name == "countdown") return MakeCountdown(options);
  if (name == "arithmetic") return MakeArithmetic(options);
  if (name == "jsonl") return MakeJsonl(options);
  if (name == "command") return MakeCommand(options);
  return Unknown<Environment>("environment", name,
                              {"parity", "countdown", "arithmetic", "jsonl", "command"});
}

Result<std::unique_ptr<DocumentSource>> MakeDocumentSource(const Json& options) {
  AHA_ASSIGN_OR_RETURN(const std::string name, GetString(options, "name"));
  if (name == "parity-text") return MakeParityText(options);
  if (name == "countdown-text") return MakeCountdownText(options);
  if (name == "arithmetic-text") return MakeArithmeticText(options);
  return Unknown<DocumentSource>("data", name,
                                 {"parity-text", "countdown-text", "arithmetic-text", "jsonl"});
}

}  // namespace aha
