#include <vector>

#include "chat/chat_template.h"

namespace aha {

bool OpenedByTemplate(const Prompt& prompt, const ThoughtTags& tags) {
  std::string trusted;
  for (const PromptPiece& piece : prompt.pieces) {
    if (piece.trusted) trusted += piece.text;
  }
  return ThoughtParser::OpenedByPrompt(trusted, tags);
}

Result<std::vector<int32_t>> EncodePrompt(const Tokenizer& tokenizer, const Prompt& prompt) {
  std::vector<TextPiece> pieces;
  pieces.reserve(prompt.pieces.size());
  for (const PromptPiece& piece : prompt.pieces) pieces.push_back({piece.text, piece.trusted});
  return tokenizer.EncodePieces(pieces);
}

}  // namespace aha
