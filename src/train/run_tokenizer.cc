// A run's tokenizer: the base model's, one of symbols, one from a file, or one that is learned from
// the data that the model will read first.
#include <algorithm>

#include "base/files.h"
#include "library/library.h"
#include "tokenizer/bpe_trainer.h"
#include "train/documents.h"
#include "train/run.h"
#include "train/symbols.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

// <think>, </answer>: what a text is made of, and so not left out of it when it is shown or graded.
// Anything else, <|user|> too, is control. (Qwen3's and DeepSeek-R1's files draw the same line.)
bool IsTag(std::string_view text) {
  if (!text.starts_with('<') || !text.ends_with('>')) return false;
  text = text.substr(1, text.size() - 2);
  if (text.starts_with('/')) text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

std::vector<AddedToken> AddedTokens(const TokenizerRecipe& t) {
  std::vector<AddedToken> added = {{.content = t.pad, .special = true},
                                   {.content = t.eos, .special = true}};
  for (const std::string& text : t.special) {
    if (text != t.pad && text != t.eos) added.push_back({.content = text, .special = !IsTag(text)});
  }
  return added;
}

// The data of the first stage that reads documents.
const SupervisedRecipe* FirstDocuments(const Recipe& recipe) {
  for (const Stage& stage : recipe.stages) {
    if (const auto* s = std::get_if<SupervisedRecipe>(&stage.what)) return s;
  }
  return nullptr;
}

Result<std::string> LearnBpe(const RunParts& parts) {
  const TokenizerRecipe& t = parts.recipe.tokenizer;
  const SupervisedRecipe* stage = FirstDocuments(parts.recipe);
  if (stage == nullptr) {
    return InvalidArgument(
        "kind bpe learns from a pretrain or sft stage's data, and there is none");
  }
  static constexpr const char* const* kPatterns[] = {&kQwen2Pattern, &kLlama3Pattern,
                                                     &kGpt2Pattern};
  AHA_ASSIGN_OR_RETURN(BpeTrainer trainer,
                       BpeTrainer::Create({.vocab_size = t.vocab_size,
                                           .added = AddedTokens(t),
                                           .pattern = *kPatterns[static_cast<size_t>(t.pattern)],
                                           .min_frequency = t.min_frequency}));
  AHA_RETURN_IF_ERROR(ForEachText(stage->data, parts.chat ? &*parts.chat : nullptr,
                                  parts.recipe.seed, t.documents, [&](const TrainingText& text) {
                                    std::string whole;
                                    for (const auto& segment : text.segments) {
                                      for (const auto& piece : segment.pieces) whole += piece.text;
                                    }
                                    return trainer.Add(whole);
                                  }));
  return trainer.Train();
}

Result<std::string> NewTokenizerJson(const RunParts& parts) {
  const TokenizerRecipe& t = parts.recipe.tokenizer;
  switch (t.kind) {
    case TokenizerRecipe::Kind::kSymbols:
      return SymbolTokenizerJson(t);
    case TokenizerRecipe::Kind::kFile:
      return ReadFile(t.path, 100'000'000);
    case TokenizerRecipe::Kind::kBpe:
      break;
  }
  Result<std::string> json = LearnBpe(parts);
  if (!json.ok()) return json.status().Within("[tokenizer]");
  return json;
}

// The recipe's template, if it has one.
Status TakeTemplate(const SpecialTokenTexts& tokens, RunParts* parts) {
  const std::string& source = parts->recipe.tokenizer.chat_template;
  if (source.empty()) return OkStatus();
  Result<ChatTemplate> chat = ChatTemplate::Parse(source, tokens);
  if (!chat.ok()) return chat.status().Within("[tokenizer] chat_template");
  parts->chat = *std::move(chat);
  return OkStatus();
}

Status TakeBaseTokenizer(RunParts* parts, SpecialTokenTexts* tokens) {
  const fs::path& path = parts->base.path;
  AHA_ASSIGN_OR_RETURN(OpenedTokenizer opened, OpenTokenizer(path));
  parts->tokenizer = std::make_unique<Tokenizer>(std::move(opened.tokenizer));
  parts->chat = std::move(opened.chat);
  *tokens = std::move(opened.tokens);
  const Json* eos = FindKey(parts->base.files->config(), "eos_token_id");
  if (eos == nullptr) return InvalidArgument("{} does not say its eos_token_id", path.string());
  for (const Json& id : eos->is_array() ? *eos : Json::array({*eos})) {
    const int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (value < 0 || value >= parts->tokenizer->vocab_size()) {
      return InvalidArgument("{}: eos_token_id {} is no token", path.string(), DumpJson(id));
    }
    parts->stop_ids.push_back(static_cast<int32_t>(value));
  }
  if (parts->stop_ids.empty()) return InvalidArgument("{}: eos_token_id is empty", path.string());
  parts->eos = parts->stop_ids.front();
  // And what ends an answer for `aha ask`: the ends of turns of chat models.
  for (const int32_t id : StopIds(*parts->base.files, *parts->tokenizer)) {
    if (std::find(parts->stop_ids.begin(), parts->stop_ids.end(), id) == parts->stop_ids.end()) {
      parts->stop_ids.push_back(id);
    }
  }
  if (tokens->eos_token.empty()) tokens->eos_token = parts->tokenizer->TokenBytes(parts->eos);
  return TakeTemplate(*tokens, parts);
}

Status MakeNewTokenizer(RunParts* parts, SpecialTokenTexts* tokens) {
  const TokenizerRecipe& t = parts->recipe.tokenizer;
  *tokens = {.bos_token = "", .eos_token = t.eos, .pad_token = t.pad, .unk_token = ""};
  AHA_RETURN_IF_ERROR(TakeTemplate(*tokens, parts));
  AHA_ASSIGN_OR_RETURN(const std::string json, NewTokenizerJson(*parts));
  AHA_ASSIGN_OR_RETURN(Tokenizer made, Tokenizer::FromJson(json));
  parts->tokenizer = std::make_unique<Tokenizer>(std::move(made));
  const std::optional<int32_t> eos = parts->tokenizer->IdOf(t.eos);
  if (!eos) return InvalidArgument("[tokenizer] has no token '{}' to end with", t.eos);
  parts->eos = *eos;
  parts->stop_ids = {*eos};
  return OkStatus();
}

}  // namespace

Status MakeTokenizer(RunParts& parts) {
  SpecialTokenTexts tokens;
  AHA_RETURN_IF_ERROR(parts.base.files != nullptr ? TakeBaseTokenizer(&parts, &tokens)
                                                  : MakeNewTokenizer(&parts, &tokens));
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  const std::pair<const char*, const std::string*> named[] = {{"bos_token", &tokens.bos_token},
                                                              {"eos_token", &tokens.eos_token},
                                                              {"pad_token", &tokens.pad_token}};
  for (const auto& [key, text] : named) {
    if (!text->empty()) config[key] = *text;
  }
  config["clean_up_tokenization_spaces"] = false;
  if (parts.chat) config["chat_template"] = parts.chat->source();
  parts.tokenizer_files = {parts.tokenizer->ToJson(), DumpJson(config, 2) + "\n"};
  return OkStatus();
}

}  // namespace aha
