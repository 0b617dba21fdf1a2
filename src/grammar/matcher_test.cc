#include "grammar/matcher.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/test_data.h"
#include "grammar/test_vocabulary.h"

namespace aha {
namespace {

constexpr const char* kJson = R"gbnf(
root ::= object
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}"
array ::= "[" ws (value ("," ws value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ([0-9] | [1-9] [0-9]{1,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,2})?
ws ::= (" " | "\n" [ \t]{0,20})?
)gbnf";

Grammar Gbnf(std::string_view text) {
  Result<Grammar> g = Grammar::FromGbnf(text);
  CHECK(g.ok(), g.status().message());
  return std::move(g).value();
}

// Each bit is what trying the token says, and some bit is set.
void CheckMask(const GrammarMatcher& matcher, const TokenTrie& trie, int32_t stop) {
  std::vector<uint64_t> words(static_cast<size_t>((trie.vocab() + 63) / 64));
  GrammarMatcher asked = matcher;
  asked.Mask(words);
  bool any = false;
  for (int32_t id = 0; id < trie.vocab(); ++id) {
    const bool allowed = (words[static_cast<size_t>(id / 64)] >> (id % 64) & 1) != 0;
    any |= allowed;
    GrammarMatcher tried = matcher;
    ASSERT_EQ(allowed, tried.Accept(id)) << "id " << id << " \"" << trie.Bytes(id) << "\"";
    if (id == stop) ASSERT_EQ(allowed, matcher.finished());
  }
  ASSERT_TRUE(any);
}

std::vector<std::string> RandomTokens(int count, uint64_t seed) {
  const std::string alphabet = "aab{}[]\":, ,1203-.\\xe\n\xC3\xA9";
  std::vector<std::string> tokens;
  for (int i = 0; i < count; ++i) {
    const Rng rng(seed, static_cast<uint64_t>(i));
    std::string token;
    for (uint64_t j = 0; j < 2 + rng.Bits(0) % 5; ++j) {
      token += alphabet[rng.Bits(1, static_cast<uint32_t>(j)) % alphabet.size()];
    }
    tokens.push_back(token);
  }
  return tokens;
}

TEST(Matcher, MasksAreWhatTryingSays) {
  TestVocabulary vocabulary(RandomTokens(600, 1));
  const std::vector<std::string> grammars = {
      kJson,
      "root ::= [a-z]{5,100} (\"1\" | \"2\"){90}",
      "root ::= ([ab]{70,75} \",\"){80,90}",
      "root ::= (\"a\" | \"aa\" | \"ab\")* \"b\"",
      "root ::= \"a\" root \"b\" | \"x\"",
      "root ::= [\\u00e0-\\u00ff]+ | \"1203\"* \"a\"",
  };
  for (const std::string& text : grammars) {
    auto shared = std::make_shared<TokenGrammar>(Gbnf(text), vocabulary.trie,
                                                 std::vector<int32_t>{vocabulary.stop});
    for (uint64_t seed = 0; seed < 3; ++seed) {
      GrammarMatcher matcher(shared);
      std::vector<uint64_t> words(static_cast<size_t>((vocabulary.trie->vocab() + 63) / 64));
      for (uint64_t i = 0; i < 60 && !matcher.must_end(); ++i) {
        ASSERT_NO_FATAL_FAILURE(CheckMask(matcher, *vocabulary.trie, vocabulary.stop))
            << text << " step " << i;
        matcher.Mask(words);
        std::vector<int32_t> allowed;
        for (int32_t id = 0; id < vocabulary.stop; ++id) {
          if ((words[static_cast<size_t>(id / 64)] >> (id % 64) & 1) != 0) allowed.push_back(id);
        }
        ASSERT_FALSE(allowed.empty());
        ASSERT_TRUE(matcher.Accept(allowed[Rng(seed, 9).Bits(i) % allowed.size()]));
      }
    }
  }
}

TEST(Matcher, CountsAreExactThoughMasksAreShared) {
  TestVocabulary vocabulary({"aaaa", "aaaaaaaa", "aa", "aaaa!"});
  auto shared = std::make_shared<TokenGrammar>(Gbnf("root ::= [a]{490,500} \"!\""), vocabulary.trie,
                                               std::vector<int32_t>{vocabulary.stop});
  GrammarMatcher matcher(shared);
  std::vector<uint64_t> words(5);
  for (int i = 0; i < 480; ++i) {
    matcher.Mask(words);
    ASSERT_TRUE(matcher.AcceptText("a"));
  }
  EXPECT_LT(shared->stats().masks, 12);  // far from its ends, a count is one mask
  for (int i = 480; i < 500; ++i) {
    ASSERT_NO_FATAL_FAILURE(CheckMask(matcher, *vocabulary.trie, vocabulary.stop)) << i;
    ASSERT_EQ(GrammarMatcher(matcher).AcceptText("!"), i >= 490);
    ASSERT_TRUE(matcher.AcceptText("a"));
  }
  EXPECT_FALSE(matcher.AcceptText("a"));
  EXPECT_TRUE(matcher.AcceptText("!"));
  EXPECT_TRUE(matcher.must_end());
}

TEST(Matcher, StopIdsExactlyWhereTheTextMayEnd) {
  TestVocabulary vocabulary({"ab"});
  GrammarMatcher matcher = vocabulary.Match(Gbnf("root ::= \"a\" \"b\"?"));
  std::vector<uint64_t> words(5, ~uint64_t{0});
  EXPECT_FALSE(matcher.Accept(vocabulary.stop));
  EXPECT_FALSE(matcher.Accept(-1));
  EXPECT_FALSE(matcher.Accept(100'000));
  EXPECT_TRUE(matcher.Accept('a'));
  EXPECT_TRUE(matcher.finished());
  EXPECT_FALSE(matcher.must_end());
  GrammarMatcher other = matcher;
  EXPECT_TRUE(other.Accept('b'));
  EXPECT_TRUE(other.must_end());
  other.Mask(words);
  for (int32_t id = 0; id < 320; ++id) {
    EXPECT_EQ((words[static_cast<size_t>(id / 64)] >> (id % 64) & 1) != 0, id == vocabulary.stop);
  }
  EXPECT_TRUE(matcher.Accept(vocabulary.stop));
  EXPECT_TRUE(matcher.must_end());
  EXPECT_FALSE(matcher.Accept('b'));
  EXPECT_FALSE(matcher.AcceptText("b"));
}

TEST(Matcher, HostileAmbiguityIsBounded) {
  TestVocabulary vocabulary(RandomTokens(2000, 3));
  const std::vector<std::string> grammars = {
      // Each level doubles the ways to be called.
      "root ::= r0\n" +
          [] {
            std::string text;
            for (int i = 0; i < 40; ++i) {
              text += fmt::format("r{} ::= r{} \"a\" | r{} \"b\" | \"a\" r{}\n", i, i + 1, i + 1,
                                  i + 1);
            }
            return text + "r40 ::= \"a\"\n";
          }(),
      // Powerset of 2^60.
      "root ::= [ab]* \"a\" [ab]{60}",
      "root ::= ((\"a\"? \"a\"?)* | (\"aa\" | \"a\")*)*",
      "root ::= s\ns ::= \"a\" s s | \"a\"",
      "root ::= (\"a\" | \"aa\"){5,100000}",
      "root ::= [ab]* (\"a\" [ab]{50,300000})*",
  };
  for (const std::string& text : grammars) {
    GrammarMatcher matcher = vocabulary.Match(Gbnf(text));
    std::vector<uint64_t> words(static_cast<size_t>((vocabulary.trie->vocab() + 63) / 64));
    for (uint64_t i = 0; i < 200 && !matcher.must_end(); ++i) {
      matcher.Mask(words);
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < vocabulary.stop; ++id) {
        if ((words[static_cast<size_t>(id / 64)] >> (id % 64) & 1) != 0) allowed.push_back(id);
      }
      ASSERT_TRUE(!allowed.empty() || matcher.finished()) << text.substr(0, 60) << " step " << i;
      if (allowed.empty()) break;
      ASSERT_TRUE(matcher.Accept(allowed[Rng(4, 9).Bits(i) % allowed.size()]));
    }
  }
}

TEST(Matcher, ForgetsAndGoesOn) {
  // Every character of this makes new configurations; the memory is bounded and masks stay right.
  TestVocabulary vocabulary(RandomTokens(300, 5));
  auto shared =
      std::make_shared<TokenGrammar>(Gbnf("root ::= ([ab]* \"a\" [ab]{60} \",\")*"),
                                     vocabulary.trie, std::vector<int32_t>{vocabulary.stop});
  GrammarMatcher matcher(shared);
  GrammarMatcher idle(shared);
  ASSERT_TRUE(idle.AcceptText("ab"));
  std::string text;
  int64_t most = 0;
  for (uint64_t i = 0; i < 250'000; ++i) {
    const char c = Rng(4, 9).Bits(i) % 2 == 0 ? 'a' : 'b';
    ASSERT_TRUE(matcher.AcceptText(std::string(1, c)));
    text += c;
    if (i % 500 == 0) most = std::max(most, shared->stats().bytes);
    if (i % 10'000 == 9999) {
      const bool may = text[text.size() - 61] == 'a';
      ASSERT_EQ(GrammarMatcher(matcher).AcceptText(","), may) << i;
    }
  }
  EXPECT_LT(most, int64_t{128} << 20);
  EXPECT_LT(shared->stats().configurations, 200'000);
  EXPECT_FALSE(GrammarMatcher(idle).AcceptText(","));
  EXPECT_TRUE(idle.AcceptText(std::string(59, 'b') + ","));
}

TEST(Matcher, ThreadsShareOneGrammar) {
  TestVocabulary vocabulary(RandomTokens(600, 1));
  auto shared = std::make_shared<TokenGrammar>(Gbnf(kJson), vocabulary.trie,
                                               std::vector<int32_t>{vocabulary.stop});
  const auto run = [&](uint64_t seed, std::string* out) {
    bool ended = false;
    *out = RandomText(shared, *vocabulary.trie, seed, 200, &ended);
  };
  std::vector<std::string> together(4);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) threads.emplace_back(run, i, &together[i]);
  for (std::thread& t : threads) t.join();
  for (uint64_t i = 0; i < 4; ++i) {
    std::string alone;
    run(i, &alone);
    EXPECT_EQ(alone, together[i]);
  }
}

TEST(Matcher, RealVocabulary) {
  const auto folder = std::filesystem::path(AHA_SOURCE_DIR) / "models" / "aha-countdown";
  const Result<Tokenizer> tokenizer = Tokenizer::FromFolder(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto trie = std::make_shared<const TokenTrie>(TokenTrie::FromTokenizer(*tokenizer));
  for (int32_t id = 0; id < trie->vocab(); ++id) {
    if (tokenizer->IsAdded(id)) {
      EXPECT_EQ(trie->Bytes(id), "");
    } else {
      EXPECT_EQ(trie->Bytes(id), tokenizer->TokenBytes(id));
    }
  }
  auto shared = std::make_shared<TokenGrammar>(Gbnf(kJson), trie, std::vector<int32_t>{0});
  for (uint64_t seed = 0; seed < 5; ++seed) {
    bool ended = false;
    const std::string text = RandomText(shared, *trie, seed, 60, &ended);
    ASSERT_TRUE(ended) << text;
    EXPECT_TRUE(Json::accept(text)) << text;
  }
}

TEST(TokenTrie, HoldsEveryTokenOnce) {
  const TokenTrie trie({"b", "", "ab", "a", "abc", "ab", "\xFF", "b"});
  std::vector<std::pair<std::string, std::vector<int32_t>>> seen;
  std::string path;
  const auto nodes = trie.nodes();
  for (int32_t i = 0; i < static_cast<int32_t>(nodes.size()); ++i) {
    const TokenTrie::Node& node = nodes[static_cast<size_t>(i)];
    path.resize(static_cast<size_t>(node.depth) - 1);
    path += static_cast<char>(node.byte);
    const auto ids = trie.TokensAt(i);
    seen.emplace_back(path, std::vector<int32_t>(ids.begin(), ids.end()));
  }
  const decltype(seen) want = {
      {"a", {3}}, {"ab", {2, 5}}, {"abc", {4}}, {"b", {0, 7}}, {"\xFF", {6}}};
  EXPECT_EQ(seen, want);
  EXPECT_EQ(nodes[0].next, 3);
  EXPECT_EQ(nodes[1].next, 3);
  EXPECT_EQ(nodes[3].next, 4);
  EXPECT_EQ(trie.most_bytes(), 3);
}

}  // namespace
}  // namespace aha
