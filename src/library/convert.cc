#include "library/convert.h"

#include "base/files.h"
#include "library/library.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

// The vocabulary of any model as a GGUF holds it.
Result<GgufVocabulary> VocabularyOf(const fs::path& path, const ModelFiles& files) {
  if (files.gguf_vocabulary() != nullptr) return *files.gguf_vocabulary();
  AHA_ASSIGN_OR_RETURN(const OpenedTokenizer opened, OpenTokenizer(path));
  AHA_ASSIGN_OR_RETURN(VocabularySource v, opened.tokenizer.ToVocabulary());
  GgufVocabulary out = {.model = "gpt2",
                        .pre = std::move(v.pre),
                        .tokens = std::move(v.tokens),
                        .token_types = std::move(v.token_types),
                        .merges = std::move(v.merges),
                        .add_bos = v.add_bos,
                        .add_eos = v.add_eos};
  const auto id = [&](const Json& config, const char* key, int64_t fallback) {
    const Json* value = FindKey(config, key);
    if (value != nullptr && value->is_array() && !value->empty()) value = &value->front();
    return value != nullptr && value->is_number_integer() ? value->get<int64_t>() : fallback;
  };
  out.bos = id(files.config(), "bos_token_id", v.bos);
  out.eos =
      id(files.generation_config(), "eos_token_id", id(files.config(), "eos_token_id", v.eos));
  out.pad = id(files.config(), "pad_token_id", -1);
  if (opened.chat) out.chat_template = opened.chat->source();
  // A model may have more rows than its tokenizer has tokens; GGUF wants a name for each.
  const auto rows = static_cast<size_t>(files.config().value("vocab_size", int64_t{0}));
  for (size_t i = out.tokens.size(); i < rows; ++i) {
    out.tokens.push_back("[PAD" + std::to_string(i) + "]");
    out.token_types.push_back(5);
  }
  return out;
}

std::string TokenizerConfig(const GgufVocabulary& v) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false}};
  const auto put = [&](const char* key, int64_t id) {
    if (id >= 0 && id < static_cast<int64_t>(v.tokens.size())) {
      config[key] = v.tokens[static_cast<size_t>(id)];
    }
  };
  put("bos_token", v.bos);
  put("eos_token", v.eot >= 0 ? v.eot : v.eos);
  put("pad_token", v.pad);
  put("unk_token", v.unk);
  if (!v.chat_template.empty()) config["chat_template"] = v.chat_template;
  return DumpJson(config, 2) + "\n";
}

// The tokenizer that is used with the adapter at `from`, in the form that its base has.
Status WriteTokenizer(const fs::path& from, const ModelFiles& files, const fs::path& to) {
  const bool own = fs::exists(from / "tokenizer.json");
  if (!own && files.gguf_vocabulary() != nullptr) {
    AHA_ASSIGN_OR_RETURN(const OpenedTokenizer opened, OpenTokenizer(files.path()));
    AHA_RETURN_IF_ERROR(WriteFileAtomic(to / "tokenizer.json", opened.tokenizer.ToJson()));
    return WriteFileAtomic(to / "tokenizer_config.json", TokenizerConfig(*files.gguf_vocabulary()));
  }
  const fs::path folder = own ? from : files.path();
  for (const char* file : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                           "chat_template.jinja"}) {
    std::error_code error;
    if (!fs::exists(folder / file, error)) continue;
    AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / file));
    AHA_RETURN_IF_ERROR(WriteFileAtomic(to / file, text));
  }
  return OkStatus();
}

}  // namespace

Status QuantizeModel(const fs::path& from, DType dtype, const fs::path& to,
                     const ProgressFn& progress) {
  if (IsAdapterFolder(from)) {
    return InvalidArgument("{} is an adapter; merge it first: aha models merge {} --out FOLDER",
                           from.string(), from.string());
  }
  AHA_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::Open(from));
  AHA_ASSIGN_OR_RETURN(const GgufVocabulary vocabulary, VocabularyOf(from, files));
  return WriteGguf(files, vocabulary, dtype, to, progress);
}

Status ImportGguf(const fs::path& from, DType dtype, const fs::path& to,
                  const ProgressFn& progress) {
  AHA_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::Open(from));
  if (files.gguf_vocabulary() == nullptr) {
    return InvalidArgument("{} is no GGUF file", from.string());
  }
  AHA_ASSIGN_OR_RETURN(const OpenedTokenizer opened, OpenTokenizer(from));
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return IoError("cannot make {}: {}", to.string(), error.message());
  AHA_RETURN_IF_ERROR(WriteFileAtomic(to / "tokenizer.json", opened.tokenizer.ToJson()));
  AHA_RETURN_IF_ERROR(
      WriteFileAtomic(to / "tokenizer_config.json", TokenizerConfig(*files.gguf_vocabulary())));
  return WriteHuggingFaceFolder(files, dtype, to, progress);
}

Result<DType> MergeAdapter(const fs::path& from, const MergeOptions& options, const fs::path& to,
                           const ProgressFn& progress) {
  if (!IsAdapterFolder(from)) {
    return InvalidArgument("{} is no adapter: it has {}", from.string(),
                           fs::exists(from / "config.json") ? "a config.json, so it is a model"
                                                            : "no adapter_config.json");
  }
  AHA_ASSIGN_OR_RETURN(const ModelFiles files, OpenModelFiles(from, options.base));
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return IoError("cannot make {}: {}", to.string(), error.message());
  AHA_RETURN_IF_ERROR(WriteTokenizer(from, files, to));
  const DType dtype = options.dtype.value_or(FolderDType(files));
  AHA_RETURN_IF_ERROR(WriteHuggingFaceFolder(files, dtype, to, progress));
  return dtype;
}

}  // namespace aha
