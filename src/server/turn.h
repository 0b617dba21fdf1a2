// A turn of the app: an answer that is made in the server whoever listens, told as numbered events
// that a reader may ask for from any number on.
//
// The server's loop only.
#ifndef AHA_SERVER_TURN_H_
#define AHA_SERVER_TURN_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/chat_sink.h"
#include "server/http_server.h"
#include "server/vote.h"

namespace aha {

// Where a turn's message is kept; all calls from the loop, in order, none of them waits.
class TurnRecorder {
 public:
  virtual ~TurnRecorder() = default;
  // Calls `then` on the loop once all that was given so far is kept, or cannot be.
  virtual void WhenKept(std::function<void()> then) = 0;
  virtual void Append(const std::string& thought, const std::string& answer) = 0;
  virtual void Finish(const Json& message) = 0;
};

struct TurnSpec {
  std::string id;
  std::string owner;
  Json message;  // as docs/app_api.md has it, status "streaming"; what is known so far
  // The beginning that was given: it is part of the message.
  std::string thought, answer;
  bool vote = false;
  bool verify_math = false;  // answers are compared as numbers where they are some
};

class Turn : public ChatSink {
 public:
  Turn(TurnSpec spec, const PreparedChat& prepared, std::unique_ptr<TurnRecorder> recorder,
       std::function<void(Turn&)> ended);

  // Sends events from number `from` on, and those to come; ends with the turn.
  void Subscribe(int64_t from, std::shared_ptr<Exchange> exchange);
  // The engine would not take it: the message says so.
  void Refused();
  void set_generation(uint64_t id) { generation_ = id; }
  uint64_t generation() const { return generation_; }
  const std::string& id() const { return spec_.id; }
  const std::string& owner() const { return spec_.owner; }
  bool ended() const { return ended_; }
  double ended_s() const { return ended_s_; }
  // The whole conversation for the next turn to begin with.
  const std::string& answer() const { return answer_; }

 private:
  void OnText(const GenerationEvent& event, const std::vector<ToolCallDelta>&) override;
  void OnEnd() override;
  void Emit(Json event);
  // Readers hear of the first `count` events, and of the end if those are all.
  void Tell(size_t count);
  VoteResult Vote() const;
  Json FinishedMessage();

  TurnSpec spec_;
  std::unique_ptr<TurnRecorder> recorder_;
  std::function<void(Turn&)> when_ended_;
  uint64_t generation_ = 0;
  // As sent. What a reader has seen survives the end of the program: only those that are kept,
  // `told_` of them, go out.
  std::vector<std::string> events_;
  size_t told_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::vector<std::shared_ptr<Exchange>> readers_;
  std::vector<std::pair<int64_t, int64_t>> counts_;  // tokens of thought and in all, by sample
  std::string answer_;
  double began_s_, first_token_s_ = 0, thought_end_s_ = 0, ended_s_ = 0;
  bool started_ = false, ended_ = false;
};

}  // namespace aha

#endif  // AHA_SERVER_TURN_H_
