#include "server/anthropic_request.h"

#include <gtest/gtest.h>

#include "server/openai_chat.h"

namespace aha {
namespace {

Json Parse(const char* text) { return ParseJson(text).value(); }

TranslatedBody Translated(const char* text) {
  ApiResult<TranslatedBody> out = ChatBodyOfAnthropic(Parse(text), false);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out.ok() ? *out : TranslatedBody();
}

// The field and the sentence that a client gets, of whichever reader refuses it.
ApiError Refusal(const Json& body) {
  ApiResult<TranslatedBody> out = ChatBodyOfAnthropic(body, false);
  if (!out.ok()) return out.error();
  const ApiResult<ChatSpec> spec = ParseOpenAiChat(out->json);
  EXPECT_FALSE(spec.ok()) << body.dump();
  return spec.ok() ? ApiError() : out->InClientsWords(spec.error());
}
// Of a good request with these fields set otherwise.
ApiError Refusal(const char* fields) {
  Json body = Parse(R"({"max_tokens": 5, "messages": [{"role": "user", "content": "a"}]})");
  body.update(Parse(fields));
  return Refusal(body);
}
std::string Param(const char* fields) {
  const ApiError error = Refusal(fields);
  EXPECT_NE(error.message.find(error.param), std::string::npos) << error.message;
  return error.param;
}

TEST(AnthropicRequest, BlocksBecomeMessages) {
  const TranslatedBody out =
      Translated(R"({"model":"claude-x","max_tokens":5,"system":[{"type":"text","text":"S"}],
    "messages":[{"role":"user","content":"a"},
      {"role":"assistant","content":[{"type":"thinking","thinking":"T","signature":"x"},
        {"type":"redacted_thinking","data":"?"},{"type":"text","text":"b"},
        {"type":"tool_use","id":"i","name":"f","input":{"x":1}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}]},
        {"type":"text","text":"c"}]}],
    "stop_sequences":["q"],"thinking":{"type":"enabled","budget_tokens":7},"metadata":{"user_id":"u"},
    "tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],
    "tool_choice":{"type":"any","disable_parallel_tool_use":true}})");
  EXPECT_EQ(out.json["messages"],
            Parse(R"([{"role":"system","content":"S"},{"role":"user","content":"a"},
    {"role":"assistant","content":"b","tool_calls":[{"id":"i","type":"function",
      "function":{"name":"f","arguments":"{\"x\":1}"}}],"reasoning_content":"T"},
    {"role":"tool","tool_call_id":"i","content":"r"},{"role":"user","content":"c"}])"));
  EXPECT_EQ(out.json["tools"], Parse(R"([{"type":"function","function":
      {"name":"f","description":"d","parameters":{"type":"object"}}}])"));
  ApiResult<ChatSpec> spec = ParseOpenAiChat(out.json);
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_EQ(spec->tool_choice, "required");
  EXPECT_FALSE(spec->parallel_tool_calls);
  EXPECT_EQ(spec->thinking, true);
  EXPECT_EQ(spec->think_budget, 7);
  EXPECT_EQ(spec->max_tokens, 5);
  EXPECT_EQ(spec->stop, std::vector<std::string>{"q"});
  EXPECT_EQ(spec->user_id, "u");
}

TEST(AnthropicRequest, ChoicesOfThinkingToolsAndFormat) {
  const auto spec = [](const char* fields) {
    Json body = Parse(R"({"max_tokens": 5, "messages": [{"role": "user", "content": "a"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}]})");
    body.update(Parse(fields));
    ApiResult<TranslatedBody> out = ChatBodyOfAnthropic(body, false);
    EXPECT_TRUE(out.ok()) << fields;
    ApiResult<ChatSpec> parsed = ParseOpenAiChat(out->json);
    EXPECT_TRUE(parsed.ok()) << fields;
    return *parsed;
  };
  EXPECT_EQ(spec("{}").thinking, std::nullopt);
  EXPECT_EQ(spec(R"({"thinking": {"type": "disabled"}})").thinking, false);
  EXPECT_EQ(spec(R"({"thinking": {"type": "adaptive"}})").thinking, std::nullopt);
  EXPECT_EQ(spec(R"({"tool_choice": {"type": "auto"}})").tool_choice, "auto");
  EXPECT_EQ(spec(R"({"tool_choice": {"type": "none"}})").tool_choice, "none");
  const ChatSpec named = spec(R"({"tool_choice": {"type": "tool", "name": "f"}})");
  EXPECT_TRUE(named.named_tool);
  EXPECT_EQ(named.tool_choice, "f");
  const ChatSpec held = spec(
      R"({"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}})");
  EXPECT_EQ(held.format, ChatSpec::Format::kJsonSchema);
  EXPECT_EQ(held.schema, Parse(R"({"type": "object"})"));
}

TEST(AnthropicRequest, ALastAnswerIsGoneOnWith) {
  const TranslatedBody out = Translated(
      R"({"max_tokens":5,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"{"}]})");
  ApiResult<ChatSpec> spec = ParseOpenAiChat(out.json);
  ASSERT_TRUE(spec.ok());
  EXPECT_TRUE(spec->prefix);
}

TEST(AnthropicRequest, CountingNeedsNoMaxTokens) {
  const Json body = Parse(R"({"messages":[{"role":"user","content":"a"}]})");
  EXPECT_TRUE(ChatBodyOfAnthropic(body, true).ok());
  EXPECT_EQ(Refusal(body).param, "max_tokens");
}

TEST(AnthropicRequest, WhatIsWrongIsNamedAsTheClientKnowsIt) {
  EXPECT_EQ(Param(R"({"messages": null})"), "messages");
  EXPECT_EQ(Param(R"({"messages": [{"role": "tool", "content": "a"}]})"), "messages[0].role");
  EXPECT_EQ(Param(R"({"messages": [{"role": "user"}]})"), "messages[0].content");
  EXPECT_EQ(Param(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"),
            "messages[0].content[0]");
  EXPECT_EQ(Param(R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})"),
            "messages[0].content[0].text");
  EXPECT_EQ(Param(R"({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]})"),
            "messages[0].content[0].tool_use_id");
  EXPECT_EQ(Param(R"({"messages": [{"role": "user", "content": [{"type": "tool_result",
      "tool_use_id": "i", "content": [{"type": "image"}]}]}]})"),
            "messages[0].content[0].content[0]");
  EXPECT_EQ(Param(R"({"messages": [{"role": "assistant", "content": [{"type": "tool_use",
      "id": "i", "input": {}}]}]})"),
            "messages[0].content[0].name");
  EXPECT_EQ(Param(R"({"messages": [{"role": "assistant", "content": [{"type": "tool_use",
      "id": "i", "name": "f", "input": {}}]}]})"),
            "messages[0]");
  EXPECT_EQ(Param(R"({"system": [{"type": "image"}]})"), "system[0]");
  EXPECT_EQ(Param(R"({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})"),
            "tools[0]");
  EXPECT_EQ(Param(R"({"tools": [{"name": "a b"}]})"), "tools[0].name");
  EXPECT_EQ(Param(R"({"tool_choice": {"type": "some"}})"), "tool_choice.type");
  EXPECT_EQ(Param(R"({"tool_choice": {"type": "tool", "name": "g"}})"), "tool_choice");
  EXPECT_EQ(Param(R"({"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}})"),
            "tool_choice.disable_parallel_tool_use");
  EXPECT_EQ(Param(R"({"stop_sequences": [1]})"), "stop_sequences");
  EXPECT_EQ(Param(R"({"metadata": {"user_id": 5}})"), "metadata.user_id");
  EXPECT_EQ(Param(R"({"output_config": {"format": {"type": "xml"}}})"),
            "output_config.format.type");
  EXPECT_EQ(Param(R"({"output_config": {"format": {"type": "json_schema"}}})"),
            "output_config.format.schema");
  EXPECT_EQ(Param(R"({"temperature": 3})"), "temperature");
  EXPECT_EQ(Param(R"({"thinking": {"type": "enabled", "budget_tokens": -1}})"),
            "thinking.budget_tokens");
}

TEST(AnthropicRequest, MessagesAreCountedAsTheClientCountsThem) {
  // With the system's words and the tool's result it is the fifth for the chat API.
  const std::string longest(600, 'x');
  Json body = Parse(R"({"max_tokens": 5, "system": "S", "messages": [
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "f"}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i"},
        {"type": "tool_result", "tool_use_id": "j"}]}]})");
  body["messages"][2]["content"][1]["tool_use_id"] = longest;
  EXPECT_TRUE(Refusal(body).param.starts_with("messages[2].content[1]")) << Refusal(body).param;
}

}  // namespace
}  // namespace aha
