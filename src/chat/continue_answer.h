// A prompt that goes on from the beginning of an answer: an edited thought, or a thought that is
// kept and an answer to be written anew.
#ifndef AHA_CHAT_CONTINUE_ANSWER_H_
#define AHA_CHAT_CONTINUE_ANSWER_H_

#include <string>

#include "chat/chat_template.h"

namespace aha {

struct AnswerBeginning {
  std::string thought;  // "" and not closed: none
  std::string content;
  bool thought_closed = false;  // the thought is whole; implied by content
};

struct ContinuedPrompt {
  Prompt prompt;
  bool in_thought = false;  // where the model goes on
};

// `messages` without the answer; `options` as for a new one. The given text is not trusted: it
// holds no control tokens; the tags around the thought are ours. Errors: Render's.
Result<ContinuedPrompt> ContinueAnswer(const ChatTemplate& chat, const Json& messages,
                                       const RenderOptions& options,
                                       const AnswerBeginning& beginning);

}  // namespace aha

#endif  // AHA_CHAT_CONTINUE_ANSWER_H_
