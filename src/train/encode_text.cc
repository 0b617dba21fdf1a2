#include "train/encode_text.h"

#include <algorithm>

namespace aha {
namespace {

// Tokens of a reply up to its end token, which only the template can have written: the last special
// one, with nothing but blanks behind it. 0: the template writes none.
size_t TokensToEnd(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  const auto end =
      std::find_if(ids.rbegin(), ids.rend(), [&](int32_t id) { return tokenizer.IsSpecial(id); });
  if (end == ids.rend()) return 0;
  const std::vector<int32_t> rest(end.base(), ids.end());
  const bool blank = tokenizer.Decode(rest).find_first_not_of(" \t\r\n") == std::string::npos;
  return blank ? static_cast<size_t>(end.base() - ids.begin()) : 0;
}

}  // namespace

Result<WeightedSequence> EncodeText(const Tokenizer& tokenizer, int32_t eos,
                                    const TrainingText& text) {
  WeightedSequence out;
  std::vector<int32_t>& all = out.sequence.ids;
  std::vector<float> weights;
  bool ended = false;
  for (const TrainingText::Segment& s : text.segments) {
    std::vector<TextPiece> pieces;
    for (const TrainingText::Piece& p : s.pieces) {
      pieces.push_back({p.text, p.allow_special, p.allow_tags});
    }
    AHA_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenizer.EncodePieces(pieces));
    all.insert(all.end(), ids.begin(), ids.end());
    const size_t to_end = s.reply ? TokensToEnd(tokenizer, ids) : 0;
    ended = to_end > 0;
    weights.insert(weights.end(), ended ? to_end : ids.size(), s.weight);
    weights.resize(all.size(), 0);
    if (s.prompt) out.prompt_tokens = all.size();
  }
  if (!ended) {
    all.push_back(eos);
    weights.push_back(1);
  }
  for (size_t i = 1; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    out.sequence.targets.push_back(static_cast<int32_t>(i));
    out.weights.push_back(weights[i]);
  }
  return out;
}

}  // namespace aha
