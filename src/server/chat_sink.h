// Hears a chat's generation on the server's loop and keeps what each sample is so far; an API's own
// sink derives from it and says how that is told.
#ifndef AHA_SERVER_CHAT_SINK_H_
#define AHA_SERVER_CHAT_SINK_H_

#include <memory>
#include <string>
#include <vector>

#include "chat/tool_call_parser.h"
#include "server/chat_spec.h"
#include "server/generation.h"

namespace aha {

struct ToolCall {
  std::string id, name, arguments;  // arguments: JSON text
  Json ToJson() const;              // OpenAI's
};

struct SampleResult {
  std::string thought, answer;
  std::vector<ToolCall> calls;
  std::vector<GeneratedToken> tokens;  // all, the stop id too
  int64_t thought_tokens = 0;
  FinishReason reason = FinishReason::kNone;  // kNone: not finished
  ThoughtEnd thought_end = ThoughtEnd::kItself;
  std::string stop_string;
};

struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
  // OpenAI's and DeepSeek's fields; hit + miss = prompt_tokens.
  Json ToJson() const;
};

// OpenAI's finish_reason; `calls`: the answer is tool calls.
const char* FinishName(FinishReason reason, bool calls);

// What ended a generation with FinishReason::kError.
ApiError NotFiniteError();

class ChatSink : public GenerationSink {
 public:
  explicit ChatSink(const PreparedChat& prepared);
  void OnEvents(std::vector<GenerationEvent> events) final;

 protected:
  // New text of one sample; it is in results() already. `event.answer` is what is no tool call.
  virtual void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>& calls) {}
  virtual void OnSampleEnd(int32_t sample) {}
  virtual void OnEnd() = 0;  // after the last sample's end

  const std::vector<SampleResult>& results() const { return results_; }
  Usage usage() const;
  // Once the last sample has ended: the answer's receipt, or null when none was asked for.
  Json Receipt() const;
  const ServedModel& model() const { return *model_; }
  const std::shared_ptr<ServedModel>& shared_model() const { return model_; }
  // {token, bytes, logprob, top_logprobs} of a list of tokens, thoughts or the rest.
  Json LogprobsJson(const std::vector<GeneratedToken>& tokens, bool thought) const;

 private:
  void AddText(GenerationEvent& event, ToolDelta delta);

  std::shared_ptr<ServedModel> model_;
  std::vector<SampleResult> results_;
  std::vector<ToolCallParser> parsers_;  // by sample; empty: there are no tools
  bool parallel_calls_ = true;
  int64_t prompt_tokens_, cached_tokens_ = 0;
  Json receipt_;  // without the samples
  int32_t unfinished_;
};

}  // namespace aha

#endif  // AHA_SERVER_CHAT_SINK_H_
