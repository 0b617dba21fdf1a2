// Documents that a model learns from, as text: how much each stretch weighs in the loss, and what
// of it may be read as tags.
#ifndef AHA_TRAIN_DOCUMENTS_H_
#define AHA_TRAIN_DOCUMENTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "chat/chat_template.h"
#include "envs/environment.h"

namespace aha {

struct TrainingText {
  struct Piece {
    std::string text;
    bool allow_special = false, allow_tags = false;  // as in TextPiece
  };
  struct Segment {
    std::vector<Piece> pieces;
    float weight = 1;
    bool prompt = false;
    // What an assistant says in a chat. It ends with the template's end token: blanks behind that
    // are not learned.
    bool reply = false;
  };
  std::vector<Segment> segments;
  bool last_reply_only = false;  // of several
};

// The documents of a file of JSON lines.
struct DocumentFile {
  std::string path;
  std::vector<TrainingText> documents;
  std::vector<int64_t> lines;  // where they stand
  int64_t skipped = 0;         // broken lines, with on_error = "skip"
  std::string first_skipped;   // its error
  bool skip = false;           // on_error
  std::string Where(size_t document) const { return fmt::format("{}:{}", path, lines[document]); }
};

// Lines are {"text"}, {"prompt", "completion"} (only the completion is learned) or {"messages"}
// (only what the assistant says is learned; needs a chat template). `data`: path, on_error ("fail"
// or "skip" a broken line), date (what a template that asks for today's gets). Errors name file and
// line.
Result<DocumentFile> ReadDocumentFile(const Json& data, const ChatTemplate* chat);

// Each text of `data`, a file or a generator ({"name": ...}): all of a file, `generated` of a
// generator.
Status ForEachText(const Json& data, const ChatTemplate* chat, uint64_t seed, int64_t generated,
                   const std::function<Status(const TrainingText&)>& hear);

// A generator's document.
TrainingText TextOf(const Document& document);

// A conversation as the template writes it, of which the assistant's words are learned with the end
// token behind them. What the template writes may hold special tokens; what an assistant says, tags
// (<think>); what others say, neither.
//
// A reply is what stands between the prompt for it, messages[:i] rendered to be answered, and the
// end of messages[:i + 1]. Templates that rewrite earlier replies when the conversation goes on
// (they leave out old thoughts) leave only the last one to be learned. Errors: no reply; a template
// whose prompt is not how the conversation with the reply begins.
Result<TrainingText> TextOfConversation(const ChatTemplate& chat, const Json& messages,
                                        const RenderOptions& options);

}  // namespace aha

#endif  // AHA_TRAIN_DOCUMENTS_H_
