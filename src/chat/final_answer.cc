#include "chat/final_answer.h"

#include <cctype>
#include <cstdint>
#include <numeric>
#include <optional>

namespace aha {
namespace {

std::string_view Trimmed(std::string_view text) {
  const std::string_view drop = " \t\r\n*";
  const size_t begin = text.find_first_not_of(drop);
  if (begin == std::string_view::npos) return {};
  text = text.substr(begin, text.find_last_not_of(drop) - begin + 1);
  if (text.size() < 2 || text.back() != '.') return text;
  text.remove_suffix(1);
  return text.substr(0, text.find_last_not_of(drop) + 1);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// What stands between the brace at `open` and the one that closes it.
std::optional<std::string_view> Braced(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return text.substr(open + 1, i - open - 1);
  }
  return std::nullopt;
}

// The content of the last whole \boxed{...}.
std::optional<std::string_view> Boxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed{";
  for (size_t at = text.rfind(kBoxed); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : text.rfind(kBoxed, at - 1)) {
    if (const auto inside = Braced(text, at + kBoxed.size() - 1)) return inside;
  }
  return std::nullopt;
}

std::optional<std::string_view> Tagged(std::string_view text) {
  constexpr std::string_view kOpen = "<answer>";
  const size_t open = text.rfind(kOpen);
  if (open == std::string_view::npos) return std::nullopt;
  text = text.substr(open + kOpen.size());
  return text.substr(0, text.find("</answer>"));
}

std::optional<std::string_view> Announced(std::string_view text) {
  const std::string lower = Lower(text);
  for (const std::string_view phrase : {"answer is", "answer:"}) {
    const size_t at = lower.rfind(phrase);
    if (at == std::string::npos) continue;
    std::string_view rest = text.substr(at + phrase.size());
    rest = rest.substr(0, rest.find('\n'));
    if (rest.starts_with(':')) rest.remove_prefix(1);
    if (!Trimmed(rest).empty()) return rest;
  }
  return std::nullopt;
}

// A fraction in lowest terms, the denominator above 0.
struct Fraction {
  int64_t over = 0, under = 1;
  bool operator==(const Fraction&) const = default;
};

std::optional<Fraction> Reduced(__int128 over, __int128 under) {
  if (under == 0) return std::nullopt;
  if (under < 0) {
    over = -over;
    under = -under;
  }
  __int128 a = over < 0 ? -over : over, b = under;
  while (b != 0) {
    const __int128 rest = a % b;
    a = b;
    b = rest;
  }
  if (a > 1) {
    over /= a;
    under /= a;
  }
  constexpr __int128 kMost = INT64_MAX;
  if (over > kMost || over < -kMost || under > kMost) return std::nullopt;
  return Fraction{static_cast<int64_t>(over), static_cast<int64_t>(under)};
}

// Digits, a point among them perhaps, all of `text`.
std::optional<Fraction> Decimal(std::string_view text) {
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  __int128 over = 0, under = 1;
  bool digits = false, point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      if (over > INT64_MAX || under > INT64_MAX) return std::nullopt;
      over = over * 10 + (c - '0');
      if (point) under *= 10;
      digits = true;
    } else {
      return std::nullopt;
    }
  }
  if (!digits) return std::nullopt;
  return Reduced(negative ? -over : over, under);
}

std::optional<Fraction> Quotient(const std::optional<Fraction>& a,
                                 const std::optional<Fraction>& b) {
  if (!a || !b) return std::nullopt;
  return Reduced(static_cast<__int128>(a->over) * b->under,
                 static_cast<__int128>(a->under) * b->over);
}

// \frac{a}{b}, \dfrac, \tfrac.
std::optional<Fraction> LatexFraction(std::string_view text) {
  bool negative = false;
  if (text.starts_with('-')) {
    negative = true;
    text.remove_prefix(1);
  }
  for (const std::string_view name : {"\\frac{", "\\dfrac{", "\\tfrac{"}) {
    if (!text.starts_with(name)) continue;
    const auto over = Braced(text, name.size() - 1);
    if (!over) return std::nullopt;
    const std::string_view rest = text.substr(name.size() + over->size() + 1);
    if (!rest.starts_with('{')) return std::nullopt;
    const auto under = Braced(rest, 0);
    if (!under || under->size() + 2 != rest.size()) return std::nullopt;
    auto value = Quotient(Decimal(*over), Decimal(*under));
    if (value && negative) value->over = -value->over;
    return value;
  }
  return std::nullopt;
}

void Remove(std::string* text, std::string_view what) {
  for (size_t at = text->find(what); at != std::string::npos; at = text->find(what, at)) {
    text->erase(at, what.size());
  }
}

std::optional<Fraction> Number(std::string_view written) {
  std::string text = Lower(written);
  for (const std::string_view what :
       {"\\left", "\\right", "\\!", "\\,", "\\;", "\\ ", "\\$", "$", " ", "\t", "\n"}) {
    Remove(&text, what);
  }
  // "x=5" is 5.
  if (const size_t equals = text.rfind('='); equals != std::string::npos) {
    text.erase(0, equals + 1);
  }
  bool percent = false;
  for (const std::string_view sign : {"\\%", "%"}) {
    if (!text.ends_with(sign)) continue;
    text.resize(text.size() - sign.size());
    percent = true;
    break;
  }
  // Thousands: a comma with three digits behind it.
  for (size_t i = text.find(','); i != std::string::npos; i = text.find(',', i)) {
    const std::string group = text.substr(i + 1, 3);
    const bool three =
        group.size() == 3 && group.find_first_not_of("0123456789") == std::string::npos;
    const bool ends =
        i + 4 >= text.size() || std::isdigit(static_cast<unsigned char>(text[i + 4])) == 0;
    if (!three || !ends || i == 0) return std::nullopt;
    text.erase(i, 1);
  }
  std::optional<Fraction> value = LatexFraction(text);
  if (!value) {
    const size_t slash = text.find('/');
    value = slash == std::string::npos
                ? Decimal(text)
                : Quotient(Decimal(std::string_view(text).substr(0, slash)),
                           Decimal(std::string_view(text).substr(slash + 1)));
  }
  if (value && percent) return Reduced(value->over, static_cast<__int128>(value->under) * 100);
  return value;
}

std::string Plain(std::string_view text) {
  std::string out;
  for (const char c : Lower(text)) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) out += c;
  }
  return out;
}

}  // namespace

std::string FinalAnswer(std::string_view text) {
  for (const auto find : {Boxed, Tagged, Announced}) {
    if (const auto found = find(text)) {
      if (const std::string_view answer = Trimmed(*found); !answer.empty()) {
        return std::string(answer);
      }
    }
  }
  text = Trimmed(text);
  const size_t line = text.rfind('\n');
  return std::string(Trimmed(line == std::string_view::npos ? text : text.substr(line + 1)));
}

bool SameAnswer(std::string_view a, std::string_view b, bool as_numbers) {
  if (Plain(a) == Plain(b)) return true;
  if (!as_numbers) return false;
  const std::optional<Fraction> x = Number(a), y = Number(b);
  return x && y && *x == *y;
}

std::string WithoutEquation(std::string_view answer) {
  const size_t equals = answer.rfind('=');
  if (equals == std::string_view::npos || !Number(answer)) return std::string(answer);
  std::string_view value = Trimmed(answer.substr(equals + 1));
  // The mark that closes the formula, when the one that opens it is cut off.
  if (value.ends_with('$') && !value.starts_with('$')) value.remove_suffix(1);
  return std::string(Trimmed(value));
}

}  // namespace aha
