// Chat messages as training text: see documents.h.
#include <algorithm>

#include "train/documents.h"

namespace aha {
namespace {

// Bytes [begin, end) of `prompt`.
std::vector<TrainingText::Piece> Cut(const Prompt& prompt, size_t begin, size_t end, bool tags) {
  std::vector<TrainingText::Piece> out;
  size_t at = 0;
  for (const PromptPiece& piece : prompt.pieces) {
    const size_t from = std::max(at, begin);
    const size_t to = std::min(at + piece.text.size(), end);
    if (from < to) out.push_back({piece.text.substr(from - at, to - from), piece.trusted, tags});
    at += piece.text.size();
  }
  return out;
}

Result<bool> IsAssistant(const Json& messages, size_t i) {
  const Result<std::string> role =
      messages[i].is_object() ? GetString(messages[i], "role") : InvalidArgument("not an object");
  if (!role.ok()) return role.status().Within(fmt::format("messages[{}]", i));
  return *role == "assistant";
}

struct ReplyRange {
  size_t begin, end;  // bytes of the conversation
};

// Where message `i` stands in `whole`, the conversation up to the last reply. Empty where the
// template writes it otherwise when more is said after it.
Result<std::optional<ReplyRange>> FindReply(const ChatTemplate& chat, const Json& messages,
                                            size_t i, const RenderOptions& options,
                                            const std::string& whole) {
  if (i == 0) return InvalidArgument("messages[0] is the assistant's: it answers nothing");
  const auto render = [&](size_t count, bool to_be_answered) -> Result<std::string> {
    RenderOptions o = options;
    o.add_generation_prompt = to_be_answered;
    Json first = Json::array();
    for (size_t k = 0; k < count; ++k) first.push_back(messages[k]);
    AHA_ASSIGN_OR_RETURN(const Prompt prompt, chat.Render(first, o));
    return prompt.text();
  };
  AHA_ASSIGN_OR_RETURN(const std::string asked, render(i, true));
  AHA_ASSIGN_OR_RETURN(const std::string answered, render(i + 1, false));
  if (!answered.starts_with(asked)) {
    return InvalidArgument(
        "messages[{}]: the chat template's prompt for a reply ends '...{}', which is not how it "
        "writes the reply itself; give prompt and completion instead of messages",
        i, asked.substr(asked.size() - std::min<size_t>(asked.size(), 24)));
  }
  if (!whole.starts_with(answered)) return std::optional<ReplyRange>();
  return std::optional(ReplyRange{asked.size(), answered.size()});
}

// All replies, or the last alone.
Result<std::vector<ReplyRange>> FindReplies(const ChatTemplate& chat, const Json& messages,
                                            const RenderOptions& options,
                                            const std::string& whole) {
  std::vector<ReplyRange> replies;
  for (size_t i = 0; i < messages.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(const bool assistant, IsAssistant(messages, i));
    if (!assistant) continue;
    AHA_ASSIGN_OR_RETURN(const std::optional<ReplyRange> reply,
                         FindReply(chat, messages, i, options, whole));
    if (!reply) {
      const size_t last = messages.size() - 1;
      AHA_ASSIGN_OR_RETURN(const auto alone, FindReply(chat, messages, last, options, whole));
      CHECK(alone.has_value(), "the whole conversation begins with itself");
      return std::vector<ReplyRange>{*alone};
    }
    replies.push_back(*reply);
  }
  return replies;
}

}  // namespace

Result<TrainingText> TextOfConversation(const ChatTemplate& chat, const Json& messages,
                                        const RenderOptions& options) {
  if (!messages.is_array()) return InvalidArgument("messages is no array");
  Json said = messages;
  size_t count = 0;  // replies
  size_t end = 0;    // what follows the last of them teaches nothing
  for (size_t i = 0; i < said.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(const bool assistant, IsAssistant(said, i));
    if (!assistant) continue;
    end = i + 1;
    ++count;
  }
  if (count == 0) return InvalidArgument("no message has the role assistant");
  while (said.size() > end) said.erase(said.size() - 1);

  RenderOptions o = options;
  o.add_generation_prompt = false;
  AHA_ASSIGN_OR_RETURN(const Prompt prompt, chat.Render(said, o));
  AHA_ASSIGN_OR_RETURN(const std::vector<ReplyRange> replies,
                       FindReplies(chat, said, options, prompt.text()));
  TrainingText out;
  out.last_reply_only = replies.size() < count;
  size_t at = 0;
  for (const ReplyRange& reply : replies) {
    out.segments.push_back(
        {.pieces = Cut(prompt, at, reply.begin, false), .weight = 0, .prompt = true});
    out.segments.push_back({.pieces = Cut(prompt, reply.begin, reply.end, true), .reply = true});
    at = reply.end;
  }
  return out;
}

}  // namespace aha
