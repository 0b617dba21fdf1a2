#include "chat/continue_answer.h"

#include "chat/thought_parser.h"

namespace aha {

Result<ContinuedPrompt> ContinueAnswer(const ChatTemplate& chat, const Json& messages,
                                       const RenderOptions& options,
                                       const AnswerBeginning& beginning) {
  AHA_ASSIGN_OR_RETURN(Prompt prompt, chat.Render(messages, options));
  const ThoughtTags tags;
  const bool opened = OpenedByTemplate(prompt, tags);
  const bool thinks = !beginning.thought.empty() || opened;
  const bool closed = beginning.thought_closed || !beginning.content.empty();
  const auto ours = [&](std::string text) { prompt.pieces.push_back({std::move(text), true}); };
  const auto theirs = [&](const std::string& text) {
    if (!text.empty()) prompt.pieces.push_back({text, false});
  };
  if (thinks && !opened) ours(tags.open + "\n");
  theirs(beginning.thought);
  if (thinks && closed) ours("\n" + tags.close + "\n\n");
  theirs(beginning.content);
  return ContinuedPrompt{std::move(prompt), thinks && !closed};
}

}  // namespace aha
