#include "grammar/syntax.h"

#include <algorithm>

namespace aha::grammar {
namespace {

constexpr uint32_t kLastCode = 0x10FFFF;

}  // namespace

std::vector<CodeRange> NormalRanges(std::vector<CodeRange> ranges, bool negated) {
  std::ranges::sort(ranges, {}, &CodeRange::first);
  std::vector<CodeRange> joined;
  for (CodeRange r : ranges) {
    r.last = std::min(r.last, kLastCode);
    if (r.first > r.last) continue;
    if (!joined.empty() && r.first <= joined.back().last + 1) {
      joined.back().last = std::max(joined.back().last, r.last);
    } else {
      joined.push_back(r);
    }
  }
  if (negated) {
    std::vector<CodeRange> others;
    uint32_t next = 0;
    for (const CodeRange& r : joined) {
      if (r.first > next) others.push_back({next, r.first - 1});
      next = r.last + 1;
    }
    if (next <= kLastCode) others.push_back({next, kLastCode});
    joined = std::move(others);
  }
  std::vector<CodeRange> out;
  for (const CodeRange& r : joined) {  // UTF-8 has no surrogates
    if (r.first < 0xD800) out.push_back({r.first, std::min(r.last, 0xD7FFu)});
    if (r.last > 0xDFFF) out.push_back({std::max(r.first, 0xE000u), r.last});
  }
  return out;
}

void AppendUtf8(uint32_t code, std::string* out) {
  const auto put = [&](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

Syntax::Syntax() { exprs_.emplace_back(); }

ExprId Syntax::Add(Expr expr) {
  if (exprs_.size() >= kMostExprs) {
    full_ = true;
    return 0;
  }
  exprs_.push_back(std::move(expr));
  return static_cast<ExprId>(exprs_.size()) - 1;
}

ExprId Syntax::Text(std::string_view bytes) {
  if (bytes.empty()) return Empty();
  Expr e;
  e.text = bytes;
  return Add(std::move(e));
}

ExprId Syntax::Words(std::vector<std::string> words) {
  Expr e;
  e.kind = ExprKind::kWords;
  e.words = std::move(words);
  std::ranges::sort(e.words);
  e.words.erase(std::unique(e.words.begin(), e.words.end()), e.words.end());
  return Add(std::move(e));
}

ExprId Syntax::Class(std::vector<CodeRange> ranges, bool negated) {
  Expr e;
  e.kind = ExprKind::kClass;
  e.ranges = NormalRanges(std::move(ranges), negated);
  return Add(std::move(e));
}

ExprId Syntax::Sequence(std::vector<ExprId> parts) {
  std::erase(parts, Empty());
  if (parts.empty()) return Empty();
  if (parts.size() == 1) return parts[0];
  Expr e;
  e.kind = ExprKind::kSequence;
  e.parts = std::move(parts);
  return Add(std::move(e));
}

// Alternatives that are plain text become words, which share their beginnings.
ExprId Syntax::Choice(std::vector<ExprId> parts) {
  std::vector<std::string> words;
  for (ExprId part : parts) {
    if (expr(part).kind == ExprKind::kText) words.push_back(expr(part).text);
  }
  if (words.size() > 1) {
    std::erase_if(parts, [&](ExprId part) { return expr(part).kind == ExprKind::kText; });
    parts.push_back(Words(std::move(words)));
  }
  if (parts.size() == 1) return parts[0];
  Expr e;
  e.kind = ExprKind::kChoice;
  e.parts = std::move(parts);
  return Add(std::move(e));
}

ExprId Syntax::Repeat(ExprId part, int64_t least, int64_t most) {
  if (most == 0 || part == Empty()) return Empty();
  if (least == 1 && most == 1) return part;
  // What may be empty is not worth counting: (y*){m,n} is y*, (y?){m,n} is y{0,n}.
  const Expr& inner = expr(part);
  if (inner.kind == ExprKind::kRepeat && inner.least == 0) {
    if (inner.most == kUnbounded) return part;
    if (inner.most == 1) return Repeat(inner.parts[0], 0, most);
  }
  Expr e;
  e.kind = ExprKind::kRepeat;
  e.least = least;
  e.most = most;
  e.parts = {part};
  return Add(std::move(e));
}

ExprId Syntax::RuleCall(int32_t rule) {
  Expr e;
  e.kind = ExprKind::kRule;
  e.rule = rule;
  return Add(std::move(e));
}

int32_t Syntax::AddRule(std::string name) {
  if (rules_.size() >= kMostRules) {
    full_ = true;
    return 0;
  }
  rules_.push_back({std::move(name), 0});
  return static_cast<int32_t>(rules_.size()) - 1;
}

int32_t Syntax::AddRule(std::string name, ExprId expr) {
  const int32_t rule = AddRule(std::move(name));
  SetRule(rule, expr);
  return rule;
}

Status Syntax::status() const {
  if (!full_) return OkStatus();
  return ResourceExhausted("the grammar is too large: at most {} expressions and {} rules",
                           kMostExprs, kMostRules);
}

int32_t Syntax::Append(const Syntax& other) {
  const auto exprs = static_cast<ExprId>(exprs_.size());
  const auto rules = static_cast<int32_t>(rules_.size());
  full_ = full_ || other.full_ || exprs_.size() + other.exprs_.size() > kMostExprs ||
          rules_.size() + other.rules_.size() > kMostRules;
  if (full_) return 0;
  for (Expr expr : other.exprs_) {
    if (expr.rule >= 0) expr.rule += rules;
    for (ExprId& part : expr.parts) part += exprs;
    exprs_.push_back(std::move(expr));
  }
  for (Rule rule : other.rules_) {
    if (rule.expr >= 0) rule.expr += exprs;
    rules_.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace aha::grammar
