#include "train/symbols.h"

#include <gtest/gtest.h>

#include "tokenizer/tokenizer.h"

namespace aha {
namespace {

using Ids = std::vector<int32_t>;

Result<Tokenizer> Make(std::vector<std::string> words, std::string characters) {
  TokenizerRecipe recipe;
  recipe.words = std::move(words);
  recipe.characters = std::move(characters);
  const Result<std::string> json = SymbolTokenizerJson(recipe);
  if (!json.ok()) return json.status();
  return Tokenizer::FromJson(*json);
}

TEST(SymbolTokenizer, WordsAndCharactersAreOneTokenEach) {
  const Result<Tokenizer> t = Make({"Q: ", " to ", "<think>", " no, "}, "0123456789+*() \n");
  ASSERT_TRUE(t.ok()) << t.status().message();
  const std::string text = "Q: 12 to 3\n<think>(1+2)*3 no, ";
  // Words 0..2, digits 3..12, + * ( ) blank newline 13..18, <pad> 19, <eos> 20, <think> 21.
  const Ids want = {0, 4, 5, 1, 6, 18, 21, 15, 4, 13, 5, 16, 14, 6, 2};
  EXPECT_EQ(t->Encode(text, {.allow_special = true}).value(), want);
  EXPECT_EQ(t->Decode(want), text);
  // A user's words are words, a user's tag is not a tag.
  EXPECT_EQ(t->Encode("1 to 2", {}).value(), (Ids{4, 1, 5}));
  EXPECT_EQ(t->Encode("<think>", {}).value(), Ids{});
  const Result<Tokenizer> again = Tokenizer::FromJson(t->ToJson());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->Encode(text, {.allow_special = true}).value(), want);
}

TEST(SymbolTokenizer, NamesWhatIsWrong) {
  EXPECT_NE(Make({}, "").status().message().find("neither"), std::string::npos);
  EXPECT_NE(Make({"a", "a"}, "x").status().message().find("'a'"), std::string::npos);
  EXPECT_NE(Make({}, "xx").status().message().find("'x'"), std::string::npos);
}

}  // namespace
}  // namespace aha
