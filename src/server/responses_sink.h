// An answer as clients of /v1/responses hear it: items of reasoning, message and function_call, in
// a stream of numbered events or whole; kept for a request that goes on from it.
#ifndef AHA_SERVER_RESPONSES_SINK_H_
#define AHA_SERVER_RESPONSES_SINK_H_

#include <memory>
#include <string>
#include <vector>

#include "server/api_context.h"
#include "server/chat_sink.h"
#include "server/response_events.h"
#include "server/response_store.h"

namespace aha {

// An item of the output.
struct ResponseItem {
  enum class Kind { kReasoning, kMessage, kCall };
  Kind kind = Kind::kMessage;
  std::string id;
  std::string text = {};          // the thought, the answer, or the arguments
  Json logprobs = Json::array();  // of the answer's tokens, when they are asked for
  std::string name = {}, call_id = {};
  int32_t call = -1;                   // index among the calls
  const char* status = "in_progress";  // or completed, incomplete
  bool open() const;
  Json ToJson() const;  // an open one has no text yet: its events do
  Json Part() const;    // of reasoning and messages, which have one part
};

struct ResponseReply {
  std::string id;
  std::string owner;
  Json object;                 // the response without status, output and usage
  Json input_messages;         // with those before, without instructions
  Json input = Json::array();  // items of this request
  bool store = true;
  bool stream = false;
  bool background = false;  // it is made to its end, whether its client listens or not
};

class ResponsesSink : public ChatSink {
 public:
  ResponsesSink(ResponseReply reply, ChatSpec spec, const PreparedChat& prepared,
                ApiContext& context, ResponseStore& store, std::shared_ptr<Exchange> exchange);

  // The engine has it: a stream begins, and the store knows of it.
  void Started(uint64_t generation);

 private:
  void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) override;
  void OnEnd() override;

  void Grow(ResponseItem::Kind kind, const std::string& text);
  void Open(ResponseItem item);
  void Close(const char* status);
  Json Whole(const char* status) const;
  Json UsageJson() const;
  Json Messages() const;
  StoredResponse Kept(Json response, Json messages) const;  // what the store has of it
  void Event(const char* type, Json fields);
  void ItemEvent(const char* type, Json fields);
  void PartEvent(const char* type, Json fields);

  ResponseReply reply_;
  ChatSpec spec_;
  ApiContext& context_;
  ResponseStore& store_;
  std::shared_ptr<Exchange> exchange_;
  uint64_t cache_salt_;
  std::vector<ResponseItem> items_;     // the last may be open
  std::vector<GeneratedToken> untold_;  // tokens of the answer whose text has not been told yet
  std::shared_ptr<ResponseEvents> events_;
};

}  // namespace aha

#endif  // AHA_SERVER_RESPONSES_SINK_H_
