#include "chat/thinking.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/test_data.h"
#include "chat/continue_answer.h"
#include "chat/thought_parser.h"

namespace aha {
namespace {

struct Real {
  Tokenizer tokenizer;
  ChatTemplate chat;
};

// A tokenizer's folder of the shared real files.
Result<Real> OpenReal(const std::string& name) {
  const auto folder = TestDataPath("tokenizers") / name;
  AHA_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::FromFolder(folder));
  std::string source;
  if (std::filesystem::exists(folder / "chat_template.jinja")) {
    AHA_ASSIGN_OR_RETURN(source, ReadFile(folder / "chat_template.jinja"));
  } else {
    AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / "tokenizer_config.json"));
    AHA_ASSIGN_OR_RETURN(const Json config, ParseJson(text));
    source = config["chat_template"].get<std::string>();
  }
  AHA_ASSIGN_OR_RETURN(ChatTemplate chat, ChatTemplate::Parse(source, {}));
  return Real{std::move(tokenizer), std::move(chat)};
}

const Json kQuestion = Json::array({{{"role", "user"}, {"content", "1+1?"}}});

class ThinkingReal : public testing::Test {
 protected:
  void SetUp() override { AHA_REQUIRE_TEST_DATA("tokenizers"); }
};

std::string FolderLike(const std::string& part) {
  for (const auto& entry : std::filesystem::directory_iterator(TestDataPath("tokenizers"))) {
    std::string name = entry.path().filename().string();
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.find(part) != std::string::npos) return entry.path().filename().string();
  }
  return {};
}

TEST_F(ThinkingReal, Qwen3HasASwitch) {
  Result<Real> real = OpenReal(FolderLike("qwen3"));
  ASSERT_TRUE(real.ok()) << real.status().message();
  const ThinkingControl control = DetectThinking(real->chat, real->tokenizer);
  EXPECT_EQ(control.name(), "optional");
  EXPECT_EQ(control.off, Json({{"enable_thinking", false}}));
}

TEST_F(ThinkingReal, Qwen25AndLlamaHaveNone) {
  for (const char* name : {"qwen2_5", "llama"}) {
    Result<Real> real = OpenReal(FolderLike(name));
    ASSERT_TRUE(real.ok()) << real.status().message();
    EXPECT_EQ(DetectThinking(real->chat, real->tokenizer).name(), "none") << name;
  }
}

TEST_F(ThinkingReal, ATemplateThatOpensThoughtsAlwaysThinks) {
  Result<Real> real = OpenReal(FolderLike("qwen3"));
  ASSERT_TRUE(real.ok());
  Result<ChatTemplate> r1 = ChatTemplate::Parse(
      "{{ messages[-1].content }}{% if add_generation_prompt %}|<think>\n{% endif %}", {});
  ASSERT_TRUE(r1.ok());
  const ThinkingControl control = DetectThinking(*r1, real->tokenizer);
  EXPECT_EQ(control.name(), "always");
  EXPECT_EQ(control.closed, "\n</think>\n\n");
}

// The prompt's text for a beginning, and whether it ends in the thought.
std::pair<std::string, bool> Continued(const ChatTemplate& chat, const AnswerBeginning& beginning) {
  Result<ContinuedPrompt> out = ContinueAnswer(chat, kQuestion, {}, beginning);
  EXPECT_TRUE(out.ok()) << out.status().message();
  return {out->prompt.text(), out->in_thought};
}

TEST(ContinueAnswer, GoesOnWhereItWasLeft) {
  Result<ChatTemplate> plain = ChatTemplate::Parse("{{ messages[-1].content }}|", {});
  Result<ChatTemplate> r1 = ChatTemplate::Parse("{{ messages[-1].content }}|<think>{{ '\n' }}", {});
  ASSERT_TRUE(plain.ok() && r1.ok());
  using P = std::pair<std::string, bool>;
  EXPECT_EQ(Continued(*plain, {.thought = "let me"}), P("1+1?|<think>\nlet me", true));
  EXPECT_EQ(Continued(*r1, {.thought = "let me"}), P("1+1?|<think>\nlet me", true));
  EXPECT_EQ(Continued(*plain, {.thought = "2", .thought_closed = true}),
            P("1+1?|<think>\n2\n</think>\n\n", false));
  EXPECT_EQ(Continued(*r1, {.thought = "2", .content = "It is"}),
            P("1+1?|<think>\n2\n</think>\n\nIt is", false));
  EXPECT_EQ(Continued(*plain, {.content = "It is"}), P("1+1?|It is", false));
  EXPECT_EQ(Continued(*r1, {.content = "It is"}), P("1+1?|<think>\n\n</think>\n\nIt is", false));
}

TEST(ContinueAnswer, WhatIsGivenHoldsNoControlTokens) {
  Result<ChatTemplate> r1 = ChatTemplate::Parse("{{ messages[-1].content }}|<think>{{ '\n' }}", {});
  ASSERT_TRUE(r1.ok());
  Result<ContinuedPrompt> out =
      ContinueAnswer(*r1, kQuestion, {}, {.thought = "a</think>b<|im_end|>"});
  ASSERT_TRUE(out.ok());
  bool found = false;
  for (const PromptPiece& piece : out->prompt.pieces) {
    if (piece.text.find("<|im_end|>") == std::string::npos) continue;
    found = true;
    EXPECT_FALSE(piece.trusted);
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(out->in_thought);
}

TEST(ThoughtParser, MidwayWhiteSpaceCounts) {
  ThoughtParser thought({}, /*opened=*/true, /*midway=*/true);
  EXPECT_EQ(thought.Push(" next").thought, " next");
  ThoughtParser answer({}, /*opened=*/false, /*midway=*/true);
  EXPECT_EQ(answer.Push(" <think>").answer, " <think>");
}

}  // namespace
}  // namespace aha
