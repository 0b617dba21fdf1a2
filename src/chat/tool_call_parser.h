// Splits an answer's streamed text into content and tool calls.
//
//   ToolCallParser parser(format, {.names = ToolNames(tools), .id_prefix = "call_7f3a_"});
//   for (chunk of the answer, after ThoughtParser) {
//     ToolDelta d = parser.Push(chunk);
//     show(d.content, d.calls);
//     if (parser.calls() >= 1 && !parallel_tool_calls) break;
//   }
//   ToolDelta last = parser.Finish();
//
// What comes out in all does not depend on how the text falls into chunks. Text is held back only
// while it may be a mark, white space before one, or a call; white space around calls belongs to
// neither side. What looked like a call and is none (no JSON, no name, an unknown function, cut
// off) is content, to the byte.
#ifndef AHA_CHAT_TOOL_CALL_PARSER_H_
#define AHA_CHAT_TOOL_CALL_PARSER_H_

#include <string>
#include <string_view>
#include <vector>

#include "chat/call_object.h"
#include "chat/tool_call_format.h"

namespace aha {

// OpenAI's delta of a call: id and name on a call's first only, arguments in fragments that joined
// are the JSON text of an object, as the model wrote it.
struct ToolCallDelta {
  int index = 0;
  std::string id;
  std::string name;
  std::string arguments;
};

struct ToolDelta {
  std::string content;
  std::vector<ToolCallDelta> calls;
};

struct ToolCallOptions {
  std::vector<std::string> names;   // the functions there are; empty takes any name
  std::string id_prefix = "call_";  // a call's id is this and its index
  // Arguments go out as they arrive. A call that goes wrong after its first fragment can then no
  // longer become content: the rest of it follows as arguments, as OpenAI's own API does. Off: a
  // call goes out whole, once it is known to be good. On is right where a grammar holds the model
  // to good calls.
  bool stream_arguments = false;
};

class ToolCallParser {
 public:
  explicit ToolCallParser(const ToolCallFormat& format, ToolCallOptions options = {});

  ToolDelta Push(std::string_view text);
  ToolDelta Finish();
  // Calls that are complete.
  int calls() const { return complete_; }

 private:
  // kText: content, marks looked for. kList: in DeepSeek's list, between calls. kHeader: its type
  // and name. kOpened: a mark was read, an object must follow. kObject: inside it. kAfter: behind
  // it, closing marks are taken. kBroken: streamed arguments went wrong; all is arguments up to a
  // closing mark.
  enum class State { kText, kList, kHeader, kOpened, kObject, kAfter, kBroken };

  bool Step(ToolDelta& delta);
  bool StepText(ToolDelta& delta);
  bool StepBare();
  bool StepList(ToolDelta& delta);
  bool StepHeader(ToolDelta& delta);
  bool StepOpened(ToolDelta& delta);
  bool StepObject(ToolDelta& delta);
  bool StepAfter(bool at_end);
  bool StepBroken(ToolDelta& delta);

  void Take(size_t n);
  bool GiveUp(ToolDelta& delta);
  void StartObject();
  bool ReadHeader(std::string_view header);
  bool Known(std::string_view name) const;
  void StreamArguments(ToolDelta& delta);
  bool EndCall(ToolDelta& delta);
  void Complete();
  bool deep_seek() const;

  ToolCallStyle style_;
  ToolCallOptions options_;
  State state_ = State::kText;
  std::string held_;  // text not read yet
  std::string raw_;   // what was read of a call before its object: content, if it is none
  CallObject object_;
  std::string name_;
  size_t streamed_ = 0;      // bytes of the arguments given out
  bool bare_ = true;         // Llama: nothing but calls so far, an object may be one
  bool after_call_ = false;  // kText: white space at the end belongs to the calls
  bool begun_ = false;       // the call's first delta is out
  int complete_ = 0;
};

}  // namespace aha

#endif  // AHA_CHAT_TOOL_CALL_PARSER_H_
