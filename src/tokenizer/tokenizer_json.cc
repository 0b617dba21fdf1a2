// tokenizer.json, read and written.
#include <unordered_set>

#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_spec.h"

namespace aha {
namespace {

// Ids beyond this would make a vocabulary of holes.
constexpr int64_t kMostIds = 4'000'000;

Status Unsupported(const char* what, const Json& json) {
  return InvalidArgument("{} '{}' is not supported", what, json.value("type", "?"));
}

// "type" of an object; "" for null. Error for anything else.
Result<std::string> TypeOf(const Json* json, const char* what) {
  if (json == nullptr) return std::string();
  if (!json->is_object()) return InvalidArgument("{} is {}, not an object", what, DumpJson(*json));
  return GetString(*json, "type");
}

Result<bool> BoolOr(const Json& json, const char* key, bool fallback) {
  return FindKey(json, key) == nullptr ? Result<bool>(fallback) : GetBool(json, key);
}

Result<int32_t> TokenId(const Json& json, std::string_view token) {
  if (!json.is_number_integer()) {
    return InvalidArgument("token '{}': id {} is no integer", token, DumpJson(json));
  }
  const auto id = json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX
                      ? INT64_MAX
                      : json.get<int64_t>();
  if (id < 0 || id >= kMostIds) {
    return InvalidArgument("token '{}': id {} is not from 0 to {}", token, DumpJson(json),
                           kMostIds - 1);
  }
  return static_cast<int32_t>(id);
}

// Bytes of a token as spelled in the vocabulary; a token outside the byte alphabet is its own text.
std::string TokenBytes(const std::string& spelled) {
  auto bytes = UnspellBytes(spelled);
  return bytes ? std::move(*bytes) : spelled;
}

Status ReadNormalizer(const Json* json, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const std::string type, TypeOf(json, "normalizer"));
  if (type.empty()) return OkStatus();
  if (type == "NFC") {
    spec->nfc = true;
    return OkStatus();
  }
  if (type != "Sequence") return Unsupported("normalizer", *json);
  const Json* list = FindKey(*json, "normalizers");
  if (list == nullptr || !list->is_array()) return InvalidArgument("normalizers is not an array");
  for (const Json& one : *list) {
    AHA_ASSIGN_OR_RETURN(const std::string inner, TypeOf(&one, "normalizer"));
    if (inner != "NFC") return Unsupported("normalizer", one);
    spec->nfc = true;
  }
  return OkStatus();
}

Result<SplitBehavior> Behavior(const std::string& name) {
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return InvalidArgument("pre-tokenizer Split: behavior '{}' is unknown", name);
}

Status ReadSplit(const Json& json, TokenizerSpec* spec) {
  SplitRule rule;
  const Json* pattern = FindKey(json, "pattern");
  if (pattern == nullptr || !pattern->is_object()) return InvalidArgument("Split without pattern");
  rule.literal = FindKey(*pattern, "String") != nullptr;
  AHA_ASSIGN_OR_RETURN(rule.pattern, GetString(*pattern, rule.literal ? "String" : "Regex"));
  AHA_ASSIGN_OR_RETURN(const std::string behavior, GetString(json, "behavior"));
  AHA_ASSIGN_OR_RETURN(rule.behavior, Behavior(behavior));
  AHA_ASSIGN_OR_RETURN(rule.invert, BoolOr(json, "invert", false));
  spec->rules.push_back(std::move(rule));
  return OkStatus();
}

// `byte_level` comes back true when a ByteLevel step spells the bytes: without one the vocabulary
// is of another kind.
Status ReadPreTokenizer(const Json& json, bool* byte_level, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const std::string type, TypeOf(&json, "pre_tokenizer"));
  if (type == "Split") return ReadSplit(json, spec);
  if (type == "Digits") {
    AHA_ASSIGN_OR_RETURN(const bool each, BoolOr(json, "individual_digits", false));
    spec->rules.push_back({.pattern = each ? R"(\p{N})" : R"(\p{N}+)"});
    return OkStatus();
  }
  if (type == "ByteLevel") {
    *byte_level = true;
    AHA_ASSIGN_OR_RETURN(const bool regex, BoolOr(json, "use_regex", true));
    AHA_ASSIGN_OR_RETURN(spec->add_prefix_space, BoolOr(json, "add_prefix_space", true));
    if (regex) spec->rules.push_back({.pattern = kGpt2Pattern});
    return OkStatus();
  }
  if (type != "Sequence") return Unsupported("pre_tokenizer", json);
  const Json* list = FindKey(json, "pretokenizers");
  if (list == nullptr || !list->is_array()) return InvalidArgument("pretokenizers is not an array");
  for (const Json& one : *list) {
    if (one.is_object() && one.value("type", "") == "Sequence") {
      return InvalidArgument("a Sequence of pre-tokenizers inside another is not supported");
    }
    AHA_RETURN_IF_ERROR(ReadPreTokenizer(one, byte_level, spec));
  }
  return OkStatus();
}

Status ReadTemplate(const Json& json, TokenizerSpec* spec) {
  const Json* single = FindKey(json, "single");
  const Json* tokens = FindKey(json, "special_tokens");
  if (single == nullptr || !single->is_array()) {
    return InvalidArgument("post_processor: single is not an array");
  }
  std::vector<int32_t>* side = &spec->prefix_ids;
  for (const Json& item : *single) {
    if (FindKey(item, "Sequence") != nullptr) {
      side = &spec->suffix_ids;
      continue;
    }
    const Json* special = FindKey(item, "SpecialToken");
    if (special == nullptr) return InvalidArgument("post_processor: {}", DumpJson(item));
    AHA_ASSIGN_OR_RETURN(const std::string name, GetString(*special, "id"));
    const Json* entry = tokens == nullptr ? nullptr : FindKey(*tokens, name.c_str());
    const Json* ids = entry == nullptr ? nullptr : FindKey(*entry, "ids");
    if (ids == nullptr || !ids->is_array()) {
      return InvalidArgument("post_processor: special token '{}' has no ids", name);
    }
    for (const Json& id : *ids) {
      AHA_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, name));
      side->push_back(value);
    }
  }
  return OkStatus();
}

Status ReadPostProcessor(const Json* json, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const std::string type, TypeOf(json, "post_processor"));
  if (type.empty() || type == "ByteLevel") return OkStatus();  // offsets only
  if (type == "TemplateProcessing") return ReadTemplate(*json, spec);
  if (type != "Sequence") return Unsupported("post_processor", *json);
  const Json* list = FindKey(*json, "processors");
  if (list == nullptr || !list->is_array()) return InvalidArgument("processors is not an array");
  for (const Json& one : *list) {
    AHA_ASSIGN_OR_RETURN(const std::string inner, TypeOf(&one, "post_processor"));
    if (inner == "ByteLevel") continue;
    if (inner != "TemplateProcessing") return Unsupported("post_processor", one);
    AHA_RETURN_IF_ERROR(ReadTemplate(one, spec));
  }
  return OkStatus();
}

Status PutToken(int32_t id, std::string bytes, TokenizerSpec* spec) {
  const auto at = static_cast<size_t>(id);
  if (at >= spec->tokens.size()) spec->tokens.resize(at + 1);
  if (!spec->tokens[at].empty()) {
    return InvalidArgument("id {} has two tokens, '{}' and '{}'", id, SpellBytes(spec->tokens[at]),
                           SpellBytes(bytes));
  }
  spec->tokens[at] = std::move(bytes);
  return OkStatus();
}

Result<std::pair<std::string, std::string>> ReadMerge(const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(TokenBytes(merge[0]), TokenBytes(merge[1]));
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return std::pair(TokenBytes(text.substr(0, space)), TokenBytes(text.substr(space + 1)));
    }
  }
  return InvalidArgument("merge {} is not two tokens", DumpJson(merge));
}

Status ReadModel(const Json* model, TokenizerSpec* spec) {
  AHA_ASSIGN_OR_RETURN(const std::string type, TypeOf(model, "model"));
  if (type != "BPE") {
    return InvalidArgument("model type '{}' is not supported, only byte-level BPE is", type);
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json* value = FindKey(*model, key);
    if (value != nullptr && *value != "") {
      return InvalidArgument("model: {} '{}' is not supported", key, DumpJson(*value));
    }
  }
  AHA_ASSIGN_OR_RETURN(spec->ignore_merges, BoolOr(*model, "ignore_merges", false));
  const Json* vocab = FindKey(*model, "vocab");
  if (vocab == nullptr || !vocab->is_object()) return InvalidArgument("model: vocab is missing");
  for (const auto& [token, id] : vocab->items()) {
    AHA_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, token));
    if (token.empty()) continue;
    // A token outside the byte alphabet is its own text; it must not be another token's bytes too.
    std::optional<std::string> bytes = UnspellBytes(token);
    if (!bytes && vocab->contains(SpellBytes(token))) {
      return InvalidArgument("model: vocab holds '{}' and '{}', which are the same bytes", token,
                             SpellBytes(token));
    }
    AHA_RETURN_IF_ERROR(PutToken(value, bytes ? std::move(*bytes) : token, spec));
  }
  const Json* merges = FindKey(*model, "merges");
  if (merges == nullptr || !merges->is_array()) return InvalidArgument("model: merges is missing");
  spec->merges.reserve(merges->size());
  for (const Json& merge : *merges) {
    AHA_ASSIGN_OR_RETURN(auto pair, ReadMerge(merge));
    spec->merges.push_back(std::move(pair));
  }
  return OkStatus();
}

Status ReadAddedTokens(const Json* list, TokenizerSpec* spec) {
  if (list == nullptr) return OkStatus();
  if (!list->is_array()) return InvalidArgument("added_tokens is not an array");
  std::unordered_set<int32_t> ids;
  std::unordered_set<std::string> texts;
  for (const Json& json : *list) {
    AddedToken t;
    AHA_ASSIGN_OR_RETURN(t.content, GetString(json, "content"));
    const Json* id = FindKey(json, "id");
    if (id == nullptr) return InvalidArgument("added token '{}' has no id", t.content);
    AHA_ASSIGN_OR_RETURN(t.id, TokenId(*id, t.content));
    AHA_ASSIGN_OR_RETURN(t.special, BoolOr(json, "special", false));
    AHA_ASSIGN_OR_RETURN(t.single_word, BoolOr(json, "single_word", false));
    AHA_ASSIGN_OR_RETURN(t.lstrip, BoolOr(json, "lstrip", false));
    AHA_ASSIGN_OR_RETURN(t.rstrip, BoolOr(json, "rstrip", false));
    AHA_ASSIGN_OR_RETURN(t.normalized, BoolOr(json, "normalized", false));
    if (t.content.empty()) return InvalidArgument("added token {} is empty", t.id);
    const auto at = static_cast<size_t>(t.id);
    if (at < spec->tokens.size() && !spec->tokens[at].empty() && spec->tokens[at] != t.content &&
        spec->tokens[at] != TokenBytes(t.content)) {
      return InvalidArgument("added token '{}' has id {}, which is '{}' in the vocabulary",
                             t.content, t.id, SpellBytes(spec->tokens[at]));
    }
    if (!ids.insert(t.id).second || !texts.insert(t.content).second) {
      return InvalidArgument("added token '{}' ({}): its id or its text is there twice", t.content,
                             t.id);
    }
    spec->added.push_back(std::move(t));
  }
  return OkStatus();
}

Json AddedTokensJson(const TokenizerSpec& spec) {
  Json list = Json::array();
  for (const AddedToken& t : spec.added) {
    list.push_back({{"id", t.id},
                    {"content", t.content},
                    {"single_word", t.single_word},
                    {"lstrip", t.lstrip},
                    {"rstrip", t.rstrip},
                    {"normalized", t.normalized},
                    {"special", t.special}});
  }
  return list;
}

Json PreTokenizerJson(const TokenizerSpec& spec) {
  static constexpr const char* kNames[] = {"Isolated", "Removed", "MergedWithPrevious",
                                           "MergedWithNext", "Contiguous"};
  Json list = Json::array();
  for (const SplitRule& rule : spec.rules) {
    list.push_back({{"type", "Split"},
                    {"pattern", {{rule.literal ? "String" : "Regex", rule.pattern}}},
                    {"behavior", kNames[static_cast<size_t>(rule.behavior)]},
                    {"invert", rule.invert}});
  }
  list.push_back({{"type", "ByteLevel"},
                  {"add_prefix_space", spec.add_prefix_space},
                  {"trim_offsets", true},
                  {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", list}};
}

// What a token is called in TemplateProcessing: its text, which the file must also hold.
std::string NameOf(const TokenizerSpec& spec, int32_t id) {
  for (const AddedToken& t : spec.added) {
    if (t.id == id) return t.content;
  }
  return static_cast<size_t>(id) < spec.tokens.size()
             ? SpellBytes(spec.tokens[static_cast<size_t>(id)])
             : std::to_string(id);
}

Json PostProcessorJson(const TokenizerSpec& spec) {
  Json byte_level = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", false},
                     {"use_regex", true}};
  if (spec.prefix_ids.empty() && spec.suffix_ids.empty()) return byte_level;
  Json single = Json::array();
  Json pair = Json::array();
  Json tokens = Json::object();
  const auto put = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      const std::string name = NameOf(spec, id);
      for (Json* list : {&single, &pair}) {
        list->push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
      }
      tokens[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    }
  };
  put(spec.prefix_ids);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  put(spec.suffix_ids);
  return {{"type", "Sequence"},
          {"processors",
           {byte_level,
            {{"type", "TemplateProcessing"},
             {"single", single},
             {"pair", pair},
             {"special_tokens", tokens}}}}};
}

}  // namespace

Result<TokenizerSpec> ParseTokenizerJson(std::string_view text) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  if (!json.is_object()) return InvalidArgument("not a JSON object");
  TokenizerSpec spec;
  AHA_RETURN_IF_ERROR(ReadModel(FindKey(json, "model"), &spec));
  AHA_RETURN_IF_ERROR(ReadAddedTokens(FindKey(json, "added_tokens"), &spec));
  AHA_RETURN_IF_ERROR(ReadNormalizer(FindKey(json, "normalizer"), &spec));
  bool byte_level = false;
  const Json* pre = FindKey(json, "pre_tokenizer");
  if (pre != nullptr) AHA_RETURN_IF_ERROR(ReadPreTokenizer(*pre, &byte_level, &spec));
  if (!byte_level) {
    return InvalidArgument("pre_tokenizer has no ByteLevel step: only byte-level BPE is supported");
  }
  AHA_RETURN_IF_ERROR(ReadPostProcessor(FindKey(json, "post_processor"), &spec));
  const Json* decoder = FindKey(json, "decoder");
  AHA_ASSIGN_OR_RETURN(const std::string type, TypeOf(decoder, "decoder"));
  if (!type.empty() && type != "ByteLevel") return Unsupported("decoder", *decoder);
  return spec;
}

std::string WriteTokenizerJson(const TokenizerSpec& spec) {
  Json vocab = Json::object();
  auto& entries =
      static_cast<Json::object_t::Container&>(vocab.get_ref<Json::object_t&>());  // keys are unique
  // Hugging Face's library numbers an added token that the vocabulary lacks behind all others,
  // whatever id the file says: those in its midst must stand in it.
  std::vector<std::string> texts;
  for (const std::string& bytes : spec.tokens) texts.push_back(SpellBytes(bytes));
  for (const AddedToken& t : spec.added) {
    if (static_cast<size_t>(t.id) < texts.size()) texts[static_cast<size_t>(t.id)] = t.content;
  }
  for (size_t id = 0; id < texts.size(); ++id) {
    if (!texts[id].empty()) entries.emplace_back(texts[id], id);
  }
  Json merges = Json::array();
  for (const auto& [left, right] : spec.merges) {
    merges.push_back({SpellBytes(left), SpellBytes(right)});
  }
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", AddedTokensJson(spec)},
                     {"normalizer", spec.nfc ? Json{{"type", "NFC"}} : Json()},
                     {"pre_tokenizer", PreTokenizerJson(spec)},
                     {"post_processor", PostProcessorJson(spec)},
                     {"decoder",
                      {{"type", "ByteLevel"},
                       {"add_prefix_space", true},
                       {"trim_offsets", true},
                       {"use_regex", true}}},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", spec.ignore_merges},
                       {"vocab", std::move(vocab)},
                       {"merges", std::move(merges)}}}};
  return DumpJson(json, 1) + "\n";
}

}  // namespace aha
