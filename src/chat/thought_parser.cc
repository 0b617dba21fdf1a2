#include "chat/thought_parser.h"

#include <algorithm>
#include <utility>

namespace aha {

namespace {

constexpr std::string_view kSpaces = " \t\r\n\f\v";

// Length of the longest end of `text` that `tag` begins with, short of all of it.
size_t PartialTag(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(text.size(), tag.empty() ? 0 : tag.size() - 1); n > 0; --n) {
    if (tag.starts_with(text.substr(text.size() - n))) return n;
  }
  return 0;
}

// Where the white space at the end of `text` begins.
size_t SpacesBegin(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpaces);
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace

ThoughtParser::ThoughtParser(ThoughtTags tags, bool opened, bool midway)
    : tags_(std::move(tags)),
      state_(midway ? (opened ? State::kThought : State::kAnswer)
                    : (opened ? State::kOpened : State::kStart)) {}

bool ThoughtParser::OpenedByPrompt(std::string_view prompt_text, const ThoughtTags& tags) {
  if (tags.open.empty()) return false;
  const size_t open = prompt_text.rfind(tags.open);
  if (open == std::string_view::npos) return false;
  return prompt_text.find(tags.close, open + tags.open.size()) == std::string_view::npos;
}

ThoughtDelta ThoughtParser::Push(std::string_view text) {
  held_ += text;
  ThoughtDelta delta;
  while (Step(delta)) {
  }
  return delta;
}

// Gives out what is certain; true if the state changed, so that there may be more.
bool ThoughtParser::Step(ThoughtDelta& delta) {
  switch (state_) {
    case State::kStart: {
      const size_t begin = held_.find_first_not_of(kSpaces);
      if (begin == std::string::npos) return false;
      const std::string_view rest = std::string_view(held_).substr(begin);
      if (!tags_.open.empty() && rest.starts_with(tags_.open)) {
        held_.erase(0, begin + tags_.open.size());
        state_ = State::kOpened;
        return true;
      }
      if (PartialTag(rest, tags_.open) == rest.size()) return false;
      state_ = State::kAnswer;  // no thought: the answer's own leading white space stays
      return true;
    }
    case State::kOpened: {
      held_.erase(0, std::min(held_.find_first_not_of(kSpaces), held_.size()));
      if (held_.empty()) return false;
      state_ = State::kThought;
      return true;
    }
    case State::kThought: {
      const size_t close = held_.find(tags_.close);
      if (close != std::string::npos) {
        delta.thought += held_.substr(0, SpacesBegin(held_.substr(0, close)));
        held_.erase(0, close + tags_.close.size());
        state_ = State::kAfterThought;
        return true;
      }
      // White space is held too: before the close tag it belongs to neither side.
      const size_t sure = held_.size() - PartialTag(held_, tags_.close);
      const size_t given = SpacesBegin(std::string_view(held_).substr(0, sure));
      delta.thought += held_.substr(0, given);
      held_.erase(0, given);
      return false;
    }
    case State::kAfterThought: {
      held_.erase(0, std::min(held_.find_first_not_of(kSpaces), held_.size()));
      if (held_.empty()) return false;
      state_ = State::kAnswer;
      return true;
    }
    case State::kAnswer:
      delta.answer += std::exchange(held_, {});
      return false;
  }
  return false;
}

ThoughtDelta ThoughtParser::Finish() {
  ThoughtDelta delta;
  if (state_ == State::kStart || state_ == State::kAnswer) delta.answer = std::exchange(held_, {});
  if (state_ == State::kThought) delta.thought = std::exchange(held_, {});
  held_.clear();
  return delta;
}

}  // namespace aha
