#include "grammar/gbnf.h"

#include <algorithm>
#include <map>

#include "tokenizer/utf8.h"

namespace aha::grammar {
namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr int kMostNesting = 100;
constexpr int kMostCounts = 8;  // of one item, as in (a{2}){3}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<GbnfGrammar> Run() {
    if (text_.size() > kMostBytes) {
      return ResourceExhausted("the grammar has {} bytes: at most {} are possible", text_.size(),
                               kMostBytes);
    }
    if (ValidUtf8Prefix(text_) != text_.size() || text_.find('\0') != text_.npos) {
      return InvalidArgument("the grammar is not UTF-8 text without zero bytes");
    }
    SkipSpace(true);
    while (at_ < text_.size()) {
      AHA_RETURN_IF_ERROR(ParseRule());
      SkipSpace(true);
    }
    for (const auto& [name, rule] : rules_) {
      if (!rule.defined) {
        return InvalidArgument("line {}: rule {} is used and not defined", LineOf(rule.at), name);
      }
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) return InvalidArgument("the grammar has no rule named root");
    AHA_RETURN_IF_ERROR(syntax_.status());
    return GbnfGrammar{std::move(syntax_), root->second.id};
  }

 private:
  struct Known {
    int32_t id = 0;
    size_t at = 0;  // of the first use
    bool defined = false;
  };

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  int LineOf(size_t at) const {
    return 1 + static_cast<int>(std::ranges::count(text_.substr(0, at), '\n'));
  }
  int Line() const { return LineOf(at_); }
  Status Wrong(const std::string& want) const {
    if (at_ >= text_.size())
      return InvalidArgument("line {}: the end, where {} is expected", Line(), want);
    std::string_view rest = text_.substr(at_, 20);
    rest = rest.substr(0, std::max<size_t>(1, ValidUtf8Prefix(rest)));
    return InvalidArgument("line {}: \"{}\", where {} is expected", Line(),
                           rest.substr(0, rest.find('\n', 1)), want);
  }

  // Blanks and comments; line ends too when `lines`.
  void SkipSpace(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  // An alternative may go on in the next line with its bar.
  void SkipSpaceBeforeBar(bool nested) {
    SkipSpace(nested);
    const size_t before = at_;
    SkipSpace(true);
    if (Peek() != '|') at_ = before;
  }

  Known& Use(std::string_view name) {
    const auto [it, is_new] = rules_.try_emplace(std::string(name));
    if (is_new) it->second = {syntax_.AddRule(it->first), at_, false};
    return it->second;
  }

  Result<std::string_view> ParseName() {
    const size_t begin = at_;
    while (IsNameByte(Peek())) ++at_;
    if (at_ == begin) return Wrong("a rule's name");
    return text_.substr(begin, at_ - begin);
  }

  Status ParseRule() {
    AHA_ASSIGN_OR_RETURN(const std::string_view name, ParseName());
    SkipSpace(false);
    if (text_.substr(at_, 3) != "::=") return Wrong("::=");
    Known& known = Use(name);
    if (known.defined) return InvalidArgument("line {}: rule {} is defined twice", Line(), name);
    known.defined = true;
    at_ += 3;
    SkipSpace(true);
    AHA_ASSIGN_OR_RETURN(const ExprId expr, ParseChoice(false));
    syntax_.SetRule(known.id, expr);
    SkipSpace(false);
    if (at_ < text_.size() && Peek() != '\n' && Peek() != '\r') return Wrong("the rule's end");
    return syntax_.status();
  }

  Result<ExprId> ParseChoice(bool nested) {
    if (++nesting_ > kMostNesting) {
      return InvalidArgument("line {}: more than {} parentheses in each other", Line(),
                             kMostNesting);
    }
    std::vector<ExprId> parts;
    while (true) {
      AHA_ASSIGN_OR_RETURN(const ExprId part, ParseSequence(nested));
      parts.push_back(part);
      SkipSpaceBeforeBar(nested);
      if (Peek() != '|') break;
      ++at_;
      SkipSpace(true);
    }
    --nesting_;
    return syntax_.Choice(std::move(parts));
  }

  Result<ExprId> ParseSequence(bool nested) {
    std::vector<ExprId> parts;
    while (true) {
      SkipSpace(nested);
      const char c = Peek();
      if (c != '"' && c != '[' && c != '(' && c != '.' && !IsNameByte(c)) break;
      AHA_ASSIGN_OR_RETURN(ExprId part, ParseItem());
      SkipSpace(nested);
      int counts = 0;
      while (Peek() == '*' || Peek() == '+' || Peek() == '?' || Peek() == '{') {
        if (++counts > kMostCounts) {
          return InvalidArgument("line {}: more than {} counts after each other", Line(),
                                 kMostCounts);
        }
        AHA_ASSIGN_OR_RETURN(part, ParseCount(part));
        SkipSpace(nested);
      }
      parts.push_back(part);
    }
    return syntax_.Sequence(std::move(parts));
  }

  Result<ExprId> ParseItem() {
    const char c = Peek();
    if (c == '"') return ParseText();
    if (c == '[') return ParseClass();
    if (c == '.') {
      ++at_;
      return syntax_.Class({}, true);
    }
    if (c == '(') {
      ++at_;
      SkipSpace(true);
      AHA_ASSIGN_OR_RETURN(const ExprId inner, ParseChoice(true));
      SkipSpace(true);
      if (Peek() != ')') return Wrong(")");
      ++at_;
      return inner;
    }
    AHA_ASSIGN_OR_RETURN(const std::string_view name, ParseName());
    return syntax_.RuleCall(Use(name).id);
  }

  Result<uint32_t> ParseHex(int digits) {
    uint32_t code = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = Peek();
      if (c >= '0' && c <= '9') {
        code = code * 16 + static_cast<uint32_t>(c - '0');
      } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        code = code * 16 + static_cast<uint32_t>((c | 0x20) - 'a' + 10);
      } else {
        return Wrong("a hexadecimal digit");
      }
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      return InvalidArgument("line {}: {:x} is no character", Line(), code);
    }
    return code;
  }

  Result<uint32_t> ParseChar() {
    if (at_ >= text_.size()) return Wrong("a character");
    if (Peek() == '\\') {
      const char c = Peek(1);
      at_ += 2;
      if (c == 'x') return ParseHex(2);
      if (c == 'u') return ParseHex(4);
      if (c == 'U') return ParseHex(8);
      if (c == 't') return uint32_t{'\t'};
      if (c == 'r') return uint32_t{'\r'};
      if (c == 'n') return uint32_t{'\n'};
      if (c == '\\' || c == '"' || c == '[' || c == ']' || c == '-' || c == '^') {
        return static_cast<uint32_t>(c);
      }
      at_ -= 2;
      return Wrong("one of the escapes \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH");
    }
    const auto lead = static_cast<uint8_t>(text_[at_++]);
    if (lead < 0x80) return uint32_t{lead};
    // Valid UTF-8, as was checked.
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    uint32_t code = lead & (0x3Fu >> more);
    for (int i = 0; i < more; ++i) code = code << 6 | (static_cast<uint8_t>(text_[at_++]) & 0x3Fu);
    return code;
  }

  Result<ExprId> ParseText() {
    ++at_;
    std::string bytes;
    while (Peek() != '"') {
      AHA_ASSIGN_OR_RETURN(const uint32_t code, ParseChar());
      AppendUtf8(code, &bytes);
    }
    ++at_;
    return syntax_.Text(bytes);
  }

  Result<ExprId> ParseClass() {
    ++at_;
    const bool negated = Peek() == '^';
    if (negated) ++at_;
    std::vector<CodeRange> ranges;
    while (Peek() != ']') {
      AHA_ASSIGN_OR_RETURN(const uint32_t first, ParseChar());
      uint32_t last = first;
      if (Peek() == '-' && Peek(1) != ']') {
        ++at_;
        AHA_ASSIGN_OR_RETURN(last, ParseChar());
        if (last < first)
          return InvalidArgument("line {}: a range that ends before it begins", Line());
      }
      ranges.push_back({first, last});
    }
    ++at_;
    return syntax_.Class(std::move(ranges), negated);
  }

  Result<int64_t> ParseNumber() {
    int64_t value = 0;
    if (Peek() < '0' || Peek() > '9') return Wrong("a number");
    for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
      value = value * 10 + (Peek() - '0');
      if (value > Syntax::kMostCount) {
        return InvalidArgument("line {}: more than {} repetitions", Line(), Syntax::kMostCount);
      }
    }
    SkipSpace(false);
    return value;
  }

  Result<ExprId> ParseCount(ExprId part) {
    const char c = text_[at_++];
    if (c == '*') return syntax_.Repeat(part, 0, Syntax::kUnbounded);
    if (c == '+') return syntax_.Repeat(part, 1, Syntax::kUnbounded);
    if (c == '?') return syntax_.Optional(part);
    SkipSpace(false);
    int64_t least = 0;
    if (Peek() != ',') {
      AHA_ASSIGN_OR_RETURN(least, ParseNumber());
    }
    int64_t most = least;
    if (Peek() == ',') {
      ++at_;
      SkipSpace(false);
      most = Syntax::kUnbounded;
      if (Peek() != '}') {
        AHA_ASSIGN_OR_RETURN(most, ParseNumber());
      }
    }
    if (Peek() != '}') return Wrong("}");
    ++at_;
    if (most != Syntax::kUnbounded && most < least) {
      return InvalidArgument("line {}: {{{},{}}} ends before it begins", Line(), least, most);
    }
    return syntax_.Repeat(part, least, most);
  }

  std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
  Syntax syntax_;
  std::map<std::string, Known, std::less<>> rules_;
};

}  // namespace

Result<GbnfGrammar> ParseGbnf(std::string_view text) { return Parser(text).Run(); }

}  // namespace aha::grammar
