#include "chat/tool_call_format.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/test_data.h"
#include "chat/tool_call_parser.h"

namespace aha {
namespace {

// Bytes alone, and the added tokens asked for.
Tokenizer SmallTokenizer(const std::vector<std::string>& special) {
  Json added = Json::array();
  Json vocab = {{"a", 0}};
  for (size_t i = 0; i < special.size(); ++i) {
    added.push_back({{"id", i + 1}, {"content", special[i]}, {"special", true}});
  }
  const Json file = {{"added_tokens", added},
                     {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                     {"decoder", {{"type", "ByteLevel"}}},
                     {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
  return Tokenizer::FromJson(file.dump()).value();
}

TEST(ToolCallFormat, DetectsTheTemplatesStyle) {
  const Tokenizer plain = SmallTokenizer({});
  const auto style = [&](std::string_view source) {
    return ToolCallFormat::Detect(source, plain).style;
  };
  EXPECT_EQ(style(""), ToolCallStyle::kHermes);
  EXPECT_EQ(style("{{ '<tool_call>' }}"), ToolCallStyle::kHermes);
  EXPECT_EQ(style("<｜tool▁call▁begin｜>```json"), ToolCallStyle::kDeepSeek);
  EXPECT_EQ(style("<｜tool▁call▁begin｜>"), ToolCallStyle::kDeepSeekPlain);
  EXPECT_EQ(style("{{ '<|python_tag|>' }}"), ToolCallStyle::kLlama);
  EXPECT_EQ(style("{{ '\"parameters\": ' }}"), ToolCallStyle::kLlama);
}

TEST(ToolCallFormat, RealTemplates) {
  const std::pair<const char*, ToolCallStyle> cases[] = {
      {"tokenizers/qwen2_5", ToolCallStyle::kHermes},
      {"tokenizers/qwen3", ToolCallStyle::kHermes},
      {"tokenizers/deepseek_v3", ToolCallStyle::kDeepSeek},
  };
  for (const auto& [name, style] : cases) {
    AHA_REQUIRE_TEST_DATA(name);
    const std::filesystem::path folder = TestDataPath(name);
    const Json config = ParseJson(ReadFile(folder / "tokenizer_config.json").value()).value();
    const Tokenizer tokenizer = Tokenizer::FromFolder(folder).value();
    const ToolCallFormat format =
        ToolCallFormat::Detect(config["chat_template"].get<std::string>(), tokenizer);
    EXPECT_EQ(format.style, style) << name;
    // In these files the marks are added tokens that are not special: they give text anyway.
    EXPECT_TRUE(format.visible.empty()) << name;
  }
}

TEST(ToolCallFormat, TheTokenizerTellsWhereTheTemplateDoesNot) {
  const ToolCallFormat llama = ToolCallFormat::Detect("", SmallTokenizer({"<|python_tag|>"}));
  EXPECT_EQ(llama.style, ToolCallStyle::kLlama);
  EXPECT_EQ(llama.visible, std::vector<std::string>{"<|python_tag|>"});
  const ToolCallFormat deep_seek = ToolCallFormat::Detect(
      "", SmallTokenizer({"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<s>"}));
  EXPECT_EQ(deep_seek.style, ToolCallStyle::kDeepSeek);
  EXPECT_EQ(deep_seek.visible,
            (std::vector<std::string>{"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>"}));
}

Json Tools() {
  return Json::parse(R"([
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object",
      "properties": {"a": {"type": "number"}}}}},
    {"type": "function", "function": {"name": "now"}}])");
}

// What the grammar says a model must write is what the parser reads.
TEST(ToolGrammar, ItsAnswersParse) {
  for (const ToolCallStyle style : {ToolCallStyle::kHermes, ToolCallStyle::kDeepSeek,
                                    ToolCallStyle::kDeepSeekPlain, ToolCallStyle::kLlama}) {
    const ToolGrammar grammar = ToolGrammar::For({style, {}}, Tools()).value();
    ASSERT_EQ(grammar.calls.size(), 2u);
    std::string answer =
        grammar.begin + grammar.calls[0].prefix + R"({"a": 2})" + grammar.calls[0].suffix;
    if (grammar.several) {
      answer += grammar.separator + grammar.calls[1].prefix + "{}" + grammar.calls[1].suffix;
    }
    answer += grammar.end;
    ToolCallParser parser({style, {}}, {.names = {"add", "now"}});
    ToolDelta delta = parser.Push(answer);
    EXPECT_EQ(delta.content + parser.Finish().content, "") << answer;
    ASSERT_EQ(delta.calls.size(), grammar.several ? 2u : 1u) << answer;
    EXPECT_EQ(delta.calls[0].name, "add");
    EXPECT_EQ(delta.calls[0].arguments, R"({"a": 2})");
    // The text of one call, as history is written, is the same.
    EXPECT_EQ((ToolCallFormat{style, {}}.CallText("now", "{}")),
              grammar.calls[1].prefix + "{}" + grammar.calls[1].suffix);
  }
}

TEST(ToolGrammar, SchemasAndNames) {
  const ToolGrammar grammar = ToolGrammar::For({}, Tools(), "now").value();
  ASSERT_EQ(grammar.calls.size(), 1u);
  EXPECT_EQ(grammar.calls[0].schema,
            Json::parse(R"({"type":"object","properties":{},"additionalProperties":false})"));
  EXPECT_EQ(ToolGrammar::For({}, Tools()).value().calls[0].schema,
            Tools()[0]["function"]["parameters"]);
  const auto message = [](const Json& tools, std::string_view name = "") {
    return ToolGrammar::For({}, tools, name).status().message();
  };
  EXPECT_EQ(message(Tools(), "rm"), "tools has no function named 'rm'");
  EXPECT_EQ(message(Json::array()), "tools is empty; a call needs at least one");
  EXPECT_EQ(message(Json::object()), "tools must be an array, not object");
  EXPECT_EQ(message(Json::parse("[1]")), "tools[0] has no function");
  EXPECT_EQ(message(Json::parse(R"([{"function": {}}])")), "tools[0].function has no name");
  EXPECT_EQ(message(Json::parse(R"([{"function": {"name": "a\"b"}}])")),
            "tools[0].function.name 'a\"b' must be 1 to 64 letters, digits, '_' or '-'");
  EXPECT_EQ(message(Json::parse(R"([{"function": {"name": "a"}}, {"function": {"name": "a"}}])")),
            "tools[1].function.name 'a' is there twice");
}

}  // namespace
}  // namespace aha
