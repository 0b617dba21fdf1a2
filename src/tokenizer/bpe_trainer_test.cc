#include "tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"

namespace aha {
namespace {

using Ids = std::vector<int32_t>;
using Texts = std::vector<std::string>;

std::vector<AddedToken> Added(const Texts& texts) {
  std::vector<AddedToken> added;
  for (const std::string& text : texts) added.push_back({.content = text, .special = true});
  return added;
}

Result<std::string> Train(BpeTrainerOptions options, const Texts& texts) {
  AHA_ASSIGN_OR_RETURN(BpeTrainer trainer, BpeTrainer::Create(std::move(options)));
  for (const std::string& text : texts) AHA_RETURN_IF_ERROR(trainer.Add(text));
  return trainer.Train();
}

std::string ErrorOf(BpeTrainerOptions options, const Texts& texts) {
  const Result<std::string> json = Train(std::move(options), texts);
  return json.ok() ? "" : json.status().message();
}

TEST(BpeTrainer, LearnsWhatHuggingFaceLearns) {
  const auto path = std::filesystem::path(AHA_SOURCE_DIR) / "src/tokenizer/testdata";
  const Json golden = ParseJson(ReadFile(path / "bpe_trainer.json").value()).value();
  const auto probes = golden["probes"].get<Texts>();
  for (const Json& c : golden["cases"]) {
    const std::string json = Train({.vocab_size = c["vocab_size"],
                                    .added = Added(c["added"]),
                                    .pattern = c["pattern"],
                                    .min_frequency = c["min_frequency"]},
                                   c["texts"])
                                 .value();
    Texts merges;
    const Json model = ParseJson(json).value()["model"];
    for (const Json& m : model["merges"]) {
      merges.push_back(m[0].get<std::string>() + " " + m[1].get<std::string>());
    }
    EXPECT_EQ(merges, c["merges"].get<Texts>());

    const Tokenizer tokenizer = Tokenizer::FromJson(json).value();
    const auto added = c["added"].get<Texts>();
    const auto learned = c["learned"].get<Texts>();
    ASSERT_EQ(static_cast<size_t>(tokenizer.vocab_size()), added.size() + 256 + learned.size());
    for (size_t i = 0; i < learned.size(); ++i) {
      const auto id = static_cast<int32_t>(added.size() + 256 + i);
      EXPECT_EQ(SpellBytes(tokenizer.TokenBytes(id)), learned[i]);
    }
    for (size_t i = 0; i < probes.size(); ++i) {
      EXPECT_EQ(tokenizer.Encode(probes[i], {}).value(), c["ids"][i].get<Ids>()) << probes[i];
    }
  }
}

TEST(BpeTrainer, TheOrderOfTheTextsDoesNotMatter) {
  Texts texts;
  for (int i = 0; i < 200; ++i) {
    texts.push_back(std::to_string(i * 7919 % 1000) + " abab" + std::string(i % 7, 'b') + " ba");
  }
  const BpeTrainerOptions options = {.vocab_size = 330, .pattern = kGpt2Pattern};
  const std::string forwards = Train(options, texts).value();
  std::reverse(texts.begin(), texts.end());
  EXPECT_EQ(Train(options, texts).value(), forwards);
}

TEST(BpeTrainer, PlainTextNeverBecomesAnAddedToken) {
  // " ab" would be the best merge, and the vocabulary spells it as one of these is written.
  const BpeTrainerOptions options = {
      .vocab_size = 290,
      .added = {
          {.content = "<eos>", .special = true}, {.content = "<think>"}, {.content = "\u0120ab"}}};
  const Tokenizer t = Tokenizer::FromJson(Train(options, {"<think>x ab ab ab<eos> ab ab<eos>"
                                                          "<think> ab ab ab ab"})
                                              .value())
                          .value();
  for (const char* text : {"<eos>", "<think>", " ab", "\u0120ab"}) {
    const Ids ids = t.Encode(text, {}).value();
    EXPECT_GE(*std::min_element(ids.begin(), ids.end()), 3) << text;
  }
  EXPECT_EQ(t.Encode("<think>", {.allow_special = true}).value(), Ids{1});
  EXPECT_TRUE(t.IsSpecial(0));
  EXPECT_FALSE(t.IsSpecial(1));
  // What stood around the tags was learned, the tags were not.
  EXPECT_TRUE(t.IdOf("ab"));
  for (int32_t id = 259; id < t.vocab_size(); ++id) {
    EXPECT_EQ(t.TokenBytes(id).find_first_of("<>"), std::string_view::npos) << t.TokenBytes(id);
  }
}

TEST(BpeTrainer, NamesWhatIsWrong) {
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(ErrorOf({.vocab_size = 257, .added = Added({"<a>", "<b>"})}, {"x"}), "vocab_size is 257");
  has(ErrorOf({.vocab_size = 257, .added = Added({"<a>", "<b>"})}, {"x"}), "need 258");
  has(ErrorOf({.added = Added({"<a>", "<a>"})}, {"x"}), "'<a>' is there twice");
  has(ErrorOf({.added = Added({""})}, {"x"}), "empty");
  has(ErrorOf({.added = Added({"a"})}, {"x"}), "'a' spells a single byte");
  has(ErrorOf({.added = Added({"\u0120"})}, {"x"}), "'\u0120' spells a single byte");
  has(ErrorOf({.pattern = "(x"}, {"x"}), "'(x'");
  has(ErrorOf({}, {}), "no text");
  has(ErrorOf({.added = Added({"<a>"})}, {"", "<a>"}), "no text");
  has(ErrorOf({}, {"ok", "ab\xff"}), "not UTF-8 at byte 2");
}

}  // namespace
}  // namespace aha
