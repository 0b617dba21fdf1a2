#include "chat/completion_text.h"

#include <optional>
#include <utility>

namespace aha {
namespace {

std::vector<int32_t> IdsOf(const Tokenizer& tokenizer, const std::vector<std::string>& tokens) {
  std::vector<int32_t> ids;
  for (const std::string& token : tokens) {
    if (const std::optional<int32_t> id = tokenizer.IdOf(token)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace

CompletionText::CompletionText(const Tokenizer& tokenizer, CompletionOptions options)
    : decoder_(tokenizer, options.skip_special, IdsOf(tokenizer, options.visible)),
      stop_(std::move(options.stop)),
      parser_(std::move(options.tags), options.opened, options.midway),
      split_thought_(options.split_thought) {}

CompletionDelta CompletionText::Split(std::string_view text) {
  if (!split_thought_) return {{}, std::string(text), stop_.stopped()};
  ThoughtDelta delta = parser_.Push(text);
  return {std::move(delta.thought), answer_tags_.Push(delta.answer), stop_.stopped()};
}

CompletionDelta CompletionText::Push(int32_t id) {
  if (stop_.stopped()) return {{}, {}, true};
  return Split(stop_.Push(decoder_.Push(id)));
}

CompletionDelta CompletionText::Finish() {
  CompletionDelta delta;
  if (!stop_.stopped()) {
    delta = Split(stop_.Push(decoder_.Finish()));
    CompletionDelta rest = Split(stop_.Finish());
    delta.thought += rest.thought;
    delta.answer += rest.answer;
  }
  if (split_thought_) {
    ThoughtDelta last = parser_.Finish();
    delta.thought += last.thought;
    delta.answer += answer_tags_.Push(last.answer) + answer_tags_.Finish();
  }
  delta.stopped = stop_.stopped();
  return delta;
}

}  // namespace aha
