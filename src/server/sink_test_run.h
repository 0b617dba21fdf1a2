// Feeds sinks with a generation's events and keeps what their client is sent.
#ifndef AHA_SERVER_SINK_TEST_RUN_H_
#define AHA_SERVER_SINK_TEST_RUN_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/chat_sink.h"
#include "server/http_server.h"

namespace aha {

// A client that reads named events.
struct EventClient : Exchange {
  void Send(HttpResponse response) override {
    sent = std::move(response);
    body = ParseJson(sent.body).value();
    End();
  }
  void Begin(HttpResponse head) override { sent = std::move(head); }
  void Write(std::string bytes) override {
    ASSERT_FALSE(ended) << bytes;
    ASSERT_TRUE(bytes.ends_with("\n\n")) << bytes;
    for (size_t end; (end = bytes.find("\n\n")) != std::string::npos; bytes.erase(0, end + 2)) {
      const size_t line = bytes.find('\n');
      ASSERT_TRUE(bytes.starts_with("event: ")) << bytes;
      ASSERT_EQ(bytes.substr(line + 1, 6), "data: ") << bytes;
      events.push_back(ParseJson(bytes.substr(line + 7, end - line - 7)).value());
      EXPECT_EQ(bytes.substr(7, line - 7), events.back()["type"]);
    }
  }
  void End() override {
    EXPECT_FALSE(ended);
    ended = true;
  }
  void OnGone(std::function<void()>) override {}

  std::vector<std::string> Types() const {
    std::vector<std::string> types;
    for (const Json& event : events) types.push_back(event["type"]);
    return types;
  }

  HttpResponse sent;
  Json body;
  std::vector<Json> events;
  bool ended = false;
};

// A prompt of ten tokens for one answer, which may call `weather`.
inline PreparedChat FakeChat() {
  PreparedChat chat;
  chat.generation.model = std::make_shared<ServedModel>();
  chat.generation.model->id = "m";
  chat.generation.prompt.resize(10);
  chat.tools = ToolSetup{.format = {}, .names = {"weather"}};
  return chat;
}

inline GenerationEvent StartEvent(int64_t cached_tokens) {
  return {.kind = GenerationEvent::Kind::kStart, .cached_tokens = cached_tokens};
}
// One token each.
inline GenerationEvent ThoughtEvent(std::string text) {
  return {.thought = std::move(text), .tokens = {{.thought = true}}};
}
inline GenerationEvent AnswerEvent(std::string text) {
  return {.answer = std::move(text), .tokens = {{.thought = false}}};
}
inline GenerationEvent FinishEvent(FinishReason reason = FinishReason::kStop,
                                   std::string stop_string = {}) {
  return {.kind = GenerationEvent::Kind::kFinish,
          .reason = reason,
          .stop_string = std::move(stop_string)};
}

// A thought, words, two calls with words between them: 4 of the 10 tokens were cached, 7 are new.
inline std::vector<GenerationEvent> AnswerWithCalls() {
  return {StartEvent(4),
          ThoughtEvent("Rain"),
          ThoughtEvent("?"),
          AnswerEvent("I look"),
          AnswerEvent(" up. <tool_call>{\"name\":\"weather\",\"argu"),
          AnswerEvent("ments\":{\"city\":\"Oslo\"}}</tool_call>"),
          AnswerEvent(" And Rome."),
          AnswerEvent("<tool_call>{\"name\":\"weather\",\"arguments\":{}}</tool_call>"),
          FinishEvent()};
}

}  // namespace aha

#endif  // AHA_SERVER_SINK_TEST_RUN_H_
