// Grammars, schemas and patterns from strangers: whatever the bytes, compiling ends with a grammar
// or a sentence; a grammar's masks are what trying each token says, and are never blank. Seeds:
// testdata/fuzz_grammar.
#include <cstdint>

#include "base/check.h"
#include "grammar/matcher.h"
#include "grammar/test_vocabulary.h"

namespace {

aha::Result<aha::Grammar> Compile(uint8_t kind, std::string_view text) {
  if (kind % 3 == 0) return aha::Grammar::FromGbnf(text);
  if (kind % 3 == 1) {
    aha::Result<aha::Json> json = aha::ParseJson(text);
    if (!json.ok()) return json.status();
    return aha::Grammar::FromJsonSchema(*json);
  }
  return aha::Grammar::FromJsonSchema(
      aha::Json{{"type", "string"}, {"pattern", std::string(text)}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* vocabulary = new aha::TestVocabulary(
      {"ab", "\"a", "\": ", "{\"", "12", "aaaa", "\xC3\xA9", "\xE2\x82", "}}", "\n  "});
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto grammar = Compile(data[0], text);
  if (!grammar.ok()) {
    CHECK(!grammar.status().message().empty(), "an error without a message");
    return 0;
  }
  aha::GrammarMatcher matcher = vocabulary->Match(*grammar);
  std::vector<uint64_t> words(static_cast<size_t>((vocabulary->trie->vocab() + 63) / 64));
  for (uint64_t i = 0; i < 24 && !matcher.must_end(); ++i) {
    matcher.Mask(words);
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < vocabulary->stop; ++id) {
      const bool bit = (words[static_cast<size_t>(id / 64)] >> (id % 64) & 1) != 0;
      if (bit) allowed.push_back(id);
      if (i % 8 == 0) {
        aha::GrammarMatcher tried = matcher;
        CHECK(tried.Accept(id) || !bit, "a mask allows a wrong token");
      }
    }
    CHECK(!allowed.empty() || matcher.finished(), "a blank mask");
    if (allowed.empty()) break;
    const int32_t id = allowed[aha::Rng(data[1], 7).Bits(i) % allowed.size()];
    CHECK(matcher.Accept(id), "an allowed token is refused");
  }
  return 0;
}
