#include "chat/tool_call_parser.h"

#include <algorithm>
#include <utility>

namespace aha {
namespace {

using namespace tool_marks;  // NOLINT(google-build-using-namespace): our own constants

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kFence = "```";
constexpr std::string_view kJsonFence = "```json";
// A type, a name and what stands between them; longer is no header.
constexpr size_t kMaxHeader = 512;

size_t SkipSpaces(std::string_view text, size_t from = 0) {
  return std::min(text.find_first_not_of(kSpaces, from), text.size());
}

// Where the white space at the end of `text` begins.
size_t SpacesBegin(std::string_view text) { return text.find_last_not_of(kSpaces) + 1; }

// Length of the longest end of `text` that `mark` begins with, short of all of it.
size_t PartialMark(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (mark.starts_with(text.substr(text.size() - n))) return n;
  }
  return 0;
}

// The marks that begin a call in running text.
std::vector<std::string_view> OpeningMarks(ToolCallStyle style) {
  switch (style) {
    case ToolCallStyle::kHermes:
      return {kHermesOpen};
    case ToolCallStyle::kDeepSeek:
    case ToolCallStyle::kDeepSeekPlain:
      return {kCallsBegin, kCallBegin};
    case ToolCallStyle::kLlama:
      return {kPythonTag};
  }
  return {};
}

// What may follow a call's object, each at most once, in this order.
std::vector<std::string_view> ClosingMarks(ToolCallStyle style) {
  switch (style) {
    case ToolCallStyle::kHermes:
      return {kHermesClose};
    case ToolCallStyle::kDeepSeek:
    case ToolCallStyle::kDeepSeekPlain:
      return {kFence, kCallEnd};
    case ToolCallStyle::kLlama:
      return {};
  }
  return {};
}

struct Found {
  size_t at = std::string_view::npos;
  std::string_view mark;
};
Found FindFirst(std::string_view text, const std::vector<std::string_view>& marks) {
  Found first;
  for (const std::string_view mark : marks) {
    const size_t at = text.find(mark);
    if (at < first.at) first = {at, mark};
  }
  return first;
}

}  // namespace

ToolCallParser::ToolCallParser(const ToolCallFormat& format, ToolCallOptions options)
    : style_(format.style),
      options_(std::move(options)),
      bare_(format.style == ToolCallStyle::kLlama) {}

bool ToolCallParser::deep_seek() const {
  return style_ == ToolCallStyle::kDeepSeek || style_ == ToolCallStyle::kDeepSeekPlain;
}

ToolDelta ToolCallParser::Push(std::string_view text) {
  held_ += text;
  ToolDelta delta;
  while (Step(delta)) {
  }
  return delta;
}

// Reads what is certain; true if the state changed, so that there may be more.
bool ToolCallParser::Step(ToolDelta& delta) {
  switch (state_) {
    case State::kText:
      return StepText(delta);
    case State::kList:
      return StepList(delta);
    case State::kHeader:
      return StepHeader(delta);
    case State::kOpened:
      return StepOpened(delta);
    case State::kObject:
      return StepObject(delta);
    case State::kAfter:
      return StepAfter(/*at_end=*/false);
    case State::kBroken:
      return StepBroken(delta);
  }
  return false;
}

// Moves the next `n` bytes to what is content again if this is no call.
void ToolCallParser::Take(size_t n) {
  raw_.append(held_, 0, n);
  held_.erase(0, n);
}

// This is no call. Reading goes on behind what was taken.
bool ToolCallParser::GiveUp(ToolDelta& delta) {
  delta.content += std::exchange(raw_, {});
  delta.content += object_.text();
  object_ = CallObject();
  bare_ = after_call_ = false;
  state_ = State::kText;
  return true;
}

bool ToolCallParser::StepText(ToolDelta& delta) {
  if (bare_) {
    if (StepBare()) return true;
    if (bare_) return false;
  }
  const std::vector<std::string_view> marks = OpeningMarks(style_);
  const Found found = FindFirst(held_, marks);
  if (found.at != std::string_view::npos) {
    const size_t spaces = SpacesBegin(std::string_view(held_).substr(0, found.at));
    delta.content.append(held_, 0, spaces);
    held_.erase(0, spaces);
    Take(found.at - spaces + found.mark.size());
    state_ = found.mark == kCallsBegin  ? State::kList
             : found.mark == kCallBegin ? State::kHeader
                                        : State::kOpened;
    return true;
  }
  size_t partial = 0;
  for (const std::string_view mark : marks) partial = std::max(partial, PartialMark(held_, mark));
  const size_t sure = SpacesBegin(std::string_view(held_).substr(0, held_.size() - partial));
  if (sure == 0) return false;
  delta.content.append(held_, 0, sure);
  held_.erase(0, sure);
  after_call_ = false;
  return false;
}

// Llama: an object at the answer's begin, or after a call (and perhaps a ';'), may be a call. True
// if one begins; bare_ is false afterwards if none can.
bool ToolCallParser::StepBare() {
  size_t at = SkipSpaces(held_);
  if (after_call_ && at < held_.size() && held_[at] == ';') at = SkipSpaces(held_, at + 1);
  if (at == held_.size()) return false;
  if (held_[at] != '{') {
    bare_ = false;
    return false;
  }
  Take(at);
  StartObject();
  return true;
}

bool ToolCallParser::StepList(ToolDelta& delta) {
  const size_t at = SkipSpaces(held_);
  const std::string_view rest = std::string_view(held_).substr(at);
  if (rest.starts_with(kCallBegin)) {
    Take(at + kCallBegin.size());
    state_ = State::kHeader;
    return true;
  }
  // A list without a call is content; at the end of any other the white space in it is forgotten.
  if (rest.starts_with(kCallsEnd) && raw_.empty()) {
    held_.erase(0, at + kCallsEnd.size());
    after_call_ = true;
    state_ = State::kText;
    return true;
  }
  if (rest.size() == PartialMark(rest, kCallBegin) || rest.size() == PartialMark(rest, kCallsEnd)) {
    return false;
  }
  return GiveUp(delta);
}

bool ToolCallParser::StepHeader(ToolDelta& delta) {
  const Found found = FindFirst(held_, {"{", kCallsBegin, kCallBegin, kCallEnd, kCallsEnd});
  const size_t end = std::min(found.at, held_.size());
  if (end < kMaxHeader && found.at == std::string_view::npos) return false;
  const bool good =
      end < kMaxHeader && found.mark == "{" && ReadHeader(std::string_view(held_).substr(0, end));
  Take(std::min(end, kMaxHeader));
  if (!good) return GiveUp(delta);
  StartObject();
  return true;
}

// "TYPE<sep>NAME\n```json\n", as V3 and R1 write it, or "NAME<sep>", as V3.1 does.
bool ToolCallParser::ReadHeader(std::string_view header) {
  const size_t sep = header.find(kSep);
  if (sep == std::string_view::npos) return false;
  std::string_view name = header.substr(0, sep);
  const std::string_view behind = header.substr(sep + kSep.size());
  if (behind.find_first_not_of(kSpaces) != std::string_view::npos) {
    const size_t fence = behind.rfind(kJsonFence);
    if (fence == std::string_view::npos) return false;
    if (SkipSpaces(behind, fence + kJsonFence.size()) != behind.size()) return false;
    name = behind.substr(0, fence);
  }
  name = name.substr(0, SpacesBegin(name));
  name.remove_prefix(SkipSpaces(name));
  name_ = name;
  return Known(name_);
}

bool ToolCallParser::Known(std::string_view name) const {
  if (name.empty()) return false;
  return options_.names.empty() || std::ranges::find(options_.names, name) != options_.names.end();
}

bool ToolCallParser::StepOpened(ToolDelta& delta) {
  const size_t at = SkipSpaces(held_);
  if (at == held_.size()) return false;
  Take(at);
  if (held_[0] != '{') return GiveUp(delta);
  StartObject();
  return true;
}

void ToolCallParser::StartObject() {
  object_ = CallObject(deep_seek() ? CallObject::Kind::kArguments
                       : bare_     ? CallObject::Kind::kStrictCall
                                   : CallObject::Kind::kCall);
  if (!deep_seek()) name_.clear();
  streamed_ = 0;
  begun_ = false;
  state_ = State::kObject;
}

bool ToolCallParser::StepObject(ToolDelta& delta) {
  size_t read = 0;
  CallObject::State object = CallObject::State::kMore;
  bool known = true;
  while (read < held_.size() && object == CallObject::State::kMore && known) {
    object = object_.Push(held_[read]);
    if (object != CallObject::State::kBad) ++read;
    if (name_.empty() && object_.name()) {
      name_ = *object_.name();
      known = Known(name_);
    }
  }
  held_.erase(0, read);
  if (!known) return GiveUp(delta);
  if (options_.stream_arguments) StreamArguments(delta);
  if (object == CallObject::State::kMore) return false;
  if (object == CallObject::State::kDone) return EndCall(delta);
  if (!begun_) return GiveUp(delta);
  state_ = State::kBroken;
  return true;
}

void ToolCallParser::StreamArguments(ToolDelta& delta) {
  const std::string_view arguments = object_.streamed_arguments();
  if (name_.empty() || arguments.size() <= streamed_) return;
  const std::string fragment(arguments.substr(streamed_));
  streamed_ = arguments.size();
  if (begun_) {
    delta.calls.push_back({complete_, "", "", fragment});
  } else {
    delta.calls.push_back(
        {complete_, options_.id_prefix + std::to_string(complete_), name_, fragment});
  }
  begun_ = true;
}

// The object is complete.
bool ToolCallParser::EndCall(ToolDelta& delta) {
  if (!begun_) {
    Result<std::string> arguments = object_.Arguments();
    if (!arguments.ok() || name_.empty()) return GiveUp(delta);
    delta.calls.push_back(
        {complete_, options_.id_prefix + std::to_string(complete_), name_, *std::move(arguments)});
  }
  Complete();
  return true;
}

void ToolCallParser::Complete() {
  ++complete_;
  raw_.clear();
  object_ = CallObject();
  bare_ = style_ == ToolCallStyle::kLlama;
  state_ = State::kAfter;
}

bool ToolCallParser::StepAfter(bool at_end) {
  size_t at = 0;
  bool closed = false;
  for (const std::string_view mark : ClosingMarks(style_)) {
    const size_t begin = SkipSpaces(held_, at);
    const std::string_view rest = std::string_view(held_).substr(begin);
    if (!at_end && rest.size() == PartialMark(rest, mark)) return false;
    closed = rest.starts_with(mark);
    if (closed) at = begin + mark.size();
  }
  held_.erase(0, at);
  after_call_ = true;
  state_ = deep_seek() ? State::kList : State::kText;
  // Some models put one object after the other between the same marks.
  const size_t next = SkipSpaces(held_);
  if (style_ == ToolCallStyle::kHermes && !closed && held_[next] == '{') {
    Take(next);
    StartObject();
  }
  return true;
}

bool ToolCallParser::StepBroken(ToolDelta& delta) {
  std::vector<std::string_view> marks;
  if (style_ == ToolCallStyle::kHermes) marks = {kHermesClose};
  if (deep_seek()) marks = {kCallEnd};
  const Found found = FindFirst(held_, marks);
  size_t end = std::min(found.at, held_.size());
  if (found.at == std::string_view::npos) {
    for (const std::string_view mark : marks) {
      end = std::min(end, held_.size() - PartialMark(held_, mark));
    }
  }
  if (end > 0) delta.calls.push_back({complete_, "", "", held_.substr(0, end)});
  held_.erase(0, end);
  if (found.at == std::string_view::npos) return false;
  Complete();
  return true;
}

ToolDelta ToolCallParser::Finish() {
  ToolDelta delta;
  if (state_ == State::kAfter) StepAfter(/*at_end=*/true);
  std::string rest = std::exchange(held_, {});
  const bool only_spaces = SkipSpaces(rest) == rest.size();
  if (begun_ && state_ == State::kBroken) {
    if (!rest.empty()) delta.calls.push_back({complete_, "", "", std::move(rest)});
  } else if (begun_ && state_ == State::kObject) {
    // Cut off behind the first fragment: what there was of the arguments is out.
  } else if ((state_ == State::kText && after_call_) || (state_ == State::kList && raw_.empty())) {
    if (!only_spaces) delta.content = std::move(rest);
  } else {
    delta.content = std::exchange(raw_, {}) + object_.text() + rest;
  }
  object_ = CallObject();
  state_ = State::kText;
  return delta;
}

}  // namespace aha
