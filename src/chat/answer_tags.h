// R1-Zero's answers stand in <answer>...</answer>: what a reader sees is the inside. An answer that
// does not begin with the tag is passed on as it is, tags and all.
#ifndef AHA_CHAT_ANSWER_TAGS_H_
#define AHA_CHAT_ANSWER_TAGS_H_

#include <string>
#include <string_view>

namespace aha {

class AnswerTags {
 public:
  // The text that is surely no tag; what may be one is held back.
  std::string Push(std::string_view text);
  // What was held back.
  std::string Finish();

 private:
  enum class State { kBefore, kInside, kPlain };
  State state_ = State::kBefore;
  std::string held_;
};

}  // namespace aha

#endif  // AHA_CHAT_ANSWER_TAGS_H_
