#include "server/openai_completions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"

namespace aha {
namespace {

ApiResult<CompletionSpec> Parse(const char* text) {
  return ParseCompletion(ParseJson(text).value());
}

std::string ParamOf(const char* text) {
  const ApiResult<CompletionSpec> spec = Parse(text);
  EXPECT_FALSE(spec.ok()) << text;
  return spec.ok() ? "" : spec.error().param;
}

TEST(OpenAiCompletions, PromptsInAllTheirForms) {
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(std::get<std::string>(Parse(R"({"prompt":"a"})")->prompts.at(0)), "a");
  EXPECT_EQ(Parse(R"({"prompt":["a","b"]})")->prompts.size(), 2u);
  EXPECT_EQ(std::get<Ids>(Parse(R"({"prompt":[1,2]})")->prompts.at(0)), (Ids{1, 2}));
  const auto batch = Parse(R"({"prompt":[[1,2],[3]]})");
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(Parse(R"({"prompt":[[1,2],[3]]})")->prompts.size(), 2u);
}

TEST(OpenAiCompletions, WhatIsWrongIsNamed) {
  for (const char* bad :
       {R"({})", R"({"prompt":5})", R"({"prompt":[]})", R"({"prompt":[1.5]})", R"({"prompt":[-1]})",
        R"({"prompt":[4294967297]})", R"({"prompt":[18446744073709551615]})",
        R"({"prompt":["a",5]})", R"({"prompt":[["a"]]})", R"({"prompt":{"a":1}})"}) {
    EXPECT_EQ(ParamOf(bad), "prompt") << bad;
  }
  EXPECT_EQ(ParamOf(R"({"prompt":"a","suffix":"b"})"), "suffix");
  EXPECT_EQ(ParamOf(R"({"prompt":"a","best_of":3})"), "best_of");
  EXPECT_EQ(ParamOf(R"({"prompt":"a","max_tokens":0})"), "max_tokens");
  EXPECT_EQ(ParamOf(R"({"prompt":"a","logprobs":21})"), "logprobs");
  EXPECT_EQ(ParamOf(R"({"prompt":"a","stream_options":5})"), "stream_options");
  EXPECT_TRUE(Parse(R"({"prompt":"a","max_tokens":0,"echo":true,"suffix":""})").ok());
}

TEST(OpenAiCompletions, TokensThatAreNoWholeTextAreBytes) {
  EXPECT_EQ(LegacyTokenText("abc"), "abc");
  EXPECT_EQ(LegacyTokenText("\xe2\x82\xac"), "\xe2\x82\xac");
  EXPECT_EQ(LegacyTokenText("\xe2\x82"), "bytes:\\xe2\\x82");
  EXPECT_EQ(LegacyTokenText("\xff"), "bytes:\\xff");
}

class LegacyLogprobsTest : public testing::Test {
 protected:
  // Ids of `text`, a token each.
  static Tokenizer Of(const std::vector<std::string>& tokens) {
    Json vocabulary = Json::object();
    for (size_t i = 0; i < tokens.size(); ++i) vocabulary[tokens[i]] = i;
    const Json file = {
        {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}},
        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
        {"decoder", {{"type", "ByteLevel"}}},
        {"added_tokens",
         {{{"id", 4}, {"content", "<b>"}, {"special", true}},
          {{"id", 5}, {"content", "a"}, {"special", true}}}}};
    Result<Tokenizer> tokenizer = Tokenizer::FromJson(file.dump());
    CHECK(tokenizer.ok(), tokenizer.status().message());
    return *std::move(tokenizer);
  }
  // In a byte-level vocabulary "\u00e2" is the byte e2, "\u0124" 82 and "\u00ac" itself.
  const Tokenizer tokenizer_ = Of({"a", "bc", "\u00e2\u0124", "\u00ac"});
};

TEST_F(LegacyLogprobsTest, ArraysRunInStep) {
  LegacyLogprobs out(tokenizer_);
  const std::vector<TokenLogprob> top = {{0, -0.25f}, {1, -2.0f}};
  out.AddFirst(0, true);
  out.Add(2, -7.125f, top, true);
  out.Add(0, -0.25f, top, true);
  const Json json = out.Take();
  EXPECT_EQ(json["tokens"], (Json{"a", "bytes:\\xe2\\x82", "a"}));
  EXPECT_EQ(json["token_logprobs"], (Json{nullptr, -7.125, -0.25}));
  EXPECT_EQ(json["top_logprobs"], (Json{nullptr,
                                        {{"a", -0.25}, {"bc", -2.0}, {"bytes:\\xe2\\x82", -7.125}},
                                        {{"a", -0.25}, {"bc", -2.0}}}));
}

TEST_F(LegacyLogprobsTest, OffsetsAreCharactersOfTheText) {
  LegacyLogprobs out(tokenizer_);
  out.AddFirst(4, false);  // a BOS that the text does not have
  for (const int32_t id : {1, 2, 3, 0}) out.Add(id, -1, {}, true);  // "bc", the euro in two, "a"
  EXPECT_EQ(out.Take()["text_offset"], (Json{0, 0, 2, 2, 3}));
  out.Add(1, -1, {}, true);
  EXPECT_EQ(out.Take()["text_offset"], Json{4}) << "a stream goes on";
  out.MoveTo(10);
  out.Add(0, -1, {}, true);
  EXPECT_EQ(out.Take()["text_offset"], Json{10});
}

TEST_F(LegacyLogprobsTest, TokensOfOneTextDoNotHideEachOther) {
  // 0 and 5 are both "a".
  LegacyLogprobs out(tokenizer_);
  out.Add(0, -3.0f, std::vector<TokenLogprob>{{5, -0.5f}, {1, -1.0f}}, true);
  out.Add(1, -1.0f, std::vector<TokenLogprob>{{5, -0.5f}, {0, -0.75f}}, true);
  const Json tops = out.Take()["top_logprobs"];
  EXPECT_EQ(tops[0], (Json{{"token_id:5", -0.5}, {"bc", -1.0}, {"a", -3.0}}));
  EXPECT_EQ(tops[1], (Json{{"a", -0.5}, {"token_id:0", -0.75}, {"bc", -1.0}}));
}

}  // namespace
}  // namespace aha
