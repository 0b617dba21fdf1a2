#include "chat/tool_call_parser.h"

#include <gtest/gtest.h>

#include "base/test_data.h"
#include "chat/completion_text.h"

namespace aha {
namespace {

struct Call {
  std::string id, name, arguments;
  bool operator==(const Call&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Call& c) {
  return out << c.id << " " << c.name << "(" << c.arguments << ")";
}

struct Parsed {
  std::string content;
  std::vector<Call> calls;
};

void Take(const ToolDelta& delta, Parsed* parsed) {
  parsed->content += delta.content;
  for (const ToolCallDelta& call : delta.calls) {
    const bool first = static_cast<size_t>(call.index) == parsed->calls.size();
    // Id and name stand on a call's first delta and only there.
    EXPECT_EQ(first, !call.name.empty());
    EXPECT_EQ(first, !call.id.empty());
    EXPECT_FALSE(call.arguments.empty());
    if (first) parsed->calls.push_back({call.id, call.name, ""});
    ASSERT_EQ(static_cast<size_t>(call.index) + 1, parsed->calls.size());
    parsed->calls.back().arguments += call.arguments;
  }
}

ToolCallOptions Options(bool stream) {
  return {.names = {"add", "now"}, .id_prefix = "c", .stream_arguments = stream};
}

Parsed Parse(ToolCallStyle style, const std::vector<std::string>& chunks, bool stream) {
  ToolCallParser parser({style, {}}, Options(stream));
  Parsed parsed;
  for (const std::string& chunk : chunks) Take(parser.Push(chunk), &parsed);
  Take(parser.Finish(), &parsed);
  return parsed;
}

struct Case {
  ToolCallStyle style;
  std::string text, content;
  std::vector<Call> calls;
};

constexpr ToolCallStyle kHermes = ToolCallStyle::kHermes;
constexpr ToolCallStyle kDeepSeek = ToolCallStyle::kDeepSeek;
constexpr ToolCallStyle kPlain = ToolCallStyle::kDeepSeekPlain;
constexpr ToolCallStyle kLlama = ToolCallStyle::kLlama;

const Call kAdd = {"c0", "add", R"({"a": 1, "b": [2]})"};
const Call kNow = {"c1", "now", "{}"};

std::vector<Case> GoodCases() {
  return {
      {kHermes, "plain", "plain", {}},
      {kHermes, "", "", {}},
      {kHermes, " a <tool \n\n", " a <tool \n\n", {}},
      {kHermes,
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2]}}\n</tool_call>",
       "",
       {kAdd}},
      {kHermes,
       "Let me see. \n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2]}}\n"
       "</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n",
       "Let me see.",
       {kAdd, kNow}},
      {kHermes,
       "<tool_call>{\"arguments\":{\"a\": 1, \"b\": [2]},\"name\":\"add\"}</tool_call> so.",
       " so.",
       {kAdd}},
      {kHermes,
       "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2]}}\n"
       "{\"name\": \"now\"}</tool_call>",
       "",
       {kAdd, kNow}},
      // No closing mark: the model stopped.
      {kHermes,
       "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2]}}",
       "",
       {kAdd}},
      // Marks and brackets in strings are text; arguments in a string are taken out of it.
      {kHermes,
       R"(<tool_call>{"name": "add", "arguments": {"s": "}</tool_call>\"\\\u00e9 é"}}</tool_call>)",
       "",
       {{"c0", "add", R"({"s": "}</tool_call>\"\\\u00e9 é"})"}}},
      {kHermes,
       R"(<tool_call>{"name": "add", "arguments": "{\"a\": 1}"}</tool_call>)",
       "",
       {{"c0", "add", "{\"a\": 1}"}}},
      {kDeepSeek, "a <｜tool▁x <｜", "a <｜tool▁x <｜", {}},
      {kDeepSeek,
       "Hm.\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n"
       "{\"a\": 1, \"b\": [2]}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
       "Hm.",
       {kAdd}},
      {kDeepSeek,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n"
       "{\"a\": 1, \"b\": [2]}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>"
       "now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n",
       "",
       {kAdd, kNow}},
      {kPlain,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{\"a\": 1, \"b\": [2]}"
       "<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
       "<｜tool▁calls▁end｜>x",
       "x",
       {kAdd, kNow}},
      // The list's own mark is missing.
      {kDeepSeek,
       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"a\": 1, \"b\": [2]}\n```",
       "",
       {kAdd}},
      {kLlama, R"({"name": "add", "parameters": {"a": 1, "b": [2]}})", "", {kAdd}},
      {kLlama, R"( <|python_tag|>{"name": "add", "parameters": {"a": 1, "b": [2]}})", "", {kAdd}},
      {kLlama,
       R"(Now: <|python_tag|>{"name": "add", "parameters": {"a": 1, "b": [2]}}; {"name": "now"})",
       "Now:",
       {kAdd, kNow}},
      {kLlama,
       R"({"type": "function", "name": "add", "parameters": {"a": 1, "b": [2]}} ok {)",
       " ok {",
       {kAdd}},
      {kLlama, R"({"city": "Bern", "name": "add"})", R"({"city": "Bern", "name": "add"})", {}},
      {kLlama, R"(Say {"name": "add"})", R"(Say {"name": "add"})", {}},
  };
}

// Each is content to the last byte.
std::vector<Case> BadCases() {
  std::vector<Case> cases = {
      {kHermes, "\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1", "", {}},
      {kHermes, "x <tool_call>\n{'name': 'add'}\n</tool_call> y", "", {}},
      {kHermes, "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"arguments\": {}}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"name\": 3, \"arguments\": {}}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"name\": \"add\", \"arguments\": \"a\"}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"x\": 01, \"name\": \"add\"}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"x\": 1, \"x\": 2, \"name\": \"add\"}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"x\": \"\\ud800\", \"name\": \"add\"}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"x\": \"a\nb\"}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"x\": [1}</tool_call>", "", {}},
      {kHermes, "<tool_call>{\"x\": tru, \"name\": \"add\"}", "", {}},
      {kHermes, "<tool_call></tool_call>", "", {}},
      {kHermes, "<tool_call>", "", {}},
      {kHermes, "<tool_call> \n", "", {}},
      {kDeepSeek, "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>", "", {}},
      {kDeepSeek, "<｜tool▁calls▁begin｜> and", "", {}},
      {kDeepSeek, "<｜tool▁calls▁begin｜>\n<｜tool▁call▁begin｜>function<｜tool▁se", "", {}},
      {kDeepSeek, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>rm\n```json\n{}\n```", "", {}},
      {kDeepSeek, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```py\n{}\n```", "", {}},
      {kDeepSeek, "<｜tool▁call▁begin｜>add {}", "", {}},
      {kDeepSeek, "<｜tool▁call▁begin｜>add<｜tool▁call▁end｜> {}", "", {}},
      {kDeepSeek, "<｜tool▁call▁begin｜>" + std::string(600, 'x') + "{}", "", {}},
      {kLlama, " {\"name\": \"rm\", \"parameters\": {}}", "", {}},
      {kLlama, "{\"name\": \"add\", \"parameters\": {\"a\"", "", {}},
      {kLlama, "{ \"a\": {\"name\": \"add\"}}", "", {}},
      {kLlama, "<|python_tag|>print(1)", "", {}},
  };
  for (Case& c : cases) c.content = c.text;
  // What comes behind a bad call is read again.
  cases.push_back({kHermes,
                   "The mark <tool_call> begins one: <tool_call>{\"name\": \"add\", \"arguments\": "
                   "{\"a\": 1, \"b\": [2]}}</tool_call>",
                   "The mark <tool_call> begins one:",
                   {kAdd}});
  cases.push_back(
      {kDeepSeek,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁call▁begin｜>function"
       "<｜tool▁sep｜>add\n```json\n{\"a\": 1, \"b\": [2]}\n```<｜tool▁call▁end｜>",
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function",
       {kAdd}});
  return cases;
}

void ExpectCase(const Case& c, const std::vector<std::string>& chunks, bool stream) {
  const Parsed parsed = Parse(c.style, chunks, stream);
  EXPECT_EQ(parsed.content, c.content) << c.text;
  EXPECT_EQ(parsed.calls, c.calls) << c.text;
}

void ExpectEverySplit(const Case& c, bool stream) {
  const std::string& text = c.text;
  std::vector<std::string> bytes;
  for (const char b : text) bytes.emplace_back(1, b);
  ExpectCase(c, bytes, stream);
  for (size_t i = 0; i <= text.size(); ++i) {
    // Every pair of cuts in what is short, every seventh in the rest.
    for (size_t j = i; j <= text.size(); j += text.size() < 80 ? 1 : 7) {
      ExpectCase(c, {text.substr(0, i), text.substr(i, j - i), text.substr(j)}, stream);
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST(ToolCallParser, EverySplitGivesTheSame) {
  for (const bool stream : {false, true}) {
    for (const Case& c : GoodCases()) ExpectEverySplit(c, stream);
  }
}

TEST(ToolCallParser, WhatIsNoCallIsContent) {
  for (const Case& c : BadCases()) ExpectEverySplit(c, false);
}

TEST(ToolCallParser, EveryChunkingOfAShortTextGivesTheSame) {
  const Case c = {kLlama, R"({"name":"now"};)", ";", {{"c0", "now", "{}"}}};
  const uint32_t cuts = static_cast<uint32_t>(c.text.size()) - 1;
  for (uint32_t mask = 0; mask < (1u << cuts); ++mask) {
    std::vector<std::string> chunks(1);
    for (size_t i = 0; i < c.text.size(); ++i) {
      chunks.back() += c.text[i];
      if (i < cuts && ((mask >> i) & 1) != 0) chunks.emplace_back();
    }
    ExpectCase(c, chunks, false);
  }
}

TEST(ToolCallParser, ContentGoesOutAsSoonAsItIsSure) {
  ToolCallParser parser({kHermes, {}}, Options(false));
  EXPECT_EQ(parser.Push("one ").content, "one");
  EXPECT_EQ(parser.Push("two <tool_").content, " two");
  EXPECT_EQ(parser.Push("kit> {").content, " <tool_kit> {");
  EXPECT_EQ(parser.Push("<tool_call>{\"na").content, "");
  EXPECT_EQ(parser.Push("me\": 1} x").content, "<tool_call>{\"name\": 1} x");
}

TEST(ToolCallParser, WholeCallsGoOutAtTheirLastByte) {
  ToolCallParser parser({kHermes, {}}, Options(false));
  EXPECT_TRUE(parser.Push("<tool_call>{\"name\": \"now\", \"arguments\": {}").calls.empty());
  EXPECT_EQ(parser.calls(), 0);
  const ToolDelta delta = parser.Push("}");
  ASSERT_EQ(delta.calls.size(), 1u);
  EXPECT_EQ(delta.calls[0].arguments, "{}");
  EXPECT_EQ(parser.calls(), 1);
}

TEST(ToolCallParser, ArgumentsStream) {
  ToolCallParser parser({kHermes, {}}, Options(true));
  EXPECT_TRUE(parser.Push("<tool_call>{\"name\": \"add\", \"arguments\": ").calls.empty());
  std::vector<ToolCallDelta> calls = parser.Push("{\"a\": \"x").calls;
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].name, "add");
  EXPECT_EQ(calls[0].arguments, "{\"a\": \"x");
  calls = parser.Push("y}").calls;
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].arguments, "y}");
  EXPECT_EQ(parser.calls(), 0);
  calls = parser.Push("\"}}\n</tool").calls;
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].arguments, "\"}");
  EXPECT_EQ(parser.calls(), 1);
  EXPECT_EQ(parser.Push("_call>").content, "");
}

TEST(ToolCallParser, StreamedArgumentsThatGoWrongStayArguments) {
  const std::string bad =
      "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 'x'}}\n</tool_call> then";
  ExpectEverySplit({kHermes, bad, " then", {{"c0", "add", "{\"a\": 'x'}}\n"}}}, true);
  ExpectEverySplit({kHermes, bad.substr(0, bad.find('\'')), "", {{"c0", "add", "{\"a\": "}}}, true);
}

// DeepSeek's marks are special tokens in GGUF vocabularies, <|python_tag|> is one everywhere.
TEST(ToolCallFormat, VisibleMarksComeThroughTheDecoder) {
  AHA_REQUIRE_TEST_DATA("tokenizers/llama3_1");
  const Tokenizer tokenizer = Tokenizer::FromFolder(TestDataPath("tokenizers/llama3_1")).value();
  const int32_t eot = tokenizer.IdOf("<|eot_id|>").value();
  const int32_t begin = tokenizer.IdOf("<|begin_of_text|>").value();
  for (const bool visible : {false, true}) {
    CompletionOptions options;
    if (visible) options.visible = {"<|begin_of_text|>", "<|no such token|>"};
    CompletionText text(tokenizer, options);
    std::string answer;
    for (const int32_t id : {begin, eot}) answer += text.Push(id).answer;
    answer += text.Finish().answer;
    EXPECT_EQ(answer, visible ? "<|begin_of_text|>" : "");
  }
}

}  // namespace
}  // namespace aha
