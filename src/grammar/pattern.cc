#include "grammar/pattern.h"

#include <algorithm>
#include <optional>

#include "tokenizer/utf8.h"

namespace aha::grammar {
namespace {

constexpr size_t kMostBytes = 64 << 10;
constexpr int kMostNesting = 50;
constexpr uint32_t kEnd = 0xFFFFFFFF;

const std::vector<CodeRange>& Digits() {
  static const std::vector<CodeRange> ranges = {{'0', '9'}};
  return ranges;
}
const std::vector<CodeRange>& WordChars() {
  static const std::vector<CodeRange> ranges = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return ranges;
}
const std::vector<CodeRange>& Spaces() {
  static const std::vector<CodeRange> ranges = {
      {0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
      {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return ranges;
}
const std::vector<CodeRange>& LineEnds() {
  static const std::vector<CodeRange> ranges = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return ranges;
}

int64_t AddLengths(int64_t a, int64_t b) {
  if (a < 0 || b < 0) return Syntax::kUnbounded;
  return std::min(a + b, int64_t{1} << 40);
}
int64_t TimesLength(int64_t a, int64_t n) {
  if (a == 0 || n == 0) return 0;
  if (a < 0 || n < 0) return Syntax::kUnbounded;
  return std::min<int64_t>(std::min(a, int64_t{1} << 20) * n, int64_t{1} << 40);
}

class Parser {
 public:
  Parser(std::string_view pattern, Syntax* syntax, JsonText* json)
      : pattern_(pattern), codes_(CodePoints(pattern)), syntax_(*syntax), json_(*json) {}

  Result<Pattern> Run() {
    AHA_ASSIGN_OR_RETURN(const Pattern all, ParseChoice(true));
    if (at_ < codes_.size()) return Wrong("a ) without its (");
    return all;
  }

 private:
  uint32_t Peek(size_t ahead = 0) const {
    return at_ + ahead < codes_.size() ? codes_[at_ + ahead] : kEnd;
  }
  bool Take(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (Peek(i) != static_cast<uint8_t>(text[i])) return false;
    }
    at_ += text.size();
    return true;
  }
  Status Wrong(std::string_view what) const {
    return InvalidArgument("the pattern {} has {}, which is not supported",
                           DumpJson(Json(std::string(pattern_.substr(0, 200)))), what);
  }

  Pattern AnyText() {
    return {syntax_.Repeat(json_.Char(), 0, Syntax::kUnbounded), 0, Syntax::kUnbounded};
  }
  Pattern Chars(std::vector<CodeRange> ranges, bool negated = false) {
    return {json_.CharOf(std::move(ranges), negated), 1, 1};
  }
  Pattern After(const Pattern& a, const Pattern& b) {
    return {syntax_.Sequence({a.expr, b.expr}), AddLengths(a.least, b.least),
            AddLengths(a.most, b.most)};
  }

  Result<Pattern> ParseChoice(bool outermost) {
    if (++nesting_ > kMostNesting)
      return Wrong(fmt::format("more than {} groups in each other", kMostNesting));
    std::vector<ExprId> parts;
    Pattern all;
    do {
      AHA_ASSIGN_OR_RETURN(const Pattern part, ParseSequence(outermost));
      all.least = parts.empty() ? part.least : std::min(all.least, part.least);
      all.most = all.most < 0 || part.most < 0 ? Syntax::kUnbounded : std::max(all.most, part.most);
      parts.push_back(part.expr);
    } while (Take("|"));
    all.expr = syntax_.Choice(std::move(parts));
    --nesting_;
    return all;
  }

  Result<Pattern> ParseSequence(bool outermost) {
    Pattern all;
    std::vector<ExprId> parts;
    const auto append = [&](const Pattern& p) {
      parts.push_back(p.expr);
      all.least = AddLengths(all.least, p.least);
      all.most = AddLengths(all.most, p.most);
    };
    if (outermost && !Take("^")) append(AnyText());
    bool anchored = false;
    while (Peek() != kEnd && Peek() != '|' && Peek() != ')') {
      if (outermost && Peek() == '$' && (Peek(1) == '|' || Peek(1) == kEnd)) {
        ++at_;
        anchored = true;
        break;
      }
      AHA_ASSIGN_OR_RETURN(Pattern item, ParseItem());
      AHA_ASSIGN_OR_RETURN(item, ParseCount(item));
      append(item);
    }
    if (outermost && !anchored) append(AnyText());
    all.expr = syntax_.Sequence(std::move(parts));
    return all;
  }

  Result<Pattern> ParseItem() {
    const uint32_t c = Peek();
    if (c == '(') return ParseGroup();
    if (c == '[') return ParseClass();
    if (c == '.') {
      ++at_;
      return Chars(LineEnds(), true);
    }
    if (c == '\\') return ParseEscape();
    if (c == '^' || c == '$') return Wrong(c == '^' ? "a ^ in the middle" : "a $ in the middle");
    if (c == '*' || c == '+' || c == '?') return Wrong("a count of nothing");
    ++at_;
    return Pattern{json_.CharOf(c), 1, 1};
  }

  Result<Pattern> ParseGroup() {
    ++at_;
    if (Take("?")) {
      if (Take("=") || Take("!") || Take("<=") || Take("<!")) return Wrong("look-around");
      if (Take("<")) {
        while (Peek() != '>' && Peek() != kEnd) ++at_;
        ++at_;
      } else if (!Take(":")) {
        return Wrong("a group of an unknown kind");
      }
    }
    AHA_ASSIGN_OR_RETURN(const Pattern inner, ParseChoice(false));
    if (!Take(")")) return Wrong("a ( without its )");
    return inner;
  }

  std::optional<int64_t> TakeNumber() {
    if (Peek() < '0' || Peek() > '9') return std::nullopt;
    int64_t n = 0;
    for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
      n = std::min<int64_t>(n * 10 + (Peek() - '0'), Syntax::kMostCount + 1);
    }
    return n;
  }

  Result<Pattern> ParseCount(Pattern item) {
    int64_t least = 0;
    int64_t most = Syntax::kUnbounded;
    const size_t begin = at_;
    if (Take("*")) {
    } else if (Take("+")) {
      least = 1;
    } else if (Take("?")) {
      most = 1;
    } else if (Take("{")) {
      const std::optional<int64_t> low = TakeNumber();
      std::optional<int64_t> high = low;
      if (low && Take(",")) {
        high = TakeNumber();
        if (!high) high = Syntax::kUnbounded;
      }
      if (!low || !Take("}")) {  // a brace that stands for itself
        at_ = begin;
        return item;
      }
      least = *low;
      most = *high;
      if (most > Syntax::kMostCount || least > Syntax::kMostCount)
        return Wrong("a count above 1000000000");
      if (most >= 0 && most < least) return Wrong("a count that ends before it begins");
    } else {
      return item;
    }
    Take("?");  // lazy
    if (Peek() == '*' || Peek() == '+' || Peek() == '?') return Wrong("a count of a count");
    return Pattern{syntax_.Repeat(item.expr, least, most), TimesLength(item.least, least),
                   TimesLength(item.most, most)};
  }

  // After the backslash and its letter: the ranges of a class escape.
  static const std::vector<CodeRange>* ClassOf(uint32_t letter) {
    if (letter == 'd' || letter == 'D') return &Digits();
    if (letter == 'w' || letter == 'W') return &WordChars();
    if (letter == 's' || letter == 'S') return &Spaces();
    return nullptr;
  }

  Result<Pattern> ParseEscape() {
    const uint32_t letter = Peek(1);
    if (const std::vector<CodeRange>* ranges = ClassOf(letter)) {
      at_ += 2;
      return Chars(*ranges, letter < 'a');
    }
    if (letter == 'b' || letter == 'B') return Wrong("\\b");
    if ((letter >= '1' && letter <= '9') || letter == 'k') return Wrong("a back-reference");
    AHA_ASSIGN_OR_RETURN(const uint32_t code, ParseChar());
    return Pattern{json_.CharOf(code), 1, 1};
  }

  Result<uint32_t> ParseHex(int digits) {
    uint32_t code = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const uint32_t c = Peek();
      if (c >= '0' && c <= '9') {
        code = code * 16 + c - '0';
      } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        code = code * 16 + (c | 0x20) - 'a' + 10;
      } else {
        return Wrong("a broken \\x or \\u");
      }
    }
    return code;
  }

  // A character, escaped or not.
  Result<uint32_t> ParseChar() {
    const uint32_t c = Peek();
    if (c == kEnd) return Wrong("an end in the middle");
    ++at_;
    if (c != '\\') return c;
    const uint32_t letter = Peek();
    ++at_;
    switch (letter) {
      case 'n':
        return uint32_t{'\n'};
      case 'r':
        return uint32_t{'\r'};
      case 't':
        return uint32_t{'\t'};
      case 'f':
        return uint32_t{'\f'};
      case 'v':
        return uint32_t{'\v'};
      case '0':
        return uint32_t{0};
      case 'x':
        return ParseHex(2);
      case 'u':
        return ParseUnicode();
      default:
        break;
    }
    const bool letter_or_digit = (letter >= '0' && letter <= '9') ||
                                 (letter >= 'A' && letter <= 'Z') ||
                                 (letter >= 'a' && letter <= 'z');
    if (letter == kEnd || letter_or_digit) {
      return Wrong(letter == kEnd ? "a \\ at the end"
                                  : fmt::format("\\{}", static_cast<char>(letter)));
    }
    return letter;
  }

  Result<uint32_t> ParseUnicode() {
    if (!Take("{")) {
      AHA_ASSIGN_OR_RETURN(uint32_t code, ParseHex(4));
      if (code >= 0xD800 && code < 0xDC00 && Take("\\u")) {
        AHA_ASSIGN_OR_RETURN(const uint32_t low, ParseHex(4));
        if (low < 0xDC00 || low > 0xDFFF) return Wrong("half a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      }
      if (code >= 0xD800 && code <= 0xDFFF) return Wrong("half a surrogate pair");
      return code;
    }
    size_t digits = 0;
    while (Peek(digits) != '}' && digits < 7) ++digits;
    AHA_ASSIGN_OR_RETURN(const uint32_t code, ParseHex(static_cast<int>(digits)));
    if (!Take("}") || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      return Wrong("a \\u{...} that is no character");
    }
    return code;
  }

  Result<Pattern> ParseClass() {
    ++at_;
    const bool negated = Take("^");
    std::vector<CodeRange> ranges;
    while (!Take("]")) {
      if (Peek() == kEnd) return Wrong("a [ without its ]");
      if (Peek() == '\\') {
        const uint32_t letter = Peek(1);
        if (const std::vector<CodeRange>* all = ClassOf(letter)) {
          at_ += 2;
          const std::vector<CodeRange> these = NormalRanges(*all, letter < 'a');
          ranges.insert(ranges.end(), these.begin(), these.end());
          continue;
        }
      }
      AHA_ASSIGN_OR_RETURN(const uint32_t first, ParseClassChar());
      uint32_t last = first;
      const bool class_follows = Peek(1) == '\\' && ClassOf(Peek(2)) != nullptr;
      if (Peek() == '-' && Peek(1) != ']' && Peek(1) != kEnd && !class_follows) {
        ++at_;
        AHA_ASSIGN_OR_RETURN(last, ParseClassChar());
        if (last < first) return Wrong("a range that ends before it begins");
      }
      ranges.push_back({first, last});
    }
    return Chars(std::move(ranges), negated);
  }

  Result<uint32_t> ParseClassChar() {
    if (Take("\\b")) return uint32_t{'\b'};
    return ParseChar();
  }

  std::string_view pattern_;
  std::vector<uint32_t> codes_;
  size_t at_ = 0;
  int nesting_ = 0;
  Syntax& syntax_;
  JsonText& json_;
};

}  // namespace

Result<Pattern> ParsePattern(std::string_view pattern, Syntax* syntax, JsonText* json) {
  if (pattern.size() > kMostBytes) {
    return ResourceExhausted("a pattern has {} bytes: at most {} are possible", pattern.size(),
                             kMostBytes);
  }
  if (ValidUtf8Prefix(pattern) != pattern.size()) return InvalidArgument("a pattern is not UTF-8");
  return Parser(pattern, syntax, json).Run();
}

}  // namespace aha::grammar
