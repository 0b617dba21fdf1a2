#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/pre_tokenizer.h"

#include <pcre2.h>

namespace aha {

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

const char* const kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const char* const kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

constexpr uint32_t kMatchLimit = 50'000'000;
constexpr uint32_t kHeapLimitKb = 64 << 10;
constexpr size_t kLargestJitStack = 16 << 20;

// What Oniguruma's classes hold in UTF-8.
constexpr const char* kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr const char* kDigit = R"(\p{Nd})";
constexpr const char* kWord = R"(\p{L}\p{M}\p{Nd}\p{Pc})";

// Spells out \s, \S, \d, \D, \w, \W. A negated one inside a class has no simple spelling.
Result<std::string> SpellClasses(const std::string& pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      const char lower = static_cast<char>(next | 0x20);
      const char* members = lower == 's'   ? kSpace
                            : lower == 'd' ? kDigit
                            : lower == 'w' ? kWord
                                           : nullptr;
      if (members == nullptr) {
        out.append({c, next});
      } else if (next == lower) {
        out += in_class ? std::string(members) : "[" + std::string(members) + "]";
      } else if (in_class) {
        return InvalidArgument("pattern '{}': \\{} inside a class is not supported", pattern, next);
      } else {
        out += "[^" + std::string(members) + "]";
      }
      continue;
    }
    if (c == '[' && !in_class) {
      in_class = true;
      out.push_back(c);
      // A ] right after [ or [^ is a member.
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out.push_back(pattern[++i]);
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out.push_back(pattern[++i]);
      continue;
    }
    if (c == ']') in_class = false;
    // Oniguruma nests classes, PCRE2 reads the bracket as a member.
    if (c == '[' && in_class) return InvalidArgument("pattern '{}': nested class", pattern);
    out.push_back(c);
  }
  return out;
}

struct FreeCode {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct FreeData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeStack {
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};

struct Stretch {
  size_t begin, end;
  bool match;
};

}  // namespace

// A compiled pattern; Match is safe from several threads.
class PreTokenizer::Regex {
 public:
  static Result<std::unique_ptr<Regex>> Compile(const SplitRule& rule) {
    std::string pattern = rule.pattern;
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C;
    if (rule.literal) {
      options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_LITERAL;
    } else {
      AHA_ASSIGN_OR_RETURN(pattern, SpellClasses(rule.pattern));
    }
    int error = 0;
    size_t at = 0;
    // The pattern comes from JSON, which is valid UTF-8; PCRE2 checks it all the same.
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     options & ~PCRE2_NO_UTF_CHECK, &error, &at, nullptr);
    if (code == nullptr) {
      PCRE2_UCHAR message[128];
      pcre2_get_error_message(error, message, sizeof(message));
      return InvalidArgument("pattern '{}': {}", rule.pattern,
                             reinterpret_cast<const char*>(message));
    }
    std::unique_ptr<Regex> regex(new Regex);
    regex->code_.reset(code);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it the interpreter runs
    return regex;
  }

  // What one thread needs to match.
  struct Scratch {
    explicit Scratch(const Regex& regex)
        : data(pcre2_match_data_create_from_pattern(regex.code_.get(), nullptr)),
          context(pcre2_match_context_create(nullptr)),
          stack(pcre2_jit_stack_create(32 << 10, kLargestJitStack, nullptr)) {
      pcre2_set_match_limit(context.get(), kMatchLimit);
      pcre2_set_heap_limit(context.get(), kHeapLimitKb);
      if (stack != nullptr) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    }
    std::unique_ptr<pcre2_match_data, FreeData> data;
    std::unique_ptr<pcre2_match_context, FreeContext> context;
    std::unique_ptr<pcre2_jit_stack, FreeStack> stack;
  };

  // All matches of `text` and the gaps between them, in order, without empty ones.
  Status Stretches(std::string_view text, Scratch& scratch, std::vector<Stretch>* out) const {
    out->clear();
    size_t done = 0;
    size_t from = 0;
    while (from < text.size()) {
      const int rc =
          pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                      PCRE2_NO_UTF_CHECK, scratch.data.get(), scratch.context.get());
      if (rc == PCRE2_ERROR_NOMATCH) break;
      if (rc < 0) {
        return ResourceExhausted("the pre-tokenizer's pattern gave up at byte {} of {} (PCRE2 {})",
                                 from, text.size(), rc);
      }
      const size_t* where = pcre2_get_ovector_pointer(scratch.data.get());
      if (where[1] <= where[0]) {  // an empty match cuts nothing
        from = NextCharacter(text, std::max(where[0], from));
        continue;
      }
      if (where[0] > done) out->push_back({done, where[0], false});
      out->push_back({where[0], where[1], true});
      done = from = where[1];
    }
    if (done < text.size()) out->push_back({done, text.size(), false});
    return OkStatus();
  }

 private:
  static size_t NextCharacter(std::string_view text, size_t at) {
    do {
      ++at;
    } while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
    return at;
  }
  std::unique_ptr<pcre2_code, FreeCode> code_;
};

namespace {

// Joins matches and gaps as the behaviour says; gives the words of `text`.
void Arrange(std::string_view text, const SplitRule& rule, std::vector<Stretch>& stretches,
             std::vector<std::string_view>* words) {
  if (rule.invert) {
    for (Stretch& s : stretches) s.match = !s.match;
  }
  const auto piece = [&](size_t begin, size_t end) {
    words->push_back(text.substr(begin, end - begin));
  };
  const size_t n = stretches.size();
  for (size_t i = 0; i < n; ++i) {
    Stretch s = stretches[i];
    switch (rule.behavior) {
      case SplitBehavior::kIsolated:
        break;
      case SplitBehavior::kRemoved:
        if (s.match) continue;
        break;
      case SplitBehavior::kContiguous:
        while (i + 1 < n && stretches[i + 1].match == s.match) s.end = stretches[++i].end;
        break;
      case SplitBehavior::kMergedWithPrevious:
        if (!s.match && i + 1 < n && stretches[i + 1].match) s.end = stretches[++i].end;
        break;
      case SplitBehavior::kMergedWithNext:
        if (s.match && i + 1 < n && !stretches[i + 1].match) s.end = stretches[++i].end;
        break;
    }
    piece(s.begin, s.end);
  }
}

}  // namespace

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::Create(std::vector<SplitRule> rules) {
  PreTokenizer out;
  for (const SplitRule& rule : rules) {
    AHA_ASSIGN_OR_RETURN(std::unique_ptr<Regex> regex, Regex::Compile(rule));
    out.regexes_.push_back(std::move(regex));
  }
  out.rules_ = std::move(rules);
  return out;
}

Status PreTokenizer::Split(std::string_view text, std::vector<std::string_view>* words) const {
  std::vector<std::string_view> pieces = {text};
  std::vector<std::string_view> next;
  std::vector<Stretch> stretches;
  for (size_t r = 0; r < rules_.size(); ++r) {
    Regex::Scratch scratch(*regexes_[r]);
    next.clear();
    for (const std::string_view piece : pieces) {
      AHA_RETURN_IF_ERROR(regexes_[r]->Stretches(piece, scratch, &stretches));
      Arrange(piece, rules_[r], stretches, &next);
    }
    pieces.swap(next);
  }
  words->insert(words->end(), pieces.begin(), pieces.end());
  return OkStatus();
}

}  // namespace aha
