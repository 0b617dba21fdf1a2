#include "train/symbols.h"

#include <set>

namespace aha {
namespace {

// A character as byte-level vocabularies spell it: GPT-2's alphabet moves blanks and controls up.
std::string Spelled(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 32) return std::string(1, c);
  const unsigned code = 256u + byte;  // below 33 the alphabet counts on from 256
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

}  // namespace

Result<std::string> SymbolTokenizerJson(const TokenizerRecipe& recipe) {
  if (recipe.words.empty() && recipe.characters.empty()) {
    return InvalidArgument("[tokenizer] has neither words nor characters");
  }
  std::set<std::string> seen;
  Json vocab = Json::object();
  Json added = Json::array();
  int64_t id = 0;
  const auto add = [&](const std::string& text, bool special) -> Status {
    if (text.empty() || !seen.insert(text).second) {
      return InvalidArgument("[tokenizer] symbol '{}' is empty or there twice", text);
    }
    added.push_back({{"id", id++},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
    return OkStatus();
  };
  // Added tokens that the vocabulary holds keep their ids when Hugging Face's library loads them.
  AHA_RETURN_IF_ERROR(add(recipe.pad, true));
  AHA_RETURN_IF_ERROR(add(recipe.eos, true));
  for (const std::string& word : recipe.words) AHA_RETURN_IF_ERROR(add(word, false));
  for (const Json& token : added) vocab[token["content"].get<std::string>()] = token["id"];
  for (const char c : recipe.characters) {
    if (static_cast<unsigned char>(c) > 126 || !seen.insert(std::string(1, c)).second) {
      return InvalidArgument("[tokenizer] character '{}' is there twice or not ASCII", c);
    }
    vocab[Spelled(c)] = id++;
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", false}};
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level},
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
                       {"ignore_merges", false},
                       {"vocab", vocab},
                       {"merges", Json::array()}}}};
  return DumpJson(json, 2);
}

}  // namespace aha
