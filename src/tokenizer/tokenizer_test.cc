#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/files.h"
#include "base/rng.h"
#include "base/test_data.h"
#include "tokenizer/byte_alphabet.h"

namespace aha {
namespace {

// A byte-level vocabulary of the 256 bytes and a few merges, with two control tokens.
Json TinyJson() {
  Json vocab = Json::object();
  for (int b = 0; b < 256; ++b) vocab[SpellBytes(std::string(1, static_cast<char>(b)))] = b;
  vocab["he"] = 256;
  vocab["ll"] = 257;
  vocab["hell"] = 258;
  vocab["Ġhell"] = 259;
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {{"added_tokens",
           {{{"id", 260}, {"content", "<s>"}, {"special", true}},
            {{"id", 261}, {"content", "<think>"}, {"special", false}, {"normalized", true}},
            {{"id", 262}, {"content", "<s>x"}, {"special", true}},
            {{"id", 263}, {"content", "    "}, {"special", false}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
            {"special_tokens", {{"<s>", {{"ids", {260}}}}}}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", {"h e", "l l", Json::array({"he", "ll"}), "Ġ hell"}}}}};
}

Tokenizer Tiny() {
  Result<Tokenizer> t = Tokenizer::FromJson(DumpJson(TinyJson()));
  EXPECT_TRUE(t.ok()) << t.status().message();
  return std::move(*t);
}

using Ids = std::vector<int32_t>;

Ids Encode(const Tokenizer& t, std::string_view text, EncodeOptions options = {}) {
  const Result<Ids> ids = t.Encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : Ids{};
}

TEST(Tokenizer, MergesByRank) {
  const Tokenizer t = Tiny();
  EXPECT_EQ(Encode(t, "hello hell"), (Ids{258, 'o', 259}));
  EXPECT_EQ(t.Decode(Ids{258, 'o', 259}), "hello hell");
  EXPECT_EQ(t.vocab_size(), 264);
  EXPECT_EQ(*t.IdOf("hell"), 258);
  EXPECT_EQ(*t.IdOf("<s>"), 260);
  EXPECT_FALSE(t.IdOf("nope"));
}

TEST(Tokenizer, ControlTokensOnlyWhereAllowed) {
  const Tokenizer t = Tiny();
  const Ids plain = {'<', 's', '>'};
  EXPECT_EQ(Encode(t, "<s>"), plain);
  EXPECT_EQ(Encode(t, "<s>", {.allow_special = true}), Ids{260});
  EXPECT_EQ(Encode(t, "<s>x", {.allow_special = true}), Ids{262});  // the longest
  EXPECT_EQ(Encode(t, "a<think>b", {.allow_special = true}), (Ids{'a', 261, 'b'}));
  EXPECT_EQ(Encode(t, "<think>").size(), 7);
  EXPECT_EQ(Encode(t, "hell", {.add_special_tokens = true}), (Ids{260, 258}));
  EXPECT_EQ(Encode(t, "a    b"), (Ids{'a', 263, 'b'}));  // spaces are no control token
}

TEST(Tokenizer, PiecesAreOneText) {
  const Tokenizer t = Tiny();
  const auto encode = [&](std::vector<TextPiece> pieces) { return *t.EncodePieces(pieces); };
  EXPECT_EQ(encode({{"he", true}, {"ll", false}}), Ids{258});
  EXPECT_EQ(encode({{"<s", true}, {">", true}}), Ids{260});
  EXPECT_EQ(encode({{"<s", true}, {">", false}}), (Ids{'<', 's', '>'}));
  EXPECT_EQ(encode({{"<s>", true}, {"<s>", false}, {"<s>", true}}), (Ids{260, '<', 's', '>', 260}));
  EXPECT_EQ(encode({{"<s>", true}, {"x", false}}), (Ids{260, 'x'}));  // "<s>x" is not all trusted
  EXPECT_EQ(encode({{"<think>", true}, {"<think>", false}})[0], 261);
  EXPECT_EQ(encode({{"<think>", true}, {"<think>", false}}).size(), 8);
  EXPECT_EQ(encode({}), Ids{});
}

TEST(Tokenizer, BrokenUtf8GoesByteForByte) {
  const Tokenizer t = Tiny();
  for (const std::string text :
       {"\xff\xfe", "a\xc3", "\xe4\xb8", "hell\x80hell", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_EQ(t.Decode(Encode(t, text)), text);
  }
  EXPECT_EQ(Encode(t, "hell\x80hell"), (Ids{258, 0x80, 258}));
}

TEST(Tokenizer, DecodesUnknownIdsToNothing) {
  const Tokenizer t = Tiny();
  EXPECT_EQ(t.Decode(Ids{-1, 'a', 1000000}), "a");
  EXPECT_EQ(t.Decode(Ids{260, 'a', 261}, /*skip_special=*/true), "a<think>");
}

// Ids between the vocabulary and a far added token: a read past the end once (fuzzer).
TEST(Tokenizer, HolesDecodeToNothing) {
  Json json = TinyJson();
  json["added_tokens"][0]["id"] = 5000;
  const Result<Tokenizer> t = Tokenizer::FromJson(DumpJson(json));
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->vocab_size(), 5001);
  EXPECT_EQ(t->Decode(Ids{260, 4000, 5000}), "<s>");
}

TEST(Tokenizer, ToJsonGivesTheSameTokenizer) {
  const Tokenizer t = Tiny();
  const Result<Tokenizer> again = Tokenizer::FromJson(t.ToJson());
  ASSERT_TRUE(again.ok()) << again.status().message();
  const EncodeOptions options = {.allow_special = true, .add_special_tokens = true};
  for (const char* text : {"hello hell <s>x<think>", "\xff", "  a"}) {
    EXPECT_EQ(Encode(*again, text, options), Encode(t, text, options));
  }
  EXPECT_EQ(again->ToJson(), t.ToJson());
}

TEST(Tokenizer, HostileFilesGetASentence) {
  const auto error = [](const Json& json) {
    const Result<Tokenizer> t = Tokenizer::FromJson(DumpJson(json));
    EXPECT_FALSE(t.ok());
    return t.ok() ? "" : t.status().message();
  };
  const auto with = [](const char* pointer, Json value) {
    Json json = TinyJson();
    json[Json::json_pointer(pointer)] = std::move(value);
    return json;
  };
  EXPECT_NE(error(with("/added_tokens/0/id", 97)).find("'<s>' has id 97"), std::string::npos);
  EXPECT_NE(error(with("/added_tokens/0/id", 261)).find("twice"), std::string::npos);
  EXPECT_NE(error(with("/model/type", "Unigram")).find("Unigram"), std::string::npos);
  EXPECT_NE(error(with("/model/vocab/he", -1)).find("-1"), std::string::npos);
  EXPECT_NE(error(with("/model/vocab/he", 2147483648LL)).find("2147483648"), std::string::npos);
  EXPECT_NE(error(with("/model/vocab/he", 1.5)).find("1.5"), std::string::npos);
  EXPECT_NE(error(with("/model/vocab/he", 3)).find("id 3"), std::string::npos);
  EXPECT_NE(error(with("/model/vocab/ ", 5000)).find("the same bytes"), std::string::npos);
  EXPECT_NE(error(with("/model/merges/0", "h z")).find("'z'") == std::string::npos &&
                error(with("/model/merges/0", "h zz")).find("'zz'"),
            std::string::npos);
  EXPECT_NE(error(with("/model/merges/0", 3)).find("merge 3"), std::string::npos);
  EXPECT_NE(error(with("/normalizer", {{"type", "Lowercase"}})).find("Lowercase"),
            std::string::npos);
  EXPECT_NE(error(with("/pre_tokenizer", {{"type", "Metaspace"}})).find("Metaspace"),
            std::string::npos);
  EXPECT_NE(error(with("/pre_tokenizer", nullptr)).find("ByteLevel"), std::string::npos);
  EXPECT_NE(error(with("/decoder", {{"type", "WordPiece"}})).find("WordPiece"), std::string::npos);
  EXPECT_NE(error(with("/post_processor", {{"type", "BertProcessing"}})).find("BertProcessing"),
            std::string::npos);
  const auto split = [](const char* pattern) {
    return Json{{"type", "Sequence"},
                {"pretokenizers",
                 {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}},
                  {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  };
  EXPECT_NE(error(with("/pre_tokenizer", split("(a"))).find("(a"), std::string::npos);
  EXPECT_FALSE(Tokenizer::FromJson("{").ok());
  EXPECT_FALSE(Tokenizer::FromJson(R"({"a":1,"a":2})").ok());
  EXPECT_FALSE(Tokenizer::FromJson(std::string(100000, '[')).ok());
  EXPECT_NE(Tokenizer::FromFolder("/nowhere").status().message().find("/nowhere"),
            std::string::npos);
}

TEST(Tokenizer, ACatastrophicPatternGivesUp) {
  Json json = TinyJson();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "(a+)+[bc]"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  const Result<Tokenizer> t = Tokenizer::FromJson(DumpJson(json));
  ASSERT_TRUE(t.ok());
  const Result<Ids> ids = t->Encode(std::string(5000, 'a'), {});
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().code(), StatusCode::kResourceExhausted);
}

TEST(Vocabulary, NamesAnUnknownPreTokenizer) {
  VocabularySource source{.pre = "xyz", .tokens = {"a"}};
  EXPECT_NE(Tokenizer::FromVocabulary(source).status().message().find("'xyz'"), std::string::npos);
}

// Hugging Face's library would number it anew otherwise.
TEST(Vocabulary, ControlTokensInItsMidstAreWrittenIntoIt) {
  const VocabularySource source{
      .pre = "gpt-2", .tokens = {"<s>", "a", "b"}, .token_types = {3, 1, 1}};
  const Result<Tokenizer> t = Tokenizer::FromVocabulary(source);
  ASSERT_TRUE(t.ok());
  const Json json = *ParseJson(t->ToJson());
  EXPECT_EQ(json["model"]["vocab"]["<s>"], 0);
  EXPECT_EQ(json["added_tokens"][0]["id"], 0);
  const Result<Tokenizer> again = Tokenizer::FromJson(t->ToJson());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(Encode(*again, "ab<s>", {.allow_special = true}), (Ids{1, 2, 0}));
  EXPECT_EQ(again->ToJson(), t->ToJson());
}

TEST(StreamDecoder, NeverEmitsHalfACharacter) {
  const Tokenizer t = Tiny();
  const std::string text = "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80z";
  StreamDecoder decoder(t);
  std::string out;
  for (const char c : text) {
    const std::string piece = decoder.Push(static_cast<uint8_t>(c));
    EXPECT_TRUE(piece.empty() || (static_cast<uint8_t>(piece.back()) & 0xC0) != 0xC0);
    out += piece;
  }
  EXPECT_EQ(out + decoder.Finish(), text);
}

TEST(StreamDecoder, ReplacesBrokenBytesAsPythonDoes) {
  const Tokenizer t = Tiny();
  const auto decode = [&](const std::string& bytes) {
    StreamDecoder decoder(t);
    std::string out;
    for (const char c : bytes) out += decoder.Push(static_cast<uint8_t>(c));
    return out + decoder.Finish();
  };
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(decode("\xFF"), r);
  EXPECT_EQ(decode("\xE4\xB8"), r);
  EXPECT_EQ(decode("\xE4\xB8"
                   "a"),
            r + "a");
  EXPECT_EQ(decode("\xC0\x80"), r + r);
  EXPECT_EQ(decode("\xED\xA0\x80"), r + r + r);
  EXPECT_EQ(decode("\xF0\x9F\x98"), r);
  EXPECT_EQ(decode("\xF0\x80\x80\x80"), r + r + r + r);
  EXPECT_EQ(decode("\xF4\x90"), r + r);
}

// The real tokenizers, against ids that Hugging Face's library gave.
class RealTokenizer : public testing::TestWithParam<const char*> {};

Result<Tokenizer> OpenReal(const std::string& name) {
  return Tokenizer::FromFolder(TestDataPath("tokenizers/" + name));
}

TEST_P(RealTokenizer, GivesTheIdsOfHuggingFace) {
  AHA_REQUIRE_TEST_DATA("tokenizers");
  const Json goldens = *ParseJson(
      *ReadFile(std::filesystem::path(AHA_SOURCE_DIR) / "src/tokenizer/testdata/real.json"));
  const Json& golden = goldens["tokenizers"][GetParam()];
  const Result<Tokenizer> t = OpenReal(GetParam());
  ASSERT_TRUE(t.ok()) << t.status().message();
  const Json& texts = goldens["texts"];
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    EXPECT_EQ(Encode(*t, text, {.allow_special = true}), golden["allow_special"][i].get<Ids>())
        << DumpJson(texts[i]);
    std::string decoded;
    StreamDecoder decoder(*t);
    for (const int32_t id : golden["allow_special"][i].get<Ids>()) decoded += decoder.Push(id);
    EXPECT_EQ(decoded + decoder.Finish(), golden["decoded"][i].get<std::string>());
  }
  EXPECT_EQ(Encode(*t, "Hi", {.add_special_tokens = true}),
            golden["with_special_tokens"].get<Ids>());
}

TEST_P(RealTokenizer, TakesLongTextInSeconds) {
  AHA_REQUIRE_TEST_DATA("tokenizers");
  const Result<Tokenizer> t = OpenReal(GetParam());
  ASSERT_TRUE(t.ok());
  const Rng rng(1, 1);
  std::string letters(1 << 20, ' ');
  for (size_t i = 0; i < letters.size(); ++i) {
    letters[i] = static_cast<char>('a' + rng.Bits(i) % 26);
  }
  std::string prose;
  while (prose.size() < 10u << 20)
    prose += "The quick brown fox, 12345 of them, jumps over\n  it. ";
  for (const std::string& text :
       {std::string(1 << 20, 'a'), letters, std::string(1 << 20, ' '), std::string(1 << 20, '\n'),
        std::string(1 << 20, '1'), std::string(1 << 20, '!'), prose}) {
    const auto start = std::chrono::steady_clock::now();
    const Ids ids = Encode(*t, text);
    // About a second for the prose; ten for slow builds and busy machines.
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << text[0];
    EXPECT_EQ(t->Decode(ids), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Real, RealTokenizer,
                         testing::Values("deepseek_v3", "llama3_1", "qwen2_5", "qwen3"),
                         [](const auto& info) { return std::string(info.param); });

// A file's vocabulary told in GGUF's way gives the same ids.
TEST(RealVocabulary, GgufNamesMeanTheSamePatterns) {
  AHA_REQUIRE_TEST_DATA("tokenizers");
  const Json goldens = *ParseJson(
      *ReadFile(std::filesystem::path(AHA_SOURCE_DIR) / "src/tokenizer/testdata/real.json"));
  const struct {
    const char* file;
    const char* pre;
  } cases[] = {{"deepseek_v3", "deepseek-v3"}, {"llama3_1", "llama-bpe"}, {"qwen2_5", "qwen2"}};
  for (const auto& c : cases) {
    const Result<Tokenizer> file = OpenReal(c.file);
    const Result<VocabularySource> source = file->ToVocabulary();
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(source->pre, c.pre);
    const Result<Tokenizer> t = Tokenizer::FromVocabulary(*source);
    ASSERT_TRUE(t.ok()) << t.status().message();
    for (const Json& text : goldens["texts"]) {
      EXPECT_EQ(Encode(*t, text.get<std::string>()), Encode(*file, text.get<std::string>()))
          << c.file << DumpJson(text);
    }
  }
}

}  // namespace
}  // namespace aha
