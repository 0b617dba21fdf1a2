// A completion's token ids to what a reader sees: thought and answer, cut at a stop string.
//
//   CompletionText text(tokenizer, {.stop = {"\n\n"}, .opened = opened_by_prompt});
//   for (id) { CompletionDelta d = text.Push(id); show(d); if (d.stopped) break; }
//   show(text.Finish());
//
// What comes out does not depend on how the text falls into tokens: text is given out as soon as
// it can be neither part of a character, of a stop string, nor of a thought's tag.
#ifndef AHA_CHAT_COMPLETION_TEXT_H_
#define AHA_CHAT_COMPLETION_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_tags.h"
#include "chat/thought_parser.h"
#include "tokenizer/tokenizer.h"

namespace aha {

// Passes text on up to the first stop string. The first to be complete wins; of those that end
// together, the longest. Empty stop strings are ignored.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stop);

  // The text that is surely before any stop string; nothing once stopped.
  std::string Push(std::string_view text);
  // What was held back; nothing if stopped.
  std::string Finish();
  bool stopped() const { return stopped_; }
  // The stop string that was met; empty before.
  const std::string& matched() const { return matched_; }

 private:
  std::vector<std::string> stop_;
  std::string held_;  // shorter than the longest stop string
  std::string matched_;
  bool stopped_ = false;
};

struct CompletionDelta {
  std::string thought;
  std::string answer;
  bool stopped = false;  // a stop string was met: generation is to end
};

struct CompletionOptions {
  std::vector<std::string> stop;
  ThoughtTags tags;
  bool opened = false;        // the prompt ended inside a thought (ThoughtParser::OpenedByPrompt)
  bool midway = false;        // it goes on in the middle of the thought, or of the answer
  bool split_thought = true;  // false: all text is answer, and tags are text
  bool skip_special = true;   // special tokens give no text
  // Texts of special tokens that give text nevertheless (ToolCallFormat::visible).
  std::vector<std::string> visible = {};
};

class CompletionText {
 public:
  // `tokenizer` must outlive this.
  CompletionText(const Tokenizer& tokenizer, CompletionOptions options);

  CompletionDelta Push(int32_t id);
  CompletionDelta Finish();
  bool in_thought() const { return split_thought_ && parser_.in_thought(); }
  const std::string& matched_stop() const { return stop_.matched(); }

 private:
  CompletionDelta Split(std::string_view text);

  StreamDecoder decoder_;
  StopStrings stop_;
  ThoughtParser parser_;
  AnswerTags answer_tags_;
  bool split_thought_;
};

}  // namespace aha

#endif  // AHA_CHAT_COMPLETION_TEXT_H_
