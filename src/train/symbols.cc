#include "train/symbols.h"

#include <algorithm>
#include <set>
#include <vector>

namespace aha {
namespace {

// A character as byte-level vocabularies spell it: GPT-2's alphabet moves blanks and controls up.
std::string Spelled(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 32) return std::string(1, c);
  const unsigned code = 256u + byte;  // below 33 the alphabet counts on from 256
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

std::string Escaped(const std::string& word) {
  std::string out;
  for (const char c : word) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace

Result<std::string> SymbolTokenizerJson(const TokenizerRecipe& recipe) {
  if (recipe.words.empty() && recipe.characters.empty()) {
    return InvalidArgument("[tokenizer] has neither words nor characters");
  }
  std::set<std::string> seen;
  Json vocab = Json::object();
  int64_t id = 0;
  std::string pattern;
  std::vector<std::string> tags = {recipe.pad, recipe.eos};
  for (const std::string& word : recipe.words) {
    const bool ascii = std::all_of(word.begin(), word.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 127; });
    if (word.empty() || !ascii || !seen.insert(word).second) {
      return InvalidArgument("[tokenizer] word '{}' is empty, there twice or not ASCII", word);
    }
    if (word.starts_with("<") && word.ends_with(">")) {
      tags.push_back(word);
      continue;
    }
    std::string spelled;
    for (const char c : word) spelled += Spelled(c);
    vocab[spelled] = id++;
    pattern += (pattern.empty() ? "" : "|") + Escaped(word);
  }
  for (const char c : recipe.characters) {
    if (static_cast<unsigned char>(c) > 126 || !seen.insert(std::string(1, c)).second) {
      return InvalidArgument("[tokenizer] character '{}' is there twice or not ASCII", c);
    }
    vocab[Spelled(c)] = id++;
  }
  // Behind the vocabulary, where Hugging Face's library numbers added tokens; in it they would be
  // found in a user's text.
  Json added = Json::array();
  for (size_t i = 0; i < tags.size(); ++i) {
    if (tags[i].empty() || (i < 2 && !seen.insert(tags[i]).second)) {
      return InvalidArgument("[tokenizer] token '{}' is empty or there twice", tags[i]);
    }
    added.push_back({{"id", id++},
                     {"content", tags[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", i < 2}});
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", false}};
  // Words stand alone, and what stands alone and is in the vocabulary is one token.
  Json pre_tokenizer = byte_level;
  if (!pattern.empty()) {
    pre_tokenizer = {{"type", "Sequence"},
                     {"pretokenizers",
                      {{{"type", "Split"},
                        {"pattern", {{"Regex", pattern}}},
                        {"behavior", "Isolated"},
                        {"invert", false}},
                       byte_level}}};
  }
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", pre_tokenizer},
                     {"post_processor", nullptr},
                     {"decoder", byte_level},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", true},
                       {"vocab", vocab},
                       {"merges", Json::array()}}}};
  return DumpJson(json, 2);
}

}  // namespace aha
