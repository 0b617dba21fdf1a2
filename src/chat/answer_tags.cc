#include "chat/answer_tags.h"

#include <algorithm>

namespace aha {
namespace {

constexpr std::string_view kOpen = "<answer>";
constexpr std::string_view kClose = "</answer>";
constexpr std::string_view kBlank = " \t\r\n";

}  // namespace

std::string AnswerTags::Push(std::string_view text) {
  if (state_ == State::kPlain) return std::string(text);
  held_ += text;
  if (state_ == State::kBefore) {
    const size_t begin = std::min(held_.find_first_not_of(kBlank), held_.size());
    const std::string_view seen = std::string_view(held_).substr(begin, kOpen.size());
    if (seen == kOpen) {
      state_ = State::kInside;
      held_.erase(0, begin + kOpen.size());
    } else if (kOpen.starts_with(seen)) {
      return "";
    } else {
      state_ = State::kPlain;
      return Finish();
    }
  }
  const size_t close = held_.find(kClose);
  if (close != std::string::npos) {
    held_.erase(close, kClose.size());
    state_ = State::kPlain;
    return Finish();
  }
  size_t keep = std::min(held_.size(), kClose.size() - 1);
  while (keep > 0 && !kClose.starts_with(std::string_view(held_).substr(held_.size() - keep))) {
    --keep;
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string AnswerTags::Finish() {
  std::string out;
  out.swap(held_);
  return out;
}

}  // namespace aha
