// An answer as Anthropic's clients hear it: blocks of thinking, text and tool_use, in a stream or
// whole. Both are made of the same blocks, one after the other as the model writes them.
#ifndef AHA_SERVER_ANTHROPIC_SINK_H_
#define AHA_SERVER_ANTHROPIC_SINK_H_

#include <memory>
#include <string>
#include <vector>

#include "server/api_context.h"
#include "server/chat_sink.h"

namespace aha {

// {"type": "error", "error": {"type", "message"}, "request_id"} with the error's status.
HttpResponse AnthropicError(const ApiError& error, const std::string& request_id);

struct AnthropicReply {
  std::string model;  // as the client calls it
  bool stream = false;
  std::string request_id;
  std::string owner;
};

class AnthropicSink : public ChatSink {
 public:
  AnthropicSink(AnthropicReply reply, ChatSpec spec, const PreparedChat& prepared,
                ApiContext& context, std::shared_ptr<Exchange> exchange);

  // The engine has it: a stream begins.
  void Started(uint64_t generation);

 private:
  enum class Block { kNone, kThinking, kText, kTool };

  void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) override;
  void OnEnd() override;

  void Enter(Block block, Json start);
  void Leave();
  void AddWords(Block block, const char* key, const std::string& words);
  void Event(const Json& event);
  void Delta(Json delta);
  Json Head() const;
  Json UsageJson() const;
  const char* StopReason() const;

  AnthropicReply reply_;
  ChatSpec spec_;
  ApiContext& context_;
  std::shared_ptr<Exchange> exchange_;
  uint64_t cache_salt_;
  std::string id_;
  Json content_ = Json::array();  // the blocks so far; the last may be open
  Block block_ = Block::kNone;    // the open one
  int call_ = -1;                 // index of the last tool_use among the calls
  std::string input_;             // JSON text of the open tool_use
};

}  // namespace aha

#endif  // AHA_SERVER_ANTHROPIC_SINK_H_
