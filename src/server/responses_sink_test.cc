#include "server/responses_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/sink_test_run.h"

namespace aha {
namespace {

using testing::ElementsAre;

class ResponsesSinkTest : public testing::Test {
 protected:
  std::shared_ptr<EventClient> Hear(std::vector<GenerationEvent> events, bool stream,
                                    bool keep = true, bool background = false) {
    context_.prepare = [](std::function<void()>) {};
    auto client = std::make_shared<EventClient>();
    ResponsesSink sink({.id = "resp_1",
                        .owner = "o",
                        .object = {{"id", "resp_1"}, {"object", "response"}},
                        .input_messages = {{{"role", "user"}, {"content", "a"}}},
                        .store = keep,
                        .stream = stream,
                        .background = background},
                       ChatSpec{}, FakeChat(), context_, store_, client);
    sink.Started(1);
    for (GenerationEvent& event : events) {
      const auto stored = store_.Find("o", "resp_1");
      EXPECT_EQ(stored != nullptr && stored->in_progress(), keep && !removed_);
      if (remove_) removed_ = store_.Remove("o", "resp_1") || removed_;
      sink.OnEvents({std::move(event)});
    }
    EXPECT_TRUE(client->ended);
    return client;
  }

  ApiContext context_;
  ResponseStore store_;
  bool remove_ = false, removed_ = false;
};

void EraseIds(Json* response) {
  for (Json& item : (*response)["output"]) {
    item.erase("id");
    item.erase("call_id");
  }
}

TEST_F(ResponsesSinkTest, NumbersItsEventsAndClosesWhatItOpens) {
  const auto client = Hear(AnswerWithCalls(), /*stream=*/true);
  EXPECT_THAT(
      client->Types(),
      ElementsAre(
          "response.created", "response.in_progress",
          // the thought
          "response.output_item.added", "response.content_part.added",
          "response.reasoning_text.delta", "response.reasoning_text.delta",
          "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
          // words
          "response.output_item.added", "response.content_part.added", "response.output_text.delta",
          "response.output_text.delta", "response.output_text.done", "response.content_part.done",
          "response.output_item.done",
          // a call
          "response.output_item.added", "response.function_call_arguments.delta",
          "response.function_call_arguments.done", "response.output_item.done",
          // words
          "response.output_item.added", "response.content_part.added", "response.output_text.delta",
          "response.output_text.done", "response.content_part.done", "response.output_item.done",
          // a call
          "response.output_item.added", "response.function_call_arguments.delta",
          "response.function_call_arguments.done", "response.output_item.done",
          "response.completed"));
  int64_t number = 0, index = -1;
  std::string item, text;
  for (const Json& event : client->events) {
    const std::string type = event["type"];
    EXPECT_EQ(event["sequence_number"], number++);
    if (type == "response.output_item.added") {
      EXPECT_EQ(event["output_index"], ++index);
      EXPECT_EQ(event["item"]["status"], "in_progress");
      item = event["item"]["id"];
      text.clear();
    } else if (type == "response.output_item.done") {
      EXPECT_EQ(event["item"]["id"], item);
      EXPECT_EQ(event["item"], client->events.back()["response"]["output"][index]);
    } else if (event.contains("item_id")) {
      EXPECT_EQ(event["item_id"], item);
      EXPECT_EQ(event["output_index"], index);
      if (type.ends_with(".delta")) text += event["delta"];
      if (event.contains("text")) EXPECT_EQ(event["text"], text);
      if (event.contains("arguments")) EXPECT_EQ(event["arguments"], text);
      if (type == "response.content_part.done") EXPECT_EQ(event["part"]["text"], text);
    }
  }
  EXPECT_EQ(client->events[0]["response"]["status"], "in_progress");
  EXPECT_EQ(client->events[0]["response"]["output"], Json::array());
  EXPECT_EQ(client->events[0]["response"]["usage"], nullptr);
}

TEST_F(ResponsesSinkTest, AStreamEndsWithTheWholeAnswer) {
  Json whole = Hear(AnswerWithCalls(), /*stream=*/false)->body;
  EXPECT_EQ(whole["status"], "completed");
  EXPECT_EQ(whole["incomplete_details"], nullptr);
  EXPECT_EQ(whole["usage"], ParseJson(R"({"input_tokens": 10,
              "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
              "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 2},
              "total_tokens": 17})")
                                .value());
  Json streamed = Hear(AnswerWithCalls(), /*stream=*/true)->events.back()["response"];
  EraseIds(&whole);
  EraseIds(&streamed);
  EXPECT_EQ(streamed, whole);
  EXPECT_EQ(whole["output"], ParseJson(R"([
      {"type": "reasoning", "status": "completed", "summary": [],
       "content": [{"type": "reasoning_text", "text": "Rain?"}]},
      {"type": "message", "role": "assistant", "status": "completed",
       "content": [{"type": "output_text", "text": "I look up.", "annotations": [], "logprobs": []}]},
      {"type": "function_call", "status": "completed", "name": "weather", "arguments": "{\"city\":\"Oslo\"}"},
      {"type": "message", "role": "assistant", "status": "completed",
       "content": [{"type": "output_text", "text": " And Rome.", "annotations": [], "logprobs": []}]},
      {"type": "function_call", "status": "completed", "name": "weather", "arguments": "{}"}])")
                                 .value());
}

TEST_F(ResponsesSinkTest, KeepsTheConversationForTheNext) {
  const Json whole = Hear(AnswerWithCalls(), /*stream=*/false)->body;
  const auto stored = store_.Find("o", "resp_1");
  ASSERT_NE(stored, nullptr);
  EXPECT_EQ(stored->response, whole);
  ASSERT_EQ(stored->messages.size(), 2u);
  const Json& answer = stored->messages[1];
  EXPECT_EQ(answer["content"], "I look up. And Rome.");
  EXPECT_EQ(answer["reasoning_content"], "Rain?");
  EXPECT_EQ(answer["tool_calls"].size(), 2u);
  EXPECT_EQ(answer["tool_calls"][0]["id"], whole["output"][2]["call_id"]);
}

TEST_F(ResponsesSinkTest, KeepsNothingThatIsNotToBeKept) {
  Hear(AnswerWithCalls(), /*stream=*/true, /*keep=*/false);
  EXPECT_EQ(store_.Find("o", "resp_1"), nullptr);
  remove_ = true;  // by its client, while it is made
  Hear(AnswerWithCalls(), /*stream=*/true);
  EXPECT_EQ(store_.Find("o", "resp_1"), nullptr);
}

TEST_F(ResponsesSinkTest, OneInTheBackgroundIsAnsweredAtOnceAndFoundLater) {
  const auto client = Hear(AnswerWithCalls(), /*stream=*/false, /*keep=*/true, /*background=*/true);
  EXPECT_EQ(client->body["status"], "in_progress");
  EXPECT_EQ(client->body["output"], Json::array());
  const auto stored = store_.Find("o", "resp_1");
  ASSERT_NE(stored, nullptr);
  EXPECT_EQ(stored->response["status"], "completed");
  EXPECT_EQ(stored->response["output"].size(), 5u);

  // Its events can still be had, those of a stream.
  const auto heard = std::make_shared<EventClient>();
  ASSERT_NE(stored->events, nullptr);
  stored->events->Follow(heard, -1);
  EXPECT_TRUE(heard->ended);
  EXPECT_EQ(heard->Types(), Hear(AnswerWithCalls(), /*stream=*/true)->Types());
  EXPECT_EQ(heard->events.back()["response"], stored->response);
  EXPECT_EQ(store_.Find("o", "resp_1")->events, nullptr) << "of one that is not in the background";
}

TEST_F(ResponsesSinkTest, SaysHowItEnded) {
  const auto ends = [&](FinishReason reason, const char* event) {
    const std::vector<GenerationEvent> events = {StartEvent(0), AnswerEvent("a"),
                                                 FinishEvent(reason)};
    const auto streamed = Hear(events, true);
    EXPECT_EQ(streamed->events.back()["type"], event);
    return streamed->events.back()["response"];
  };
  EXPECT_EQ(ends(FinishReason::kStop, "response.completed")["status"], "completed");
  const Json cut = ends(FinishReason::kLength, "response.incomplete");
  EXPECT_EQ(cut["status"], "incomplete");
  EXPECT_EQ(cut["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(cut["output"][0]["status"], "incomplete");
  EXPECT_EQ(cut["output"][0]["content"][0]["text"], "a");
  EXPECT_EQ(ends(FinishReason::kCancelled, "response.incomplete")["status"], "cancelled");
  EXPECT_EQ(store_.Find("o", "resp_1")->response["status"], "cancelled");
  const Json failed = ends(FinishReason::kError, "response.failed");
  EXPECT_EQ(failed["status"], "failed");
  EXPECT_EQ(failed["error"]["code"], "server_error");
  EXPECT_EQ(store_.Find("o", "resp_1")->messages.size(), 1u);
  const auto whole = Hear({StartEvent(0), FinishEvent(FinishReason::kError)}, false);
  EXPECT_EQ(whole->sent.status, 500);
  EXPECT_EQ(whole->body["error"]["message"], failed["error"]["message"]);
  // There is always an item.
  const Json silent = Hear({StartEvent(0), FinishEvent()}, false)->body;
  EXPECT_EQ(silent["output"][0]["content"][0]["text"], "");
}

}  // namespace
}  // namespace aha
