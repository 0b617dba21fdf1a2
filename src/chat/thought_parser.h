// Splits a reasoning model's streamed text into thought and answer.
//
//   ThoughtParser parser(ThoughtTags::For(tokenizer), ThoughtParser::OpenedByPrompt(prompt_text,
//   tags)); for (chunk) { ThoughtDelta d = parser.Push(chunk); show(d.thought, d.answer); }
//   ThoughtDelta last = parser.Finish();
//
// Tags may arrive split over chunks; a held-back prefix of a tag is given out as soon as it cannot
// be one. Whitespace right after <think> and around </think> belongs to neither side.
#ifndef AHA_CHAT_THOUGHT_PARSER_H_
#define AHA_CHAT_THOUGHT_PARSER_H_

#include <string>
#include <string_view>

namespace aha {

struct ThoughtTags {
  std::string open = "<think>";
  std::string close = "</think>";
};

struct ThoughtDelta {
  std::string thought;
  std::string answer;
};

class ThoughtParser {
 public:
  // `opened`: the prompt already ended inside a thought (R1's generation prompt ends in
  // "<think>\n"). `midway`: in the middle of the thought, or of the answer, so that white space
  // at the beginning counts and no tag opens a thought.
  explicit ThoughtParser(ThoughtTags tags = {}, bool opened = false, bool midway = false);
  // True when the last open tag of `prompt_text` has no close tag after it.
  static bool OpenedByPrompt(std::string_view prompt_text, const ThoughtTags& tags);

  ThoughtDelta Push(std::string_view text);
  // Gives out what was held back. A thought never closed is all thought, the answer empty.
  ThoughtDelta Finish();
  bool in_thought() const { return state_ == State::kOpened || state_ == State::kThought; }

 private:
  // kOpened: inside, before the thought's first character.
  enum class State { kStart, kOpened, kThought, kAfterThought, kAnswer };
  bool Step(ThoughtDelta& delta);

  ThoughtTags tags_;
  State state_;
  std::string held_;
};

}  // namespace aha

#endif  // AHA_CHAT_THOUGHT_PARSER_H_
