// Requests of Anthropic's and OpenAI's newer API, as the one chat parser gets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/anthropic_messages.h"
#include "server/openai_chat.h"
#include "server/openai_responses.h"

namespace aha {
namespace {

Json Parse(const char* text) { return ParseJson(text).value(); }

Json FromAnthropic(const char* text) {
  ApiResult<Json> out = ChatBodyOfAnthropic(Parse(text), false);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out.ok() ? *out : Json();
}
std::string ParamOfAnthropic(const char* text) {
  const ApiResult<Json> out = ChatBodyOfAnthropic(Parse(text), false);
  EXPECT_FALSE(out.ok()) << text;
  return out.ok() ? "" : out.error().param;
}

TEST(AnthropicRequest, BlocksBecomeMessages) {
  const Json out =
      FromAnthropic(R"({"model":"claude-x","max_tokens":5,"system":[{"type":"text","text":"S"}],
    "messages":[{"role":"user","content":"a"},
      {"role":"assistant","content":[{"type":"thinking","thinking":"T","signature":"x"},{"type":"text","text":"b"},
        {"type":"tool_use","id":"i","name":"f","input":{"x":1}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}]},
        {"type":"text","text":"c"}]}],
    "stop_sequences":["q"],"thinking":{"type":"enabled","budget_tokens":7},"metadata":{"user_id":"u"},
    "tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],
    "tool_choice":{"type":"any","disable_parallel_tool_use":true}})");
  EXPECT_FALSE(out.contains("model")) << "claude-x is whatever is served";
  EXPECT_EQ(out["messages"],
            Parse(R"([{"role":"system","content":"S"},{"role":"user","content":"a"},
    {"role":"assistant","content":"b","tool_calls":[{"id":"i","type":"function",
      "function":{"name":"f","arguments":"{\"x\":1}"}}],"reasoning_content":"T"},
    {"role":"tool","tool_call_id":"i","content":"r"},{"role":"user","content":"c"}])"));
  EXPECT_EQ(out["tool_choice"], "required");
  EXPECT_EQ(out["parallel_tool_calls"], false);
  ApiResult<ChatSpec> spec = ParseOpenAiChat(out);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->think_budget, 7);
  EXPECT_EQ(spec->stop, std::vector<std::string>{"q"});
  EXPECT_EQ(spec->user_id, "u");
}

TEST(AnthropicRequest, ALastAnswerIsGoneOnWith) {
  const Json out = FromAnthropic(
      R"({"max_tokens":5,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"{"}]})");
  EXPECT_EQ(out["messages"][1]["prefix"], true);
}

TEST(AnthropicRequest, WhatIsWrongIsNamed) {
  EXPECT_EQ(ParamOfAnthropic(R"({"messages":[{"role":"user","content":"a"}]})"), "max_tokens");
  EXPECT_EQ(ParamOfAnthropic(R"({"max_tokens":1})"), "messages");
  EXPECT_EQ(ParamOfAnthropic(R"({"max_tokens":1,"messages":[{"role":"system","content":"a"}]})"),
            "messages[0].role");
  EXPECT_EQ(ParamOfAnthropic(
                R"({"max_tokens":1,"messages":[{"role":"user","content":[{"type":"image"}]}]})"),
            "messages[0].content[0]");
  EXPECT_EQ(ParamOfAnthropic(R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],
      "tools":[{"type":"web_search_20250305","name":"web_search"}]})"),
            "tools[0]");
  EXPECT_EQ(ParamOfAnthropic(R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],
      "tool_choice":{"type":"some"}})"),
            "tool_choice");
}

TEST(AnthropicRequest, ErrorsHaveTheirShape) {
  const HttpResponse response = AnthropicError({.status = 429, .message = "m", .retry_after_s = 2});
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(Parse(response.body.c_str()),
            Parse(R"({"type":"error","error":{"type":"rate_limit_error","message":"m"}})"));
}

TEST(ResponsesRequest, ItemsBecomeMessages) {
  ApiResult<Json> out =
      MessagesOfInput(Parse(R"([{"role":"user","content":[{"type":"input_text","text":"a"}]},
    {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"T"}]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]},
    {"type":"function_call","call_id":"i","name":"f","arguments":"{}"},
    {"type":"function_call_output","call_id":"i","output":"r"}])"));
  ASSERT_TRUE(out.ok()) << out.error().message;
  ASSERT_EQ(out->size(), 3u) << out->dump();
  EXPECT_EQ((*out)[1]["reasoning_content"], "T");
  EXPECT_EQ((*out)[1]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ((*out)[2], Parse(R"({"role":"tool","tool_call_id":"i","content":"r"})"));
  EXPECT_FALSE(MessagesOfInput(Parse(R"([{"type":"item_reference","id":"x"}])")).ok());
  EXPECT_FALSE(MessagesOfInput(Parse("[]")).ok());
  EXPECT_FALSE(MessagesOfInput(Parse("[5]")).ok());
}

TEST(ResponsesRequest, GoesOnFromWhatWasBefore) {
  const Json before =
      Parse(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])");
  ApiResult<Json> out = ChatBodyOfResponses(
      Parse(R"({"input":"c","instructions":"I","max_output_tokens":3,"reasoning":{"effort":"none"},
        "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},
        "tools":[{"type":"function","name":"f","parameters":{}}],"tool_choice":{"type":"function","name":"f"}})"),
      before);
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ((*out)["messages"].size(), 4u);
  EXPECT_EQ((*out)["messages"][0]["content"], "I");
  EXPECT_EQ((*out)["messages"][3]["content"], "c");
  ApiResult<ChatSpec> spec = ParseOpenAiChat(*out);
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_EQ(spec->max_tokens, 3);
  EXPECT_EQ(spec->thinking, false);
  EXPECT_EQ(spec->format, ChatSpec::Format::kJsonSchema);
  EXPECT_EQ(spec->tool_choice, "f");
  EXPECT_EQ(ChatBodyOfResponses(Parse("{}"), before).error().param, "input");
  EXPECT_EQ(ChatBodyOfResponses(Parse(R"({"input":"a","tools":[{"type":"web_search"}]})"), before)
                .error()
                .param,
            "tools[0].type");
}

TEST(ResponseStore, AnothersDoesNotExistAndTheOldestGoes) {
  ResponseStore store;
  store.Put("a", {"owner", Json::object(), Json::array()});
  EXPECT_TRUE(store.Find("owner", "a"));
  EXPECT_FALSE(store.Find("other", "a"));
  EXPECT_FALSE(store.Remove("other", "a"));
  for (int i = 0; i < 1000; ++i) store.Put("b" + std::to_string(i), {"owner", nullptr, nullptr});
  EXPECT_FALSE(store.Find("owner", "a"));
  EXPECT_TRUE(store.Find("owner", "b0"));
  EXPECT_TRUE(store.Remove("owner", "b0"));
  EXPECT_FALSE(store.Find("owner", "b0"));
}

}  // namespace
}  // namespace aha
