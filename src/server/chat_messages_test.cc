#include "server/chat_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/limits.h"

namespace aha {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Json Parse(const std::string& text) { return ParseJson(text).value(); }

using Reader = std::optional<ApiError>(const Json&, ChatSpec*);

// What `read` makes of the body; a body it refuses fails the test.
ChatSpec Read(Reader* read, const std::string& body) {
  ChatSpec spec;
  const std::optional<ApiError> error = read(Parse(body), &spec);
  EXPECT_FALSE(error.has_value()) << body << ": " << error->message;
  return spec;
}

// "param: message" of what is refused.
std::string RefusedJson(Reader* read, const Json& body) {
  ChatSpec spec;
  const std::optional<ApiError> error = read(body, &spec);
  if (!error) return "not refused: " + DumpJson(body).substr(0, 200);
  EXPECT_EQ(error->status, 400);
  return error->param + ": " + error->message;
}
std::string Refused(Reader* read, const std::string& body) {
  return RefusedJson(read, Parse(body));
}

std::string RefusedMessage(const std::string& message) {
  return Refused(ReadMessages,
                 R"({"messages": [{"role": "user", "content": "a"}, )" + message + "]}");
}

TEST(ChatMessages, RolesAndContentsBecomeWhatTemplatesTake) {
  const ChatSpec spec = Read(ReadMessages, R"({"messages": [
    {"role": "developer", "content": "rules"},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "one "}, {"type": "input_text", "text": "two"}, "!"]},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "result"},
    {"role": "function", "name": "f", "content": "old result"},
    {"role": "assistant", "reasoning_content": "hm", "content": "done", "tool_calls": []}]})");
  EXPECT_EQ(spec.messages, Parse(R"([
    {"role": "system", "content": "rules"},
    {"role": "user", "content": "one two!", "name": "ann"},
    {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "content": "result", "tool_call_id": "c"},
    {"role": "tool", "content": "old result", "name": "f"},
    {"role": "assistant", "content": "done", "reasoning_content": "hm"}])"));
  EXPECT_FALSE(spec.prefix);
}

TEST(ChatMessages, ABeginningIsGoneOnWith) {
  const ChatSpec spec = Read(ReadMessages, R"({"messages": [{"role": "user", "content": "a"},
    {"role": "assistant", "reasoning_content": "so far", "prefix": true, "thought_closed": true}]})");
  EXPECT_TRUE(spec.prefix);
  EXPECT_TRUE(spec.thought_closed);
  EXPECT_EQ(spec.messages[1]["reasoning_content"], "so far");
  EXPECT_THAT(
      Refused(ReadMessages, R"({"messages": [{"role": "user", "content": "a", "prefix": true}]})"),
      HasSubstr("last message of the assistant only"));
}

TEST(ChatMessages, WhatIsWrongIsNamed) {
  for (const char* body : {"{}", R"({"messages": []})", R"({"messages": "hello"})"}) {
    EXPECT_THAT(Refused(ReadMessages, std::string(body)), StartsWith("messages: ")) << body;
  }
  EXPECT_THAT(RefusedMessage("5"), StartsWith("messages[1]: "));
  EXPECT_THAT(RefusedMessage(R"({"content": "x"})"), StartsWith("messages[1].role: "));
  EXPECT_THAT(RefusedMessage(R"({"role": "king", "content": "x"})"), HasSubstr("role is 'king'"));
  EXPECT_THAT(RefusedMessage(R"({"role": 5, "content": "x"})"), StartsWith("messages[1].role: "));
  EXPECT_THAT(RefusedMessage(R"({"role": "user"})"), HasSubstr("content is missing"));
  EXPECT_THAT(RefusedMessage(R"({"role": "user", "content": 5})"),
              HasSubstr("a string or a list of parts"));
  EXPECT_THAT(RefusedMessage(R"({"role": "assistant"})"),
              HasSubstr("neither content nor tool_calls"));
  EXPECT_THAT(RefusedMessage(R"({"role": "assistant", "content": "", "reasoning_content": 5})"),
              StartsWith("messages[1].reasoning_content: "));
  // Nothing is fetched and nothing is seen.
  EXPECT_THAT(
      RefusedMessage(
          R"({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]})"),
      StartsWith("messages[1].content[0].type: "));
  EXPECT_THAT(RefusedMessage(R"({"role": "user", "content": [{"type": 5, "text": "a"}]})"),
              HasSubstr("only text is understood"));
  EXPECT_THAT(RefusedMessage(R"({"role": "user", "content": [{"type": "text", "text": 5}]})"),
              StartsWith("messages[1].content[0].text: "));
  EXPECT_THAT(RefusedMessage(R"({"role": "user", "content": [[]]})"),
              StartsWith("messages[1].content[0]: "));
  for (const char* calls : {"5", "[5]", R"([{"function": 5}])", R"([{"function": {"name": 5}}])"}) {
    EXPECT_THAT(RefusedMessage(fmt::format(
                    R"({{"role": "assistant", "content": "", "tool_calls": {}}})", calls)),
                StartsWith("messages[1].tool_calls: "))
        << calls;
  }
  Json many;
  for (size_t i = 0; i <= limits::kMessages; ++i) {
    many["messages"].push_back({{"role", "user"}, {"content", ""}});
  }
  EXPECT_THAT(RefusedJson(ReadMessages, many), HasSubstr("at most 10000"));
}

constexpr const char* kTool = R"({"type": "function", "function": {"name": "weather"}})";

std::string WithTools(const std::string& tools, const std::string& choice) {
  return fmt::format(R"({{"tools": {}, "tool_choice": {}}})", tools, choice);
}

TEST(ChatTools, ChoicesAreHeldToTheTools) {
  const std::string one = fmt::format("[{}]", kTool);
  EXPECT_EQ(Read(ReadTools, "{}").tools, nullptr);
  EXPECT_EQ(Read(ReadTools, R"({"tools": []})").tools, nullptr);
  EXPECT_EQ(Read(ReadTools, WithTools(one, "null")).tool_choice, "auto");
  EXPECT_EQ(Read(ReadTools, WithTools(one, "\"required\"")).tool_choice, "required");
  const ChatSpec named =
      Read(ReadTools, WithTools(one, R"({"type": "function", "function": {"name": "weather"}})"));
  EXPECT_TRUE(named.named_tool);
  EXPECT_EQ(named.tool_choice, "weather");
  EXPECT_FALSE(Read(ReadTools, R"({"parallel_tool_calls": false})").parallel_tool_calls);

  EXPECT_THAT(Refused(ReadTools, WithTools(one, "\"perhaps\"")), StartsWith("tool_choice: "));
  EXPECT_THAT(Refused(ReadTools, WithTools(one, R"({"function": {"name": "other"}})")),
              HasSubstr("'other', which is not in tools"));
  EXPECT_THAT(Refused(ReadTools, WithTools(one, "5")), HasSubstr("needs function.name"));
  EXPECT_THAT(Refused(ReadTools, WithTools("null", "\"required\"")),
              HasSubstr("there are no tools"));
  EXPECT_THAT(Refused(ReadTools, WithTools("[]", R"({"function": {"name": "weather"}})")),
              HasSubstr("not in tools"));
}

TEST(ChatTools, WhatIsNoFunctionIsNamed) {
  EXPECT_THAT(Refused(ReadTools, WithTools("5", "null")), StartsWith("tools: "));
  for (const char* tool : {"5", "{}", R"({"function": 5})", R"({"function": {"name": 5}})"}) {
    EXPECT_THAT(Refused(ReadTools, WithTools(fmt::format("[{}, {}]", kTool, tool), "null")),
                StartsWith("tools[1]: "))
        << tool;
  }
  for (const std::string& name : {std::string(), std::string("a b"), std::string(65, 'a')}) {
    EXPECT_THAT(
        Refused(ReadTools,
                WithTools(fmt::format(R"([{{"function": {{"name": "{}"}}}}])", name), "null")),
        StartsWith("tools[0].function.name: "))
        << name;
  }
  Json many;
  for (size_t i = 0; i <= limits::kTools; ++i) many["tools"].push_back(Parse(kTool));
  EXPECT_THAT(RefusedJson(ReadTools, many), HasSubstr("at most 128"));
}

TEST(ChatFormat, AnswersAreHeldToOne) {
  using Format = ChatSpec::Format;
  const auto format = [](const std::string& body) { return Read(ReadFormat, body).format; };
  EXPECT_EQ(format("{}"), Format::kText);
  EXPECT_EQ(format(R"({"response_format": {"type": "text"}})"), Format::kText);
  EXPECT_EQ(format(R"({"response_format": {"type": "json_object"}})"), Format::kJsonObject);
  EXPECT_EQ(format(R"({"grammar": "root ::= \"a\""})"), Format::kGrammar);
  const ChatSpec schema = Read(ReadFormat, R"({"response_format": {"type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "integer"}}}})");
  EXPECT_EQ(schema.format, Format::kJsonSchema);
  EXPECT_EQ(schema.schema, Parse(R"({"type": "integer"})"));
  // As /v1/responses has it.
  EXPECT_EQ(
      Read(ReadFormat, R"({"response_format": {"type": "json_schema", "schema": true}})").schema,
      true);

  EXPECT_THAT(Refused(ReadFormat, R"({"grammar": 5})"), StartsWith("grammar: "));
  EXPECT_THAT(
      RefusedJson(ReadFormat, Json{{"grammar", std::string(limits::kGrammarBytes + 1, 'a')}}),
      HasSubstr("at most"));
  EXPECT_THAT(
      Refused(ReadFormat,
              R"({"grammar": "root ::= \"a\"", "response_format": {"type": "json_object"}})"),
      HasSubstr("exclude each other"));
  for (const char* bad : {"5", "{}", R"({"type": 5})", R"({"type": "xml"})"}) {
    EXPECT_THAT(Refused(ReadFormat, fmt::format(R"({{"response_format": {}}})", bad)),
                StartsWith("response_format.type: "))
        << bad;
  }
  for (const char* bad : {"5", "{}", R"({"schema": 5})"}) {
    EXPECT_THAT(
        Refused(ReadFormat,
                fmt::format(
                    R"({{"response_format": {{"type": "json_schema", "json_schema": {}}}}})", bad)),
        StartsWith("response_format.json_schema.schema: "))
        << bad;
  }
}

}  // namespace
}  // namespace aha
