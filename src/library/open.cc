// Opening a model whole: files, tokenizer, template, settings.
#include <algorithm>

#include "base/files.h"
#include "library/library.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kLargestJson = 100'000'000;

// A special token's text in tokenizer_config.json: a string, or an object with `content`.
std::string TokenText(const Json& config, const char* key) {
  const Json* value = FindKey(config, key);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  const Json* content = FindKey(*value, "content");
  return content != nullptr && content->is_string() ? content->get<std::string>() : "";
}

// chat_template: a string, or a list of {name, template}, of which `default` counts.
std::string TemplateText(const Json& config) {
  const Json* value = FindKey(config, "chat_template");
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) return {};
  for (const Json& entry : *value) {
    if (entry.is_object() && entry.value("name", "") == "default") {
      return TokenText(entry, "template");
    }
  }
  return {};
}

Result<std::optional<ChatTemplate>> ParseTemplate(const std::string& source,
                                                  const SpecialTokenTexts& tokens) {
  if (source.empty()) return std::optional<ChatTemplate>();
  Result<ChatTemplate> chat = ChatTemplate::Parse(source, tokens);
  if (!chat.ok()) return chat.status().Within("chat template");
  return std::optional<ChatTemplate>(std::move(*chat));
}

Result<Json> ReadJsonIfThere(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestJson));
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.status().Within(path.string());
  return json;
}

Result<OpenedTokenizer> TokenizerOfFolder(const fs::path& folder) {
  AHA_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::FromFolder(folder));
  AHA_ASSIGN_OR_RETURN(const Json config, ReadJsonIfThere(folder / "tokenizer_config.json"));
  const SpecialTokenTexts tokens = {TokenText(config, "bos_token"), TokenText(config, "eos_token"),
                                    TokenText(config, "pad_token"), TokenText(config, "unk_token")};
  std::string source = TemplateText(config);
  if (fs::exists(folder / "chat_template.jinja")) {
    AHA_ASSIGN_OR_RETURN(source, ReadFile(folder / "chat_template.jinja", kLargestJson));
  }
  AHA_ASSIGN_OR_RETURN(std::optional<ChatTemplate> chat, ParseTemplate(source, tokens));
  return OpenedTokenizer{std::move(tokenizer), std::move(chat), tokens};
}

Result<OpenedTokenizer> TokenizerOfGguf(const GgufVocabulary& v) {
  if (v.model != "gpt2") {
    return InvalidArgument(
        "tokenizer.ggml.model is '{}'; only byte-level BPE ('gpt2') is supported", v.model);
  }
  AHA_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::FromVocabulary({.pre = v.pre,
                                                                       .tokens = v.tokens,
                                                                       .token_types = v.token_types,
                                                                       .merges = v.merges,
                                                                       .bos = v.bos,
                                                                       .eos = v.eos,
                                                                       .add_bos = v.add_bos,
                                                                       .add_eos = v.add_eos}));
  const auto text = [&](int64_t id) {
    return id < 0 || id >= tokenizer.vocab_size()
               ? std::string()
               : std::string(tokenizer.TokenBytes(static_cast<int32_t>(id)));
  };
  const SpecialTokenTexts tokens = {text(v.bos), text(v.eos), text(v.pad), text(v.unk)};
  AHA_ASSIGN_OR_RETURN(std::optional<ChatTemplate> chat, ParseTemplate(v.chat_template, tokens));
  return OpenedTokenizer{std::move(tokenizer), std::move(chat), tokens};
}

void AddIds(const Json* value, int32_t vocab, std::vector<int32_t>* ids) {
  if (value == nullptr) return;
  if (value->is_array()) {
    for (const Json& one : *value) AddIds(&one, vocab, ids);
  } else if (value->is_number_integer()) {
    const auto id = value->get<int64_t>();
    if (id >= 0 && id < vocab && std::find(ids->begin(), ids->end(), id) == ids->end()) {
      ids->push_back(static_cast<int32_t>(id));
    }
  }
}

template <typename T>
void Set(const Json& config, const char* key, std::optional<T>* out) {
  const Json* value = FindKey(config, key);
  if (value != nullptr && value->is_number()) *out = value->get<T>();
}

GenerationDefaults DefaultsOf(const Json& config) {
  GenerationDefaults d;
  const Json* sample = FindKey(config, "do_sample");
  if (sample != nullptr && *sample == false) {
    d.temperature = 0.0f;
    return d;
  }
  Set(config, "temperature", &d.temperature);
  Set(config, "top_p", &d.top_p);
  Set(config, "top_k", &d.top_k);
  Set(config, "min_p", &d.min_p);
  Set(config, "repetition_penalty", &d.repetition_penalty);
  return d;
}

// An adapter's folder may have a tokenizer of its own.
Result<OpenedTokenizer> TokenizerOf(const fs::path& path, const ModelFiles& files) {
  if (fs::exists(path / "tokenizer.json")) return TokenizerOfFolder(path);
  if (files.gguf_vocabulary() == nullptr) return TokenizerOfFolder(files.path());
  Result<OpenedTokenizer> opened = TokenizerOfGguf(*files.gguf_vocabulary());
  if (!opened.ok()) return opened.status().Within(path.string());
  return opened;
}

}  // namespace

Result<OpenedTokenizer> OpenTokenizer(const fs::path& path) {
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  if (folder && (fs::exists(path / "tokenizer.json") || !IsAdapterFolder(path))) {
    return TokenizerOfFolder(path);
  }
  AHA_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelFiles(path));
  return TokenizerOf(path, files);
}

std::vector<int32_t> StopIds(const ModelFiles& files, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  const int32_t vocab = tokenizer.vocab_size();
  AddIds(FindKey(files.generation_config(), "eos_token_id"), vocab, &ids);
  AddIds(FindKey(files.config(), "eos_token_id"), vocab, &ids);
  if (const GgufVocabulary* v = files.gguf_vocabulary()) {
    for (const Json& id : {Json(v->eos), Json(v->eot)}) AddIds(&id, vocab, &ids);
  }
  for (const char* end : {"<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>", "<|endoftext|>"}) {
    const std::optional<int32_t> id = tokenizer.IdOf(end);
    if (id && tokenizer.IsSpecial(*id)) {
      const Json json = *id;
      AddIds(&json, vocab, &ids);
    }
  }
  return ids;
}

Result<std::unique_ptr<TextModel>> OpenTextModel(const fs::path& path) {
  AHA_ASSIGN_OR_RETURN(ModelFiles files, OpenModelFiles(path));
  AHA_ASSIGN_OR_RETURN(OpenedTokenizer tokenizer, TokenizerOf(path, files));
  auto out = std::make_unique<TextModel>(std::move(files), std::move(tokenizer));
  Result<std::unique_ptr<Model>> model = LoadModel(out->files);
  if (!model.ok()) return model.status().Within(path.string());
  out->model = std::move(*model);
  const ModelInfo& info = out->model->info();
  if (out->tokenizer.vocab_size() > info.vocab) {
    out->warnings.push_back(fmt::format("the tokenizer has {} tokens, the model only {}",
                                        out->tokenizer.vocab_size(), info.vocab));
  }
  out->stop_ids = StopIds(out->files, out->tokenizer);
  std::erase_if(out->stop_ids, [&](int32_t id) { return id >= info.vocab; });
  out->defaults = DefaultsOf(out->files.generation_config());
  out->warnings.insert(out->warnings.end(), out->files.warnings().begin(),
                       out->files.warnings().end());
  out->name = path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
  return out;
}

}  // namespace aha
