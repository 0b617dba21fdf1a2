// GGUF's vocabularies: tokens, types and merges, with a name for the pre-tokenizer.
#include <algorithm>
#include <set>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_spec.h"

namespace aha {
namespace {

constexpr const char* kDeepSeekDigits = R"(\p{N}{1,3})";
constexpr const char* kDeepSeekCjk = "[一-龥぀-ゟ゠-ヿ]+";
constexpr const char* kDeepSeekPattern = R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^)"
                                         "\r\n"
                                         R"(\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[)"
                                         "\r\n"
                                         R"(]*|\s*[)"
                                         "\r\n"
                                         R"(]+|\s+(?!\S)|\s+)";

struct Kind {
  const char* name;
  std::vector<const char*> patterns;
  bool nfc = false;
  bool ignore_merges = false;
};

// What llama.cpp's names stand for in Hugging Face's tokenizers.
const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"smollm", {R"(\p{N})", kGpt2Pattern}},
      {"qwen2", {kQwen2Pattern}, /*nfc=*/true},
      {"deepseek-r1-qwen", {kQwen2Pattern}},
      {"llama-bpe", {kLlama3Pattern}, false, /*ignore_merges=*/true},
      {"deepseek-v3", {kDeepSeekDigits, kDeepSeekCjk, kDeepSeekPattern}},
      {"gpt-2", {kGpt2Pattern}},
  };
  return kinds;
}

enum TokenType {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

}  // namespace

Result<TokenizerSpec> SpecFromVocabulary(const VocabularySource& source) {
  const auto& kinds = Kinds();
  const auto kind =
      std::find_if(kinds.begin(), kinds.end(), [&](const Kind& k) { return source.pre == k.name; });
  if (kind == kinds.end()) {
    std::string names;
    for (const Kind& k : kinds) names += std::string(names.empty() ? "" : ", ") + k.name;
    return InvalidArgument("tokenizer.ggml.pre is '{}'; known are {}", source.pre, names);
  }
  TokenizerSpec spec;
  spec.nfc = kind->nfc;
  spec.ignore_merges = kind->ignore_merges;
  for (const char* pattern : kind->patterns) spec.rules.push_back({.pattern = pattern});
  spec.tokens.resize(source.tokens.size());
  std::set<std::string_view> seen;
  for (size_t i = 0; i < source.tokens.size(); ++i) {
    const std::string& text = source.tokens[i];
    const int type = source.token_types.empty() ? kNormal : source.token_types[i];
    if (type == kUnused || text.empty()) continue;
    if (type == kControl || type == kUserDefined || type == kUnknown) {
      spec.added.push_back(
          {.id = static_cast<int32_t>(i), .content = text, .special = type != kUserDefined});
      continue;
    }
    if (!seen.insert(text).second) {
      return InvalidArgument("token '{}' is in the vocabulary twice", text);
    }
    auto bytes = UnspellBytes(text);
    spec.tokens[i] = bytes ? std::move(*bytes) : text;
  }
  for (const std::string& merge : source.merges) {
    const size_t space = merge.find(' ', 1);
    if (merge.empty() || space == std::string::npos) {
      return InvalidArgument("merge '{}' is not two tokens", merge);
    }
    const auto left = UnspellBytes(std::string_view(merge).substr(0, space));
    const auto right = UnspellBytes(std::string_view(merge).substr(space + 1));
    if (!left || !right) return InvalidArgument("merge '{}' is not spelled in bytes", merge);
    spec.merges.emplace_back(*left, *right);
  }
  const auto ends = [&](bool add, int64_t id, std::vector<int32_t>* out) {
    if (add && id >= 0 && id < static_cast<int64_t>(source.tokens.size())) {
      out->push_back(static_cast<int32_t>(id));
    }
  };
  ends(source.add_bos, source.bos, &spec.prefix_ids);
  ends(source.add_eos, source.eos, &spec.suffix_ids);
  return spec;
}

Result<VocabularySource> VocabularyFromSpec(const TokenizerSpec& spec) {
  VocabularySource out;
  for (const Kind& k : Kinds()) {
    const bool same = k.nfc == spec.nfc &&
                      std::equal(k.patterns.begin(), k.patterns.end(), spec.rules.begin(),
                                 spec.rules.end(), [](const char* pattern, const SplitRule& rule) {
                                   return rule.pattern == pattern && !rule.literal &&
                                          !rule.invert && rule.behavior == SplitBehavior::kIsolated;
                                 });
    if (same) out.pre = k.name;
  }
  if (out.pre.empty() || spec.add_prefix_space) {
    return InvalidArgument("GGUF has no name for this tokenizer's pre-tokenizer");
  }
  size_t size = spec.tokens.size();
  for (const AddedToken& t : spec.added) size = std::max(size, static_cast<size_t>(t.id) + 1);
  out.tokens.resize(size);
  out.token_types.assign(size, kUnused);
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    if (spec.tokens[i].empty()) continue;
    out.tokens[i] = SpellBytes(spec.tokens[i]);
    out.token_types[i] = kNormal;
  }
  for (const AddedToken& t : spec.added) {
    out.tokens[static_cast<size_t>(t.id)] = t.content;
    out.token_types[static_cast<size_t>(t.id)] = t.special ? kControl : kUserDefined;
  }
  for (size_t i = 0; i < size; ++i) {
    if (out.tokens[i].empty()) out.tokens[i] = "[PAD" + std::to_string(i) + "]";
  }
  for (const auto& [left, right] : spec.merges) {
    out.merges.push_back(SpellBytes(left) + " " + SpellBytes(right));
  }
  out.add_bos = !spec.prefix_ids.empty();
  out.add_eos = !spec.suffix_ids.empty();
  if (out.add_bos) out.bos = spec.prefix_ids.front();
  if (out.add_eos) out.eos = spec.suffix_ids.front();
  return out;
}

}  // namespace aha
