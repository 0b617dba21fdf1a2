#include "grammar/number_range.h"

#include <algorithm>

namespace aha::grammar {
namespace {

constexpr size_t kMostWhole = 18;
constexpr size_t kMostFraction = 16;

// The two directions in which a text may still be held to a bound; null: free of it.
struct Rest {
  std::optional<std::string> low, high;
};

int CompareWhole(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

int CompareSize(const Decimal& a, const Decimal& b) {
  const int whole = CompareWhole(a.whole, b.whole);
  return whole != 0 ? whole : a.fraction.compare(b.fraction);
}

// Sizes (of numbers without a sign) from `low` to `high`.
struct SizeRange {
  Decimal low, high;
  bool low_open = false, high_open = false;
};

class Builder {
 public:
  explicit Builder(Syntax* syntax) : s_(*syntax) {}

  ExprId Never() { return s_.Class({}); }
  ExprId Digits(char low, char high) {
    return s_.Class({{static_cast<uint8_t>(low), static_cast<uint8_t>(high)}});
  }

  // Digits of one length from `low` to `high`.
  ExprId SameLength(std::string_view low, std::string_view high) {
    if (low.empty()) return s_.Empty();
    const size_t n = low.size();
    if (low.find_first_not_of('0') == low.npos && high.find_first_not_of('9') == high.npos) {
      return s_.Repeat(Digits('0', '9'), static_cast<int64_t>(n), static_cast<int64_t>(n));
    }
    if (low[0] == high[0]) {
      return s_.Sequence({s_.Text(low.substr(0, 1)), SameLength(low.substr(1), high.substr(1))});
    }
    const std::string nines(n - 1, '9');
    const std::string zeros(n - 1, '0');
    std::vector<ExprId> parts = {
        s_.Sequence({s_.Text(low.substr(0, 1)), SameLength(low.substr(1), nines)}),
        s_.Sequence({s_.Text(high.substr(0, 1)), SameLength(zeros, high.substr(1))})};
    if (high[0] - low[0] > 1) {
      parts.push_back(
          s_.Sequence({Digits(static_cast<char>(low[0] + 1), static_cast<char>(high[0] - 1)),
                       SameLength(zeros, nines)}));
    }
    return s_.Choice(std::move(parts));
  }

  ExprId Whole(const std::string& low, const std::string& high) {
    std::vector<ExprId> parts;
    for (size_t n = low.size(); n <= high.size(); ++n) {
      std::string first = n == 1 ? "0" : "1" + std::string(n - 1, '0');
      std::string last(n, '9');
      if (n == low.size()) first = low;
      if (n == high.size()) last = high;
      if (first <= last) parts.push_back(SameLength(first, last));
    }
    return parts.empty() ? Never() : s_.Choice(std::move(parts));
  }

  // What may follow the digits so far, at most `places` more; nothing only if `may_end`.
  ExprId Fraction(const Rest& rest, bool low_open, bool high_open, int places, bool may_end) {
    Rest r = rest;
    // An inclusive lower bound that is reached holds nothing back any more.
    if (r.low && r.low->empty() && !low_open) r.low.reset();
    if (!r.low && !r.high) {
      return s_.Repeat(Digits('0', '9'), may_end ? 0 : 1, places);
    }
    if (r.high && r.high->empty()) {
      // Reached: only zeros keep to it, and those are not above an open lower bound.
      if (high_open || r.low) return Never();
      return s_.Repeat(s_.Text("0"), may_end ? 0 : 1, places);
    }
    std::vector<ExprId> parts;
    if (may_end && !r.low) parts.push_back(s_.Empty());
    for (char digit = '0'; places > 0 && digit <= '9';) {
      const auto [next, last] = Step(r, digit);
      if (next) {
        const ExprId more = Fraction(*next, low_open, high_open, places - 1, true);
        parts.push_back(s_.Sequence({Digits(digit, last), more}));
      }
      digit = static_cast<char>(last + 1);
    }
    return parts.empty() ? Never() : s_.Choice(std::move(parts));
  }

  ExprId Sizes(const SizeRange& r, int places) {
    const int whole = CompareWhole(r.low.whole, r.high.whole);
    const int both = CompareSize(r.low, r.high);
    if (both > 0 || (both == 0 && (r.low_open || r.high_open))) return Never();
    const auto tail = [&](const Rest& rest) { return Tail(rest, r, places); };
    if (whole == 0) {
      return s_.Sequence({s_.Text(r.low.whole), tail({r.low.fraction, r.high.fraction})});
    }
    std::vector<ExprId> parts = {
        s_.Sequence({s_.Text(r.low.whole), tail({r.low.fraction, std::nullopt})}),
        s_.Sequence({s_.Text(r.high.whole), tail({std::nullopt, r.high.fraction})})};
    const std::string after = std::to_string(std::stoll(r.low.whole) + 1);
    const std::string before = std::to_string(std::stoll(r.high.whole) - 1);
    if (CompareWhole(after, before) <= 0) {
      parts.push_back(s_.Sequence({Whole(after, before), tail({})}));
    }
    return s_.Choice(std::move(parts));
  }

 private:
  struct StepTo {
    std::optional<Rest> rest;  // null: the digit is outside
    char last;                 // the last digit that goes the same way
  };

  static StepTo Step(const Rest& r, char digit) {
    // An open lower bound that is reached goes on with zeros.
    const char low = !r.low ? '0' : r.low->empty() ? '0' : (*r.low)[0];
    const char high = !r.high ? '9' : (*r.high)[0];
    if (digit < low) return {std::nullopt, static_cast<char>(low - 1)};
    if (digit > high) return {std::nullopt, '9'};
    const bool at_low = r.low && digit == low;
    const bool at_high = r.high && digit == high;
    Rest next;
    if (at_low) next.low = r.low->empty() ? "" : r.low->substr(1);
    if (at_high) next.high = r.high->substr(1);
    char last = digit;
    if (!at_low && !at_high) last = r.high ? static_cast<char>(high - 1) : '9';
    return {next, last};
  }

  // Nothing, or a point and digits.
  ExprId Tail(const Rest& rest, const SizeRange& r, int places) {
    std::vector<ExprId> parts;
    const bool low_holds = !rest.low || (rest.low->empty() && !r.low_open);
    const bool high_holds = !rest.high || !rest.high->empty() || !r.high_open;
    if (low_holds && high_holds) parts.push_back(s_.Empty());
    if (places > 0) {
      parts.push_back(
          s_.Sequence({s_.Text("."), Fraction(rest, r.low_open, r.high_open, places, false)}));
    }
    return parts.empty() ? Never() : s_.Choice(std::move(parts));
  }

  Syntax& s_;
};

Decimal Largest() { return {false, std::string(kMostWhole, '9'), std::string(kMostFraction, '9')}; }

}  // namespace

Result<Decimal> ToDecimal(const Json& number) {
  const std::string text = DumpJson(number);
  Decimal d;
  std::string digits;
  int64_t point = -1;
  size_t i = 0;
  if (text[i] == '-') {
    d.negative = true;
    ++i;
  }
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      point = static_cast<int64_t>(digits.size());
    } else {
      digits += text[i];
    }
  }
  if (point < 0) point = static_cast<int64_t>(digits.size());
  if (i < text.size()) point += std::stoll(text.substr(i + 1));
  const std::string zeros(static_cast<size_t>(std::min<int64_t>(400, std::abs(point))), '0');
  if (point <= 0) {
    digits = zeros + digits;
    point = 0;
  } else if (point > static_cast<int64_t>(digits.size())) {
    digits += zeros;
  }
  d.whole = digits.substr(0, static_cast<size_t>(point));
  d.fraction = digits.substr(static_cast<size_t>(point));
  d.whole.erase(0, std::min(d.whole.find_first_not_of('0'), d.whole.size()));
  if (d.whole.empty()) d.whole = "0";
  d.fraction.erase(d.fraction.find_last_not_of('0') + 1);
  if (d.whole.size() > kMostWhole || d.fraction.size() > kMostFraction) {
    return InvalidArgument("{}: at most {} digits before the point and {} after it are possible",
                           text, kMostWhole, kMostFraction);
  }
  if (d.zero()) d.negative = false;
  return d;
}

int Compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  return a.negative ? CompareSize(b, a) : CompareSize(a, b);
}

ExprId DecimalNumbers(const NumberRange& range, int places, Syntax* syntax) {
  Builder builder(syntax);
  std::vector<ExprId> parts;
  const Decimal zero;
  if (!range.high || !range.high->negative) {  // from zero up
    SizeRange r{zero, range.high.value_or(Largest()), false, range.high && range.high_open};
    if (range.low && !range.low->negative) {
      r.low = *range.low;
      r.low_open = range.low_open;
    }
    parts.push_back(builder.Sizes(r, places));
  }
  if (!range.low || range.low->negative) {  // below zero
    SizeRange r{zero, range.low.value_or(Largest()), true, range.low && range.low_open};
    if (range.high && range.high->negative) {
      r.low = *range.high;
      r.low_open = range.high_open;
    }
    parts.push_back(syntax->Sequence({syntax->Text("-"), builder.Sizes(r, places)}));
  }
  return parts.empty() ? builder.Never() : syntax->Choice(std::move(parts));
}

}  // namespace aha::grammar
