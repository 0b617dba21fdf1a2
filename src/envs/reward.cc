#include "envs/reward.h"

#include <algorithm>
#include <cctype>

#include "base/section.h"

namespace aha {

Result<std::vector<RewardPart>> ReadRewards(const Json& list) {
  if (list.is_null()) return std::vector<RewardPart>{{.name = "correct"}};
  if (!list.is_array() || list.empty()) return InvalidArgument("rewards is not a list of tables");
  std::vector<RewardPart> parts;
  for (const Json& one : list) {
    Section s(&one, "rewards");
    RewardPart part;
    static const std::vector<std::string> names = {"correct", "format", "language", "length"};
    s.ReadOne("name", names, &part.kind);
    part.name = names[static_cast<size_t>(part.kind)];
    s.Read("weight", &part.weight, -1e6, 1e6);
    if (part.kind == RewardPart::Kind::kLanguage) s.Read("alphabet", &part.alphabet);
    if (part.kind == RewardPart::Kind::kLength) {
      s.Read("from", &part.from, 0, 1 << 24);
      s.Read("to", &part.to, part.from + 1, 1 << 24);
      if (part.to == 0) s.Fail(InvalidArgument("rewards length: to is missing"));
    }
    AHA_RETURN_IF_ERROR(s.Finish());
    parts.push_back(std::move(part));
  }
  return parts;
}

double RewardOf(const RewardPart& part, const Score& score, std::string_view completion,
                int64_t tokens) {
  switch (part.kind) {
    case RewardPart::Kind::kCorrect:
      return score.correct;
    case RewardPart::Kind::kFormat:
      return score.format ? 1 : 0;
    case RewardPart::Kind::kLength: {
      const double over = static_cast<double>(tokens - part.from);
      return -std::clamp(over / static_cast<double>(part.to - part.from), 0.0, 1.0);
    }
    default: {
      const std::string_view text = SplitReply(completion).thought;
      int64_t words = 0;
      int64_t of = 0;
      for (size_t i = 0; i < text.size();) {
        while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
        bool belongs = true;
        const size_t begin = i;
        for (; i < text.size() && !std::isspace(static_cast<unsigned char>(text[i])); ++i) {
          const auto c = static_cast<unsigned char>(text[i]);
          belongs &=
              part.alphabet.empty() ? c < 128 : part.alphabet.find(text[i]) != std::string::npos;
        }
        if (i == begin) continue;
        ++words;
        of += belongs;
      }
      return words == 0 ? 0 : static_cast<double>(of) / static_cast<double>(words);
    }
  }
}

int64_t ReflectionWords(std::string_view text) {
  static const std::vector<std::string> kWords = {"wait",     "mistake", "however", "but",
                                                  "retry",    "error",   "verify",  "wrong",
                                                  "evaluate", "check",   "no"};
  int64_t count = 0;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
      continue;
    }
    count += std::find(kWords.begin(), kWords.end(), word) != kWords.end();
    word.clear();
  }
  return count;
}

}  // namespace aha
