#include "server/responses_request.h"

#include <gtest/gtest.h>

#include "server/openai_chat.h"

namespace aha {
namespace {

Json Parse(const char* text) { return ParseJson(text).value(); }

TranslatedBody Translated(const char* text, const Json& before = Json::array()) {
  ApiResult<TranslatedBody> out = ChatBodyOfResponses(Parse(text), before);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out.ok() ? *out : TranslatedBody();
}

// The field that a client gets to hear of, of a good request with these set otherwise.
std::string Param(const char* fields) {
  Json body = {{"input", "a"}, {"instructions", "I"}};
  body.update(Parse(fields));
  ApiResult<TranslatedBody> out =
      ChatBodyOfResponses(body, Parse(R"([{"role": "user", "content": "before"}])"));
  ApiError error;
  if (out.ok()) {
    const ApiResult<ChatSpec> spec = ParseOpenAiChat(out->json);
    EXPECT_FALSE(spec.ok()) << fields;
    if (!spec.ok()) error = out->InClientsWords(spec.error());
  } else {
    error = out.error();
  }
  EXPECT_NE(error.message.find(error.param), std::string::npos) << error.message;
  return error.param;
}

TEST(ResponsesRequest, ItemsBecomeMessages) {
  const TranslatedBody out =
      Translated(R"({"input": [{"role":"user","content":[{"type":"input_text","text":"a"}]},
    {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"T"}]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]},
    {"type":"function_call","call_id":"i","name":"f","arguments":"{}"},
    {"type":"function_call","call_id":"j","name":"g","arguments":"{}"},
    {"type":"function_call_output","call_id":"i","output":"r"},
    {"type":"function_call_output","call_id":"j","output":[{"type":"input_text","text":"s"}]},
    {"type":"reasoning","summary":[{"type":"summary_text","text":"U"}]},
    {"type":"function_call","call_id":"k","name":"f","arguments":"{}"},
    {"type":"function_call_output","call_id":"k","output":"t"},
    {"type":"reasoning","summary":[{"type":"summary_text","text":"of an answer that was not sent"}]},
    {"role":"user","content":"c"},
    {"role":"assistant","content":"d"}]})");
  ApiResult<ChatSpec> spec = ParseOpenAiChat(out.json);
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_EQ(spec->messages, Parse(R"([{"role":"user","content":"a"},
      {"role":"assistant","content":"b","reasoning_content":"T","tool_calls":[
        {"id":"i","type":"function","function":{"name":"f","arguments":"{}"}},
        {"id":"j","type":"function","function":{"name":"g","arguments":"{}"}}]},
      {"role":"tool","content":"r","tool_call_id":"i"},
      {"role":"tool","content":"s","tool_call_id":"j"},
      {"role":"assistant","content":"","reasoning_content":"U","tool_calls":[
        {"id":"k","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","content":"t","tool_call_id":"k"},
      {"role":"user","content":"c"},
      {"role":"assistant","content":"d"}])"));
  EXPECT_FALSE(spec->prefix);
}

TEST(ResponsesRequest, GoesOnFromWhatWasBefore) {
  const Json before =
      Parse(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])");
  const TranslatedBody out = Translated(
      R"({"input":[{"type":"function_call","call_id":"i","name":"f","arguments":"{}"},
          {"type":"function_call_output","call_id":"i","output":"r"},{"role":"user","content":"c"}],
        "instructions":"I","max_output_tokens":3,"reasoning":{"effort":"none"},"user":"u",
        "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},
        "tools":[{"type":"function","name":"f","parameters":{},"strict":true}],
        "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,"truncation":"auto"})",
      before);
  const Json& messages = out.json["messages"];
  ASSERT_EQ(messages.size(), 6u) << messages.dump();
  EXPECT_EQ(messages[0], Parse(R"({"role":"system","content":"I"})"));
  EXPECT_FALSE(messages[2].contains("tool_calls")) << "what was before stays as it was";
  EXPECT_TRUE(messages[3].contains("tool_calls"));
  EXPECT_EQ(messages[5]["content"], "c");
  ApiResult<ChatSpec> spec = ParseOpenAiChat(out.json);
  ASSERT_TRUE(spec.ok()) << spec.error().message;
  EXPECT_EQ(spec->max_tokens, 3);
  EXPECT_EQ(spec->thinking, false);
  EXPECT_EQ(spec->format, ChatSpec::Format::kJsonSchema);
  EXPECT_EQ(spec->tool_choice, "f");
  EXPECT_TRUE(spec->named_tool);
  EXPECT_FALSE(spec->parallel_tool_calls);
  EXPECT_EQ(spec->user_id, "u");
}

TEST(ResponsesRequest, WhatIsWrongIsNamedAsTheClientKnowsIt) {
  EXPECT_EQ(Param(R"({"input": null})"), "input");
  EXPECT_EQ(Param(R"({"input": []})"), "input");
  EXPECT_EQ(Param(R"({"input": 5})"), "input");
  EXPECT_EQ(Param(R"({"input": [5]})"), "input[0]");
  EXPECT_EQ(Param(R"({"input": [{"type": "item_reference", "id": "x"}]})"), "input[0].type");
  EXPECT_EQ(
      Param(R"({"input": [{"role": "user", "content": "a"}, {"role": "x", "content": "b"}]})"),
      "input[1].role");
  EXPECT_EQ(Param(R"({"input": [{"role": "user"}]})"), "input[0].content");
  EXPECT_EQ(Param(R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})"),
            "input[0].content[0].type");
  EXPECT_EQ(Param(R"({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]})"),
            "input[0].call_id");
  EXPECT_EQ(Param(R"({"input": [{"type": "function_call_output", "call_id": "i", "output": 5}]})"),
            "input[0].output");
  EXPECT_EQ(Param(R"({"tools": [{"type": "web_search"}]})"), "tools[0].type");
  EXPECT_EQ(Param(R"({"tools": [{"type": "function"}]})"), "tools[0].name");
  EXPECT_EQ(Param(R"({"tools": [{"type": "function", "name": "a b"}]})"), "tools[0].name");
  EXPECT_EQ(Param(R"({"tools": 5})"), "tools");
  EXPECT_EQ(Param(R"({"tool_choice": {"type": "allowed_tools"}})"), "tool_choice.type");
  EXPECT_EQ(Param(R"({"text": {"format": {"type": "xml"}}})"), "text.format.type");
  EXPECT_EQ(Param(R"({"text": {"format": {"type": "json_schema", "name": "n"}}})"),
            "text.format.schema");
  EXPECT_EQ(Param(R"({"text": 5})"), "text");
  EXPECT_EQ(Param(R"({"reasoning": {"effort": 5}})"), "reasoning.effort");
  EXPECT_EQ(Param(R"({"max_output_tokens": 0})"), "max_output_tokens");
  EXPECT_EQ(Param(R"({"top_logprobs": 21})"), "top_logprobs");
  EXPECT_EQ(Param(R"({"include": 5})"), "include");
  EXPECT_EQ(Param(R"({"conversation": "conv_1"})"), "conversation");
  EXPECT_EQ(Param(R"({"prompt": {"id": "x"}})"), "prompt");
}

TEST(ResponsesRequest, LogprobsComeWhenTheyAreAskedFor) {
  const auto spec = [](const char* fields) {
    Json body = {{"input", "a"}};
    body.update(Parse(fields));
    return *ParseOpenAiChat(ChatBodyOfResponses(body, Json::array())->json);
  };
  EXPECT_FALSE(spec(R"({"include": ["reasoning.encrypted_content"]})").logprobs);
  EXPECT_TRUE(spec(R"({"include": ["message.output_text.logprobs"]})").logprobs);
  EXPECT_TRUE(spec(R"({"top_logprobs": 3})").logprobs);
  EXPECT_EQ(spec(R"({"top_logprobs": 3})").top_logprobs, 3);
}

TEST(ResponsesRequest, KnowsReferences) {
  EXPECT_TRUE(IsReference(Parse(R"({"type": "item_reference", "id": "rs_1"})")));
  EXPECT_TRUE(IsReference(Parse(R"({"id": "rs_1"})")));
  EXPECT_TRUE(IsReference(Parse(R"({"type": null, "id": "rs_1"})")));
  EXPECT_FALSE(IsReference(Parse(R"({"id": "msg_1", "role": "assistant", "content": "a"})")));
  EXPECT_FALSE(IsReference(Parse(R"({"type": "reasoning", "id": "rs_1"})")));
  EXPECT_FALSE(IsReference(Parse("5")));
}

}  // namespace
}  // namespace aha
