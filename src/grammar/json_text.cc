#include "grammar/json_text.h"

#include <algorithm>

namespace aha::grammar {
namespace {

// A character as JSON writers put it inside quotes.
std::string Escaped(uint32_t code) {
  switch (code) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (code < 0x20) return fmt::format("\\u{:04x}", code);
  std::string out;
  AppendUtf8(code, &out);
  return out;
}

}  // namespace

std::vector<uint32_t> CodePoints(std::string_view text) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
    for (int j = 0; j < more && i < text.size(); ++j) {
      code = code << 6 | (static_cast<uint8_t>(text[i++]) & 0x3Fu);
    }
    out.push_back(code);
  }
  return out;
}

JsonText::JsonText(Syntax* syntax) : syntax_(syntax) {
  Syntax& s = *syntax;
  const ExprId indent = s.Repeat(s.Class({{' ', ' '}, {'\t', '\t'}}), 0, 20);
  space_ = s.AddRule("white space",
                     s.Choice({s.Empty(), s.Text(" "), s.Sequence({s.Text("\n"), indent})}));
  colon_ = s.Choice({s.Text(":"), s.Text(": ")});
  const ExprId hex = s.Class({{'0', '9'}, {'a', 'f'}, {'A', 'F'}});
  const ExprId d = s.Class({{'d', 'd'}, {'D', 'D'}});
  const ExprId plain_unit =
      s.Choice({s.Sequence({s.Class({{'0', '9'}, {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}}),
                            s.Repeat(hex, 3, 3)}),
                s.Sequence({d, s.Class({{'0', '7'}}), s.Repeat(hex, 2, 2)})});
  const ExprId pair =
      s.Sequence({d, s.Class({{'8', '9'}, {'a', 'b'}, {'A', 'B'}}), s.Repeat(hex, 2, 2),
                  s.Text("\\u"), d, s.Class({{'c', 'f'}, {'C', 'F'}}), s.Repeat(hex, 2, 2)});
  const ExprId escape = s.Sequence(
      {s.Text("\\"), s.Choice({s.Class({{'"', '"'},
                                        {'\\', '\\'},
                                        {'/', '/'},
                                        {'b', 'b'},
                                        {'f', 'f'},
                                        {'n', 'n'},
                                        {'r', 'r'},
                                        {'t', 't'}}),
                               s.Sequence({s.Text("u"), s.Choice({plain_unit, pair})})})});
  char_ = s.Choice({s.Class({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}, true), escape});
  string_ = s.AddRule("string", Quoted(s.Repeat(char_, 0, Syntax::kUnbounded)));
  AddValueRules();
}

void JsonText::AddValueRules() {
  Syntax& s = *syntax_;
  const ExprId digit = s.Class({{'0', '9'}});
  // Bounded, so that every number is finite in a double and ends.
  const ExprId whole =
      s.Choice({s.Text("0"), s.Sequence({s.Class({{'1', '9'}}), s.Repeat(digit, 0, 17)})});
  const ExprId fraction = s.Sequence({s.Text("."), s.Repeat(digit, 1, 16)});
  const ExprId exponent =
      s.Sequence({s.Class({{'e', 'e'}, {'E', 'E'}}), s.Optional(s.Class({{'+', '+'}, {'-', '-'}})),
                  s.Repeat(digit, 1, 2)});
  number_ = s.AddRule("number", s.Sequence({s.Optional(s.Text("-")), whole, s.Optional(fraction),
                                            s.Optional(exponent)}));
  value_ = s.AddRule("any value");
  object_ = s.AddRule("any object");
  array_ = s.AddRule("any array");
  s.SetRule(value_,
            s.Choice({Object(), Array(), String(), Number(), s.Words({"true", "false", "null"})}));
  s.SetRule(object_, Bracketed("{", List(Member(String(), Value()), 0, Syntax::kUnbounded), "}"));
  s.SetRule(array_, Bracketed("[", List(Value(), 0, Syntax::kUnbounded), "]"));
}

ExprId JsonText::Bracketed(std::string_view open, ExprId items, std::string_view close) {
  Syntax& s = *syntax_;
  return s.Sequence(
      {s.Text(open), Space(), s.Optional(s.Sequence({items, Space()})), s.Text(close)});
}

ExprId JsonText::List(ExprId item, int64_t least, int64_t most) {
  Syntax& s = *syntax_;
  if (most == 0) return s.Empty();
  const int64_t more = most == Syntax::kUnbounded ? most : most - 1;
  const ExprId rest = s.Repeat(s.Sequence({Comma(), item}), std::max<int64_t>(0, least - 1), more);
  const ExprId some = s.Sequence({item, rest});
  return least == 0 ? s.Optional(some) : some;
}

ExprId JsonText::Quoted(ExprId inner) {
  return syntax_->Sequence({syntax_->Text("\""), inner, syntax_->Text("\"")});
}

ExprId JsonText::CharOf(uint32_t code) { return syntax_->Text(Escaped(code)); }

ExprId JsonText::CharOf(std::vector<CodeRange> ranges, bool negated) {
  std::vector<CodeRange> raw;
  std::vector<ExprId> parts;
  for (const CodeRange& r : NormalRanges(std::move(ranges), negated)) {
    uint32_t next = r.first;
    for (uint32_t code = r.first; code <= std::min<uint32_t>(r.last, '\\'); ++code) {
      if (code >= 0x20 && code != '"' && code != '\\') continue;
      if (code > next) raw.push_back({next, code - 1});
      parts.push_back(CharOf(code));
      next = code + 1;
    }
    if (next <= r.last) raw.push_back({next, r.last});
  }
  if (!raw.empty() || parts.empty()) parts.push_back(syntax_->Class(std::move(raw)));
  return syntax_->Choice(std::move(parts));
}

ExprId JsonText::StringExcept(const std::vector<std::string>& names) {
  std::vector<std::vector<uint32_t>> codes;
  for (const std::string& name : names) codes.push_back(CodePoints(name));
  std::ranges::sort(codes);
  return Quoted(Except(codes, 0, codes.size(), 0));
}

// What may follow a beginning that names [first, last) share, `at` characters long. On the way
// along a name its characters are written one way only, so that no spelling of it slips through.
ExprId JsonText::Except(const std::vector<std::vector<uint32_t>>& names, size_t first, size_t last,
                        size_t at) {
  Syntax& s = *syntax_;
  const ExprId rest = s.Repeat(char_, 0, Syntax::kUnbounded);
  if (first == last) return rest;
  std::vector<ExprId> parts;
  if (names[first].size() > at) {
    parts.push_back(s.Empty());
  } else {
    while (first < last && names[first].size() == at) ++first;
  }
  std::vector<CodeRange> taken = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  while (first < last) {
    const uint32_t code = names[first][at];
    size_t end = first;
    while (end < last && names[end][at] == code) ++end;
    taken.push_back({code, code});
    parts.push_back(s.Sequence({CharOf(code), Except(names, first, end, at + 1)}));
    first = end;
  }
  parts.push_back(s.Sequence({s.Class(std::move(taken), true), rest}));
  return s.Choice(std::move(parts));
}

ExprId JsonText::Exactly(const Json& value) {
  Syntax& s = *syntax_;
  if (!value.is_structured()) return s.Text(DumpJson(value));
  std::vector<ExprId> parts;
  for (const auto& [key, member] : value.items()) {
    if (!parts.empty()) parts.push_back(Comma());
    const ExprId one = Exactly(member);
    parts.push_back(value.is_object() ? Member(s.Text(DumpJson(Json(key))), one) : one);
  }
  const bool object = value.is_object();
  // Not Bracketed: nothing here is optional.
  return s.Sequence({s.Text(object ? "{" : "["), Space(), s.Sequence(std::move(parts)), Space(),
                     s.Text(object ? "}" : "]")});
}

}  // namespace aha::grammar
