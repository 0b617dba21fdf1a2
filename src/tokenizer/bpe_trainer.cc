#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <unordered_set>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/utf8.h"

namespace aha {
namespace {

using Pair = uint64_t;  // left id << 32 | right id: in this order, equals by count are merged

Pair PairOf(int32_t left, int32_t right) {
  return static_cast<Pair>(left) << 32 | static_cast<uint32_t>(right);
}
int32_t Left(Pair pair) { return static_cast<int32_t>(pair >> 32); }
int32_t Right(Pair pair) { return static_cast<int32_t>(pair & UINT32_MAX); }

struct HashPair {
  size_t operator()(Pair x) const {
    x ^= x >> 31;
    x *= 0x9E3779B97F4A7C15ULL;
    return x ^ (x >> 29);
  }
};

// The bytes in the order of the characters that spell them: the first ids behind added tokens.
std::vector<std::string> AlphabetInOrder() {
  std::vector<std::string> bytes;
  for (int b = 0; b < 256; ++b) bytes.emplace_back(1, static_cast<char>(b));
  // UTF-8 sorts as the characters do.
  std::sort(bytes.begin(), bytes.end(), [](const std::string& a, const std::string& b) {
    return SpellBytes(a) < SpellBytes(b);
  });
  return bytes;
}

// The words as symbols, the counts of neighbouring pairs, and a queue of pairs by count. A merge
// visits only the words that its queue entry names and changes the counts that it touches.
//
// No bytes are ever spelled by two pairs: between two borders that stand in two words, the same
// merges were done in both. So a merge is always a new token, and all places of a pair are known
// when the newer of its two tokens has been made.
class Merger {
 public:
  Merger(const BpeTrainerOptions& options) : options_(options) {
    for (const AddedToken& t : options.added) {
      reserved_.insert(t.content);
      tokens_.emplace_back();
    }
    for (std::string& byte : AlphabetInOrder()) {
      byte_ids_[static_cast<uint8_t>(byte[0])] = static_cast<int32_t>(tokens_.size());
      AddToken(std::move(byte));
    }
  }

  void AddWord(std::string_view word, int64_t count) {
    const auto w = static_cast<int32_t>(words_.size());
    words_.push_back({symbols_.size(), word.size(), count});
    for (const char c : word) symbols_.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    const int32_t* s = symbols_.data() + words_.back().begin;
    for (size_t i = 0; i + 1 < word.size(); ++i) Change(PairOf(s[i], s[i + 1]), 1, w);
  }

  void Run() {
    QueueTouched();
    while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size && !queue_.empty()) {
      Candidate top = queue_.top();
      queue_.pop();
      if (const int64_t now = counts_[top.pair]; top.count != now) {
        top.count = now;
        queue_.push(top);
        continue;
      }
      if (top.count < std::max<int64_t>(options_.min_frequency, 1)) break;
      Merge(top.pair, std::move(places_[top.places]));
    }
  }

  TokenizerSpec Spec() && {
    TokenizerSpec spec;
    for (const Pair pair : merges_) {
      spec.merges.emplace_back(Token(Left(pair)), Token(Right(pair)));
    }
    spec.tokens = std::move(tokens_);
    return spec;
  }

 private:
  struct Word {
    size_t begin, size;  // of symbols_
    int64_t count;
  };
  struct Candidate {
    int64_t count;  // when it was queued: an upper bound
    Pair pair;
    size_t places;
    bool operator<(const Candidate& other) const {
      if (count != other.count) return count < other.count;
      return pair > other.pair;
    }
  };

  const std::string& Token(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }

  int32_t AddToken(std::string bytes) {
    const auto id = static_cast<int32_t>(tokens_.size());
    tokens_.push_back(std::move(bytes));
    return id;
  }

  // `pair` stands `times` more often in word `w`.
  void Change(Pair pair, int times, int32_t w) {
    counts_[pair] += times * words_[static_cast<size_t>(w)].count;
    if (times < 0) return;
    const auto [at, is_new] = touched_.try_emplace(pair, touched_places_.size());
    if (is_new) touched_places_.push_back({pair, {}});
    std::vector<int32_t>& places = touched_places_[at->second].second;
    if (places.empty() || places.back() != w) places.push_back(w);  // words come in order
  }

  void QueueTouched() {
    for (auto& [pair, places] : touched_places_) {
      const int64_t count = counts_[pair];
      if (count <= 0) continue;
      queue_.push({count, pair, places_.size()});
      places_.push_back(std::move(places));
    }
    touched_.clear();
    touched_places_.clear();
  }

  void Merge(Pair pair, const std::vector<int32_t>& places) {
    std::string bytes = Token(Left(pair)) + Token(Right(pair));
    if (reserved_.contains(SpellBytes(bytes))) return;
    const int32_t id = AddToken(std::move(bytes));
    merges_.push_back(pair);
    for (const int32_t w : places) MergeIn(w, pair, id);
    QueueTouched();
  }

  // From the left, in place: symbols[0, out) are done, [in, size) are yet to be read.
  void MergeIn(int32_t w, Pair pair, int32_t id) {
    Word& word = words_[static_cast<size_t>(w)];
    int32_t* s = symbols_.data() + word.begin;
    const int32_t left = Left(pair);
    const int32_t right = Right(pair);
    size_t out = 0;
    for (size_t in = 0; in < word.size; ++in) {
      if (s[in] != left || in + 1 == word.size || s[in + 1] != right) {
        s[out++] = s[in];
        continue;
      }
      if (out > 0) {
        Change(PairOf(s[out - 1], left), -1, w);
        Change(PairOf(s[out - 1], id), 1, w);
      }
      ++in;
      if (in + 1 < word.size) {
        Change(PairOf(right, s[in + 1]), -1, w);
        Change(PairOf(id, s[in + 1]), 1, w);
      }
      s[out++] = id;
    }
    word.size = out;
  }

  const BpeTrainerOptions& options_;
  std::unordered_set<std::string> reserved_;  // texts of added tokens
  std::vector<std::string> tokens_;           // bytes by id; empty: an added token
  int32_t byte_ids_[256];
  std::vector<int32_t> symbols_;
  std::vector<Word> words_;
  std::unordered_map<Pair, int64_t, HashPair> counts_;
  std::unordered_map<Pair, size_t, HashPair> touched_;  // since the queue was last filled
  std::vector<std::pair<Pair, std::vector<int32_t>>> touched_places_;
  std::vector<std::vector<int32_t>> places_;  // words of each candidate
  std::priority_queue<Candidate> queue_;
  std::vector<Pair> merges_;
};

Status CheckOptions(const BpeTrainerOptions& options) {
  std::unordered_set<std::string> seen;
  for (const AddedToken& t : options.added) {
    if (t.content.empty()) return InvalidArgument("an added token is empty");
    if (ValidUtf8Prefix(t.content) != t.content.size()) {
      return InvalidArgument("added token '{}' is not UTF-8", t.content);
    }
    if (!seen.insert(t.content).second) {
      return InvalidArgument("added token '{}' is there twice", t.content);
    }
    const auto bytes = UnspellBytes(t.content);
    if (bytes && bytes->size() == 1) {
      return InvalidArgument("added token '{}' spells a single byte, which is a token already",
                             t.content);
    }
  }
  const auto least = static_cast<int64_t>(options.added.size()) + 256;
  if (options.vocab_size < least) {
    return InvalidArgument("vocab_size is {}: {} added tokens and the 256 bytes need {}",
                           options.vocab_size, options.added.size(), least);
  }
  return OkStatus();
}

}  // namespace

BpeTrainer::BpeTrainer(BpeTrainerOptions options, PreTokenizer pre)
    : options_(std::move(options)), pre_(std::move(pre)) {
  std::vector<const AddedToken*> tokens;
  for (const AddedToken& t : options_.added) tokens.push_back(&t);
  matcher_ = AddedTokenMatcher(std::move(tokens));
}

Result<BpeTrainer> BpeTrainer::Create(BpeTrainerOptions options) {
  AHA_RETURN_IF_ERROR(CheckOptions(options));
  AHA_ASSIGN_OR_RETURN(PreTokenizer pre, PreTokenizer::Create({{.pattern = options.pattern}}));
  for (size_t i = 0; i < options.added.size(); ++i) {
    options.added[i].id = static_cast<int32_t>(i);
  }
  return BpeTrainer(std::move(options), std::move(pre));
}

Status BpeTrainer::Add(std::string_view text) {
  const size_t valid = ValidUtf8Prefix(text);
  if (valid < text.size()) return InvalidArgument("the text is not UTF-8 at byte {}", valid);
  std::vector<std::string_view> words;
  size_t from = 0;
  while (const auto match = matcher_.Find(text, from)) {
    AHA_RETURN_IF_ERROR(pre_.Split(text.substr(from, match->begin - from), &words));
    from = match->end;
  }
  AHA_RETURN_IF_ERROR(pre_.Split(text.substr(from), &words));
  for (const std::string_view word : words) {
    if (word.empty()) continue;
    auto at = counts_.find(word);
    if (at == counts_.end()) {
      at = counts_.emplace(std::string(word), 0).first;
      words_.push_back(&*at);
    }
    ++at->second;
  }
  return OkStatus();
}

Result<std::string> BpeTrainer::Train() const {
  if (words_.empty()) return InvalidArgument("there is no text to learn a vocabulary from");
  Merger merger(options_);
  for (const Counts::value_type* word : words_) merger.AddWord(word->first, word->second);
  merger.Run();
  TokenizerSpec spec = std::move(merger).Spec();
  spec.added = options_.added;
  spec.rules = pre_.rules();
  return WriteTokenizerJson(spec);
}

}  // namespace aha
