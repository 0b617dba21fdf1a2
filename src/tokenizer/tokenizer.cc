#include "tokenizer/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <unordered_map>

#include "base/files.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/utf8.h"

namespace aha {
namespace {

constexpr uint64_t kLargestFile = 200'000'000;

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 128; });
}

std::string Nfc(std::string_view text) {
  utf8proc_uint8_t* out = nullptr;
  const utf8proc_ssize_t n =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &out,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  CHECK(n >= 0, "normalising valid UTF-8");
  std::string normal(reinterpret_cast<const char*>(out), static_cast<size_t>(n));
  std::free(out);
  return normal;
}

// Tokens that stand for mere spaces are text, not control: nobody can do harm with them.
bool IsPlainText(const AddedToken& t) {
  return !t.special && t.content.find_first_not_of(" \t\n\r") == std::string::npos;
}

}  // namespace

struct Tokenizer::Impl {
  TokenizerSpec spec;
  TokenTable tokens;  // of spec.tokens
  Bpe bpe;
  PreTokenizer pre;
  std::vector<const AddedToken*> added_by_id = {};  // null: not an added token
  std::unordered_map<std::string, int32_t> added_ids = {};
  // Hugging Face looks for these in two passes: first the tokens of raw text, then, in what is
  // left, those of normalised text. We look for both in raw text: NFC does not make or break them.
  AddedTokenMatcher first = {}, second = {};
  AddedTokenMatcher tags = {};   // those that are not special
  AddedTokenMatcher plain = {};  // those that are mere text, found where the others are not allowed

  static Result<std::unique_ptr<const Impl>> Create(TokenizerSpec spec);
  void IndexTokens();
  // Text without added tokens, not yet normalised.
  Status EncodeText(std::string_view text, std::vector<int32_t>* ids) const;
  Status EncodeValid(std::string_view text, std::vector<int32_t>* ids) const;
};

Result<std::unique_ptr<const Tokenizer::Impl>> Tokenizer::Impl::Create(TokenizerSpec spec) {
  TokenTable tokens(spec.tokens);  // which stay where they are when the vector moves
  AHA_ASSIGN_OR_RETURN(Bpe bpe, Bpe::Create(tokens, spec.merges, spec.ignore_merges));
  AHA_ASSIGN_OR_RETURN(PreTokenizer pre, PreTokenizer::Create(spec.rules));
  auto impl = std::unique_ptr<Impl>(
      new Impl{std::move(spec), std::move(tokens), std::move(bpe), std::move(pre)});
  impl->IndexTokens();
  return std::unique_ptr<const Impl>(std::move(impl));
}

void Tokenizer::Impl::IndexTokens() {
  size_t size = spec.tokens.size();
  for (const AddedToken& t : spec.added) size = std::max(size, static_cast<size_t>(t.id) + 1);
  added_by_id.assign(size, nullptr);
  std::vector<const AddedToken*> lists[4];
  for (const AddedToken& t : spec.added) {
    added_by_id[static_cast<size_t>(t.id)] = &t;
    added_ids[t.content] = t.id;
    lists[t.normalized ? 1 : 0].push_back(&t);
    if (IsPlainText(t)) lists[2].push_back(&t);
    if (!t.special) lists[3].push_back(&t);
  }
  first = AddedTokenMatcher(lists[0]);
  second = AddedTokenMatcher(lists[1]);
  plain = AddedTokenMatcher(lists[2]);
  tags = AddedTokenMatcher(lists[3]);
}

Status Tokenizer::Impl::EncodeValid(std::string_view text, std::vector<int32_t>* out) const {
  std::vector<std::string_view> words;
  std::string normal;
  if (spec.nfc && !IsAscii(text)) {
    normal = Nfc(text);
    text = normal;
  }
  std::string spaced;
  if (spec.add_prefix_space && !text.starts_with(' ')) {
    spaced = " " + std::string(text);
    text = spaced;
  }
  AHA_RETURN_IF_ERROR(pre.Split(text, &words));
  for (const std::string_view word : words) bpe.Encode(word, out);
  return OkStatus();
}

Status Tokenizer::Impl::EncodeText(std::string_view text, std::vector<int32_t>* out) const {
  while (!text.empty()) {
    const size_t valid = ValidUtf8Prefix(text);
    if (valid > 0) AHA_RETURN_IF_ERROR(EncodeValid(text.substr(0, valid), out));
    text.remove_prefix(valid);
    // Broken UTF-8: byte for byte, up to where it is valid again.
    while (!text.empty() && ValidUtf8Prefix(text.substr(0, 4)) == 0) {
      bpe.Encode(text.substr(0, 1), out);
      text.remove_prefix(1);
    }
  }
  return OkStatus();
}

namespace {

// A part of a text: plain, or an added token.
struct Part {
  size_t begin, end;
  const AddedToken* token = nullptr;
};

struct Range {
  size_t begin, end;
};

// `range`, which begins where the last one ends or later.
void AddRange(Range range, std::vector<Range>* ranges) {
  if (range.begin == range.end) return;
  if (!ranges->empty() && ranges->back().end == range.begin) {
    ranges->back().end = range.end;
  } else {
    ranges->push_back(range);
  }
}

// Cuts tokens of `matcher` that lie inside `allowed` (sorted, apart) out of the plain parts.
std::vector<Part> CutTokens(std::string_view text, const std::vector<Part>& parts,
                            const std::vector<Range>& allowed, const AddedTokenMatcher& matcher) {
  if (matcher.empty() || allowed.empty()) return parts;
  std::vector<Part> out;
  auto range = allowed.begin();
  for (const Part& part : parts) {
    if (part.token != nullptr) {
      out.push_back(part);
      continue;
    }
    size_t from = part.begin;
    while (range != allowed.end() && range->end <= part.begin) ++range;
    for (auto r = range; r != allowed.end() && r->begin < part.end; ++r) {
      const std::string_view visible = text.substr(0, std::min(r->end, part.end));
      size_t at = std::max(from, r->begin);
      while (const auto match = matcher.Find(visible, at)) {
        if (match->begin > from) out.push_back({from, match->begin});
        out.push_back({match->begin, match->end, match->token});
        from = at = match->end;
      }
    }
    if (from < part.end) out.push_back({from, part.end});
  }
  return out;
}

}  // namespace

Result<std::vector<int32_t>> Tokenizer::EncodePieces(std::span<const TextPiece> pieces) const {
  std::string text;
  std::vector<Range> special, tags;  // where they may be found
  for (const TextPiece& piece : pieces) {
    const Range range = {text.size(), text.size() + piece.text.size()};
    text += piece.text;
    if (piece.allow_special) AddRange(range, &special);
    if (piece.allow_special || piece.allow_tags) AddRange(range, &tags);
  }
  std::vector<Part> parts = {{0, text.size()}};
  parts = CutTokens(text, parts, special, impl_->first);
  parts = CutTokens(text, parts, special, impl_->second);
  parts = CutTokens(text, parts, tags, impl_->tags);
  parts = CutTokens(text, parts, {{0, text.size()}}, impl_->plain);
  std::vector<int32_t> ids;
  for (const Part& part : parts) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
    } else {
      AHA_RETURN_IF_ERROR(impl_->EncodeText(
          std::string_view(text).substr(part.begin, part.end - part.begin), &ids));
    }
  }
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::Encode(std::string_view text,
                                               const EncodeOptions& options) const {
  const TextPiece piece = {text, options.allow_special};
  AHA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, EncodePieces({&piece, 1}));
  if (options.add_special_tokens) {
    ids.insert(ids.begin(), impl_->spec.prefix_ids.begin(), impl_->spec.prefix_ids.end());
    ids.insert(ids.end(), impl_->spec.suffix_ids.begin(), impl_->spec.suffix_ids.end());
  }
  return ids;
}

Tokenizer::Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::FromJson(std::string_view text) {
  AHA_ASSIGN_OR_RETURN(TokenizerSpec spec, ParseTokenizerJson(text));
  Tokenizer out;
  AHA_ASSIGN_OR_RETURN(out.impl_, Impl::Create(std::move(spec)));
  return out;
}

Result<Tokenizer> Tokenizer::FromFolder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestFile));
  Result<Tokenizer> tokenizer = FromJson(text);
  if (!tokenizer.ok()) return tokenizer.status().Within(path.string());
  return tokenizer;
}

Result<Tokenizer> Tokenizer::FromVocabulary(const VocabularySource& source) {
  AHA_ASSIGN_OR_RETURN(TokenizerSpec spec, SpecFromVocabulary(source));
  Tokenizer out;
  AHA_ASSIGN_OR_RETURN(out.impl_, Impl::Create(std::move(spec)));
  return out;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  for (const int32_t id : ids) {
    if (skip_special && IsSpecial(id)) continue;
    text += TokenBytes(id);
  }
  return text;
}

std::string_view Tokenizer::TokenBytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  const auto at = static_cast<size_t>(id);
  if (impl_->added_by_id[at] != nullptr) return impl_->added_by_id[at]->content;
  return at < impl_->spec.tokens.size() ? std::string_view(impl_->spec.tokens[at])
                                        : std::string_view();
}

std::optional<int32_t> Tokenizer::IdOf(std::string_view token) const {
  const auto added = impl_->added_ids.find(std::string(token));
  if (added != impl_->added_ids.end()) return added->second;
  const int32_t id = impl_->tokens.Find(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

bool Tokenizer::IsSpecial(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return false;
  const AddedToken* added = impl_->added_by_id[static_cast<size_t>(id)];
  return added != nullptr && added->special;
}

bool Tokenizer::IsAdded(int32_t id) const {
  return id >= 0 && id < vocab_size() && impl_->added_by_id[static_cast<size_t>(id)] != nullptr;
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(impl_->added_by_id.size()); }
std::string Tokenizer::ToJson() const { return WriteTokenizerJson(impl_->spec); }
Result<VocabularySource> Tokenizer::ToVocabulary() const { return VocabularyFromSpec(impl_->spec); }

}  // namespace aha
