#include "server/anthropic_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/sink_test_run.h"

namespace aha {
namespace {

using testing::ElementsAre;

std::shared_ptr<EventClient> Hear(std::vector<GenerationEvent> events, bool stream) {
  ApiContext context;
  context.prepare = [](std::function<void()>) {};
  auto client = std::make_shared<EventClient>();
  AnthropicSink sink({.model = "claude-x", .stream = stream, .request_id = "req-1", .owner = "o"},
                     ChatSpec{}, FakeChat(), context, client);
  sink.Started(1);
  // Each in its own step, as the engine tells of them.
  for (GenerationEvent& event : events) sink.OnEvents({std::move(event)});
  EXPECT_TRUE(client->ended);
  return client;
}

// The message that a client makes of a stream; what must hold of any stream is checked on the way.
Json Accumulate(const std::vector<Json>& events) {
  Json message;
  std::string input;
  bool open = false;
  for (const Json& event : events) {
    const std::string type = event["type"];
    if (type == "message_start") {
      EXPECT_TRUE(message.is_null());
      message = event["message"];
    } else if (type == "content_block_start") {
      EXPECT_FALSE(open);
      EXPECT_EQ(event["index"], message["content"].size());
      open = true;
      input.clear();
      message["content"].push_back(event["content_block"]);
    } else if (type == "content_block_delta") {
      EXPECT_TRUE(open);
      EXPECT_EQ(event["index"], message["content"].size() - 1);
      Json& block = message["content"].back();
      const Json& delta = event["delta"];
      if (delta["type"] == "input_json_delta") {
        input += delta["partial_json"];
      } else if (delta["type"] == "signature_delta") {
        block["signature"] = delta["signature"];
      } else {
        const std::string key = block["type"];
        EXPECT_EQ(delta["type"], key + "_delta");
        block[key] = block[key].get<std::string>() + delta[key].get<std::string>();
      }
    } else if (type == "content_block_stop") {
      EXPECT_TRUE(open);
      open = false;
      if (const Result<Json> json = ParseJson(input); json.ok()) {
        message["content"].back()["input"] = *json;
      }
    } else if (type == "message_delta") {
      EXPECT_FALSE(open);
      message.update(event["delta"]);
      message["usage"].update(event["usage"]);
    } else {
      EXPECT_TRUE(type == "ping" || type == "message_stop") << type;
    }
  }
  EXPECT_EQ(events.back()["type"], "message_stop");
  return message;
}

void EraseIds(Json* message) {
  message->erase("id");
  for (Json& block : (*message)["content"]) block.erase("id");
}

TEST(AnthropicSink, TellsOfBlocksOneAfterTheOther) {
  const auto client = Hear(AnswerWithCalls(), /*stream=*/true);
  EXPECT_THAT(
      client->Types(),
      ElementsAre("message_start", "ping",                                              //
                  "content_block_start", "content_block_delta", "content_block_delta",  // thought
                  "content_block_delta", "content_block_stop",                          // signed
                  "content_block_start", "content_block_delta", "content_block_delta",  // words
                  "content_block_stop",                                                 //
                  "content_block_start", "content_block_delta", "content_block_stop",   // a call
                  "content_block_start", "content_block_delta", "content_block_stop",   // words
                  "content_block_start", "content_block_delta", "content_block_stop",   // a call
                  "message_delta", "message_stop"));
  EXPECT_EQ(client->events[0]["message"]["usage"]["output_tokens"], 0);
  EXPECT_EQ(client->events[0]["message"]["stop_reason"], nullptr);
  EXPECT_EQ(client->events[5]["delta"]["type"], "signature_delta");
  EXPECT_EQ(client->sent.content_type, "text/event-stream");
}

TEST(AnthropicSink, AStreamIsTheWholeAnswer) {
  Json whole = Hear(AnswerWithCalls(), /*stream=*/false)->body;
  EXPECT_EQ(whole["role"], "assistant");
  EXPECT_EQ(whole["model"], "claude-x");
  EXPECT_EQ(whole["stop_reason"], "tool_use");
  EXPECT_EQ(whole["stop_sequence"], nullptr);
  EXPECT_EQ(whole["usage"]["input_tokens"], 6);
  EXPECT_EQ(whole["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(whole["usage"]["output_tokens"], 7);
  EXPECT_EQ(whole["usage"]["output_tokens_details"]["thinking_tokens"], 2);
  EXPECT_NE(whole["content"][2]["id"], whole["content"][4]["id"]);
  EraseIds(&whole);
  EXPECT_EQ(whole["content"], ParseJson(R"([
      {"type": "thinking", "thinking": "Rain?", "signature": "local"},
      {"type": "text", "text": "I look up."},
      {"type": "tool_use", "name": "weather", "input": {"city": "Oslo"}},
      {"type": "text", "text": " And Rome."},
      {"type": "tool_use", "name": "weather", "input": {}}])")
                                  .value());
  Json streamed = Accumulate(Hear(AnswerWithCalls(), /*stream=*/true)->events);
  EraseIds(&streamed);
  // Keys may come in another order.
  EXPECT_EQ(nlohmann::json(streamed), nlohmann::json(whole));
}

TEST(AnthropicSink, SaysWhyItEnds) {
  const auto ends = [](FinishReason reason, const std::string& stop, const char* text) {
    Json whole = Hear({StartEvent(0), AnswerEvent(text), FinishEvent(reason, stop)}, false)->body;
    const Json streamed = Accumulate(
        Hear({StartEvent(0), AnswerEvent(text), FinishEvent(reason, stop)}, true)->events);
    EXPECT_EQ(streamed["stop_reason"], whole["stop_reason"]);
    EXPECT_EQ(streamed["stop_sequence"], whole["stop_sequence"]);
    return whole;
  };
  const char* call = "<tool_call>{\"name\":\"weather\",\"arguments\":{}}</tool_call>";
  EXPECT_EQ(ends(FinishReason::kStop, "", "a")["stop_reason"], "end_turn");
  EXPECT_EQ(ends(FinishReason::kStop, "q", "a")["stop_reason"], "stop_sequence");
  EXPECT_EQ(ends(FinishReason::kStop, "q", "a")["stop_sequence"], "q");
  EXPECT_EQ(ends(FinishReason::kLength, "", "a")["stop_reason"], "max_tokens");
  EXPECT_EQ(ends(FinishReason::kLength, "", call)["stop_reason"], "max_tokens");
  EXPECT_EQ(ends(FinishReason::kCancelled, "", "a")["stop_reason"], "end_turn");
  // There is always a block.
  EXPECT_EQ(ends(FinishReason::kStop, "", "")["content"],
            ParseJson(R"([{"type": "text", "text": ""}])").value());
}

TEST(AnthropicSink, AFailureIsAnErrorInBothForms) {
  const std::vector<GenerationEvent> events = {StartEvent(0), AnswerEvent("a"),
                                               FinishEvent(FinishReason::kError)};
  const auto whole = Hear(events, false), streamed = Hear(events, true);
  EXPECT_EQ(whole->sent.status, 500);
  EXPECT_EQ(whole->body["error"]["type"], "api_error");
  EXPECT_EQ(whole->body["request_id"], "req-1");
  EXPECT_EQ(streamed->events.back(), whole->body);
}

TEST(AnthropicSink, ErrorsHaveTheirShape) {
  const HttpResponse response =
      AnthropicError({.status = 429, .message = "m", .retry_after_s = 2}, "req-7");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(ParseJson(response.body).value(),
            ParseJson(R"({"type":"error","error":{"type":"rate_limit_error","message":"m"},
                          "request_id":"req-7"})")
                .value());
  const std::pair<std::string, std::string> id = {"request-id", "req-7"},
                                            retry = {"Retry-After", "2"};
  EXPECT_THAT(response.headers, testing::IsSupersetOf({id, retry}));
}

}  // namespace
}  // namespace aha
