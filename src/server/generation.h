// One request in the making: token ids from the engine to text, thought and answer, with budgets.
//
// A Generation is the engine's listener and lives on the engine's thread; what readers are to know
// it collects as events, which ModelHost hands to the sink on the server's loop after each step.
#ifndef AHA_SERVER_GENERATION_H_
#define AHA_SERVER_GENERATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "chat/completion_text.h"
#include "chat/loop_detector.h"
#include "engine/engine.h"
#include "server/answer_constraint.h"
#include "server/served_model.h"

namespace aha {

struct GenerationSpec {
  std::shared_ptr<ServedModel> model;
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  int32_t n = 1;
  int64_t max_tokens = 0;
  std::vector<int32_t> stop_ids;
  std::vector<std::string> stop;
  bool opened = false;         // the prompt ends inside a thought
  bool midway = false;         // it goes on in the middle of a thought or an answer
  bool split_thought = false;  // chats; false: all text is answer
  bool skip_special = true;
  std::vector<std::string> visible = {};  // special tokens that are text nevertheless
  int64_t think_budget = -1;              // tokens; -1: none
  bool watch_loops = false;               // end a thought that goes in circles
  int32_t top_logprobs = 0;
  bool prompt_logprobs = false;
  std::shared_ptr<TokenGrammar> grammar = nullptr;  // of the answer; null: it is free
  int32_t opens_thought = -1;  // with a grammar: a token that may come first nevertheless
  // Of a replay, by sample: after so many tokens somebody asked for the thought's end; -1: nobody.
  std::vector<int64_t> end_thought_at = {};
  uint64_t owner = 0;       // fair shares, limits
  uint64_t cache_salt = 0;  // who may share prompt pages
};

struct GeneratedToken {
  int32_t id = 0;
  float logprob = 0;
  bool thought = false;  // it belongs to the thought, tags included
  bool forced = false;
  std::vector<TokenLogprob> top;
};

// Why a thought was ended for the model.
enum class ThoughtEnd { kItself, kBudget, kAsked, kLoop };

struct GenerationEvent {
  enum class Kind { kStart, kPromptLogprob, kText, kFinish };
  Kind kind = Kind::kText;
  int32_t sample = 0;
  int64_t cached_tokens = 0;                     // kStart
  int64_t position = 0;                          // kPromptLogprob
  std::string thought = {}, answer = {};         // kText: what is new
  std::vector<GeneratedToken> tokens = {};       // kText; kPromptLogprob: one, id unused
  bool in_thought = false;                       // kText: after it
  FinishReason reason = FinishReason::kNone;     // kFinish
  ThoughtEnd thought_end = ThoughtEnd::kItself;  // kFinish
  std::string stop_string = {};                  // kFinish: the one that was met
};

// Hears a generation on the server's loop. After kFinish of all samples nothing more comes.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual void OnEvents(std::vector<GenerationEvent> events) = 0;
};

class Generation : public RequestListener {
 public:
  Generation(uint64_t id, GenerationSpec spec, std::shared_ptr<GenerationSink> sink);

  // Engine's thread only, all of it.
  void OnStart(RequestId, int64_t cached_tokens) override;
  bool OnToken(const TokenEvent& event) override;
  void OnPromptLogprob(RequestId, int64_t position, float logprob,
                       std::span<const TokenLogprob> top) override;
  void OnFinish(RequestId request, int32_t sample, FinishReason reason) override;
  // "Stop thinking and answer now": samples that are in their thought, or all that have not begun.
  void EndThought(ThoughtEnd why);

  Request MakeRequest() const;
  void Submitted(RequestId id);
  RequestId request() const { return request_; }
  uint64_t id() const { return id_; }
  const GenerationSpec& spec() const { return spec_; }
  bool finished() const { return unfinished_ == 0; }
  const std::shared_ptr<GenerationSink>& sink() const { return sink_; }
  std::vector<GenerationEvent> TakeEvents() { return std::exchange(events_, {}); }
  // Every sample ends with kError: the engine would not have it.
  void Fail();
  FinishReason finish_reason() const { return finish_reason_; }  // of the last to end
  double submitted_s = 0, started_s = 0, first_token_s = 0, last_token_s = 0;
  int64_t prompt_tokens() const { return static_cast<int64_t>(spec_.prompt.size()); }
  int64_t output_tokens() const { return output_tokens_; }

 private:
  struct Sample {
    explicit Sample(CompletionText t) : text(std::move(t)) {}
    CompletionText text;
    int64_t thought_tokens = 0;
    LoopDetector loop;
    bool closing = false;  // the end of the thought is forced
    ThoughtEnd thought_end = ThoughtEnd::kItself;
  };
  void CloseThought(int32_t sample, ThoughtEnd why);
  bool AskedToEndAt(int32_t sample, int64_t tokens) const;
  GenerationEvent& TextEvent(int32_t sample);

  uint64_t id_;
  GenerationSpec spec_;
  std::shared_ptr<GenerationSink> sink_;
  RequestId request_ = 0;
  std::vector<Sample> samples_;
  std::unique_ptr<AnswerConstraint> constraint_;
  int32_t unfinished_;
  int64_t output_tokens_ = 0;
  FinishReason finish_reason_ = FinishReason::kNone;
  std::vector<GenerationEvent> events_;
};

}  // namespace aha

#endif  // AHA_SERVER_GENERATION_H_
