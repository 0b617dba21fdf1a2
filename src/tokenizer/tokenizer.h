// Byte-level BPE: text to ids and back, id for id what Hugging Face `tokenizers` gives.
//
//   AHA_ASSIGN_OR_RETURN(Tokenizer t, Tokenizer::FromFolder("models/smollm2"));
//   AHA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, t.Encode("Hello", {}));
//   std::string text = t.Decode(ids);
//
// Immutable after construction; safe to share between threads. User text never becomes a special
// token unless EncodeOptions::allow_special says so.
#ifndef AHA_TOKENIZER_TOKENIZER_H_
#define AHA_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace aha {

struct EncodeOptions {
  // Text of added tokens (special or not, as the file lists them) is read as those tokens, as
  // transformers does. Off: control tokens are read as plain text; added tokens that are not
  // `special` in the file but act as control (<think>, tool tags, role tags) are plain text too.
  bool allow_special = false;
  // Runs the file's post-processor (a BOS where the model wants one).
  bool add_special_tokens = false;
};

// A stretch of a longer text. Only where `allow_special` holds may added tokens be found; where
// `allow_tags` does, those that are not `special` (<think>, tool tags).
struct TextPiece {
  std::string_view text;
  bool allow_special = false;
  bool allow_tags = false;
};

// What a GGUF's metadata says of its vocabulary (tokenizer.ggml.*).
struct VocabularySource {
  std::string pre;  // tokenizer.ggml.pre; an unknown name is an error that names it
  std::vector<std::string> tokens;
  std::vector<int32_t> token_types;  // ggml's: 1 normal, 3 control, 4 user defined, ...
  std::vector<std::string> merges;   // "left right"
  int64_t bos = -1, eos = -1;
  bool add_bos = false, add_eos = false;
};

class Tokenizer {
 public:
  // `text` is a tokenizer.json. Errors name the unsupported model type, normaliser, pattern, ...
  static Result<Tokenizer> FromJson(std::string_view text);
  // tokenizer.json (needed) in `folder`.
  static Result<Tokenizer> FromFolder(const std::filesystem::path& folder);
  static Result<Tokenizer> FromVocabulary(const VocabularySource& source);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Error: the pattern's match limit was hit. Invalid UTF-8 is encoded byte for byte.
  Result<std::vector<int32_t>> Encode(std::string_view text, const EncodeOptions& options) const;
  // The pieces as one text: what is plain is split and merged across their borders, an added token
  // must lie wholly in neighbouring pieces that allow it. No special tokens are added around it.
  Result<std::vector<int32_t>> EncodePieces(std::span<const TextPiece> pieces) const;
  // Bytes of the ids joined; unknown ids give nothing. May end inside a UTF-8 character: see
  // StreamDecoder. `skip_special` leaves out special tokens.
  std::string Decode(std::span<const int32_t> ids, bool skip_special = false) const;
  // Raw bytes of one token ("" for an id outside the vocabulary).
  std::string_view TokenBytes(int32_t id) const;

  std::optional<int32_t> IdOf(
      std::string_view token) const;  // exact token text, added ones included
  bool IsSpecial(int32_t id) const;
  // An added token, special or not (<think>, tool tags): its text is not spelled by merges.
  bool IsAdded(int32_t id) const;
  // Ids 0..size-1; holes decode to nothing. May be smaller than the model's embedding rows.
  int32_t vocab_size() const;
  // tokenizer.json text that transformers loads and that gives the same ids.
  std::string ToJson() const;
  // The vocabulary as a GGUF holds it. Error: a pre-tokenizer that GGUF has no name for.
  Result<VocabularySource> ToVocabulary() const;

 private:
  Tokenizer();
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

// Feeds ids one at a time and gives back text that never ends inside a UTF-8 character.
class StreamDecoder {
 public:
  // `visible`: special tokens that give text nevertheless.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true,
                         std::vector<int32_t> visible = {})
      : tokenizer_(tokenizer), skip_special_(skip_special), visible_(std::move(visible)) {}
  // The text that became complete with `id`; invalid bytes become U+FFFD as Python's 'replace'
  // does.
  std::string Push(int32_t id);
  // What is left, with an unfinished character as U+FFFD.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::vector<int32_t> visible_;
  std::string pending_;
};

}  // namespace aha

#endif  // AHA_TOKENIZER_TOKENIZER_H_
