// What a grammar costs: compiling it, the tree of a vocabulary, and masks, over a real vocabulary
// of 150k tokens where there is one (else the shipped model's).
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>

#include "base/test_data.h"
#include "grammar/matcher.h"

namespace aha {
namespace {

const Tokenizer& RealTokenizer() {
  static const Tokenizer* tokenizer = [] {
    const std::filesystem::path large = TestDataPath("tokenizers/qwen3");
    const auto shipped = std::filesystem::path(AHA_SOURCE_DIR) / "models" / "aha-countdown";
    Result<Tokenizer> made =
        Tokenizer::FromFolder(std::filesystem::exists(large) ? large : shipped);
    CHECK(made.ok(), made.status().message());
    return new Tokenizer(std::move(made).value());
  }();
  return *tokenizer;
}

std::shared_ptr<const TokenTrie> Trie() {
  static const auto trie =
      std::make_shared<const TokenTrie>(TokenTrie::FromTokenizer(RealTokenizer()));
  return trie;
}

// A tool call's parameters, as clients send them.
Json Person() {
  return Json::parse(R"({"type": "object", "properties": {
    "name": {"type": "string", "maxLength": 80}, "age": {"type": "integer", "minimum": 0, "maximum": 130},
    "role": {"enum": ["admin", "editor", "reader"]}, "email": {"type": "string", "format": "email"},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string",
      "pattern": "^[0-9]{5}$"}}, "required": ["street", "zip"]}}, "required": ["name", "age", "role"]})");
}
constexpr const char* kPerson =
    R"({"name": "Ada Lovelace, Countess of somewhere", "age": 36, "role": "editor", "email": "ada@example.org", )"
    R"("tags": ["mathematics", "engines", "a longer tag with some words in it"], )"
    R"("address": {"street": "12 St James's Square, \"London\"", "zip": "12345"}})";

Grammar Make(int kind) {
  if (kind == 0) return Grammar::JsonObject();
  Result<Grammar> made = Grammar::FromJsonSchema(Person());
  CHECK(made.ok(), made.status().message());
  return std::move(made).value();
}

std::vector<int32_t> Text() {
  Result<std::vector<int32_t>> ids = RealTokenizer().Encode(kPerson, {});
  CHECK(ids.ok(), ids.status().message());
  return std::move(ids).value();
}

void BM_BuildTrie(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(TokenTrie::FromTokenizer(RealTokenizer()));
  state.counters["tokens"] = Trie()->vocab();
  state.counters["nodes"] = static_cast<double>(Trie()->nodes().size());
}
BENCHMARK(BM_BuildTrie)->Unit(benchmark::kMillisecond);

void BM_Compile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Make(static_cast<int>(state.range(0))));
  state.SetLabel(state.range(0) == 0 ? "any object" : "schema");
}
BENCHMARK(BM_Compile)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

// A mask and an accepted token, over the whole text: each iteration begins with nothing remembered
// (the first request with a schema), or all (those after it).
void BM_Token(benchmark::State& state) {
  const std::vector<int32_t> ids = Text();
  const Grammar grammar = Make(static_cast<int>(state.range(0)));
  const bool warm = state.range(1) != 0;
  std::vector<uint64_t> words(static_cast<size_t>((Trie()->vocab() + 63) / 64));
  auto shared = std::make_shared<TokenGrammar>(grammar, Trie(), std::vector<int32_t>{0});
  for (auto _ : state) {
    if (!warm) {
      state.PauseTiming();
      shared = std::make_shared<TokenGrammar>(grammar, Trie(), std::vector<int32_t>{0});
      state.ResumeTiming();
    }
    GrammarMatcher matcher(shared);
    for (const int32_t id : ids) {
      matcher.Mask(words);
      CHECK(matcher.Accept(id), "the text is not of the grammar");
    }
    CHECK(matcher.finished(), "the text has no end");
  }
  const auto tokens = static_cast<double>(ids.size());
  state.counters["token"] = benchmark::Counter(
      tokens, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["tokens"] = tokens;
  state.counters["masks"] = static_cast<double>(shared->stats().masks);
  state.counters["MiB"] = static_cast<double>(shared->stats().bytes) / (1 << 20);
  state.SetLabel(std::string(state.range(0) == 0 ? "any object" : "schema") +
                 (warm ? ", again" : ", first"));
}
BENCHMARK(BM_Token)->ArgsProduct({{0, 1}, {0, 1}})->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace aha
