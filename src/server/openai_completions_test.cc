#include "server/openai_completions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_data.h"
#include "library/library.h"

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

TEST(OpenAiCompletions, ArraysRunInStep) {
  const auto model = OpenTextModel(std::string(AHA_SOURCE_DIR) + "/models/aha-countdown");
  ASSERT_TRUE(model.ok()) << model.status().message();
  LegacyLogprobs out((*model)->tokenizer);
  out.AddFirst(1);
  const std::vector<TokenLogprob> top = {{3, -0.25f}, {4, -2.0f}};
  out.Add(5, -7.125f, top);
  out.Add(3, -0.25f, top);
  const Json json = out.ToJson();
  for (const char* key : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
    EXPECT_EQ(json[key].size(), 3u) << key;
  }
  EXPECT_TRUE(json["token_logprobs"][0].is_null());
  EXPECT_TRUE(json["top_logprobs"][0].is_null());
  EXPECT_EQ(json["top_logprobs"][1].size(), 3u) << "the chosen one beside the likely ones";
  EXPECT_EQ(json["top_logprobs"][1][json["tokens"][1].get<std::string>()], -7.125);
  EXPECT_EQ(json["top_logprobs"][2].size(), 2u);
  EXPECT_EQ(json["text_offset"][0], 0);
}

}  // namespace
}  // namespace aha
