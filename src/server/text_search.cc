#include "server/text_search.h"

#include <utf8proc.h>

namespace aha {
namespace {

constexpr size_t kBefore = 40, kAfter = 120;  // characters of a snippet

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Lower case, one character for one, so that the n-th of it is the n-th of `text`.
std::string Lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x80) {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      ++i;
      continue;
    }
    utf8proc_int32_t point = -1;
    const utf8proc_ssize_t size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                         static_cast<utf8proc_ssize_t>(text.size() - i), &point);
    if (size <= 0) {
      out += c;
      ++i;
      continue;
    }
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t n = utf8proc_encode_char(utf8proc_tolower(point), bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
    i += static_cast<size_t>(size);
  }
  return out;
}

size_t CountStarts(std::string_view text) {
  size_t n = 0;
  for (const char c : text) n += IsContinuation(c) ? 0 : 1;
  return n;
}

// The byte after `n` characters from `at` on.
size_t Forward(std::string_view text, size_t at, size_t n) {
  for (; at < text.size() && n > 0; --n) {
    do ++at;
    while (at < text.size() && IsContinuation(text[at]));
  }
  return at;
}

size_t Back(std::string_view text, size_t at, size_t n) {
  for (; at > 0 && n > 0; --n) {
    do --at;
    while (at > 0 && IsContinuation(text[at]));
  }
  return at;
}

// Each run of white space is one space; none at the ends.
std::string OneLine(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!IsSpace(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

TextSearch::TextSearch(std::string_view wanted) {
  while (!wanted.empty() && IsSpace(wanted.front())) wanted.remove_prefix(1);
  while (!wanted.empty() && IsSpace(wanted.back())) wanted.remove_suffix(1);
  wanted_ = Lower(wanted);
}

std::optional<std::string> TextSearch::Find(std::string_view text) const {
  const std::string lower = Lower(text);
  const size_t found = lower.find(wanted_);
  if (found == std::string::npos) return std::nullopt;
  const size_t at = Forward(text, 0, CountStarts(std::string_view(lower).substr(0, found)));
  const size_t begin = Back(text, at, kBefore);
  const size_t end = Forward(text, at, CountStarts(wanted_) + kAfter);
  return (begin > 0 ? "…" : "") + OneLine(text.substr(begin, end - begin)) +
         (end < text.size() ? "…" : "");
}

std::string Headline(std::string_view text, size_t most) {
  // White space may be much of it, but no more than that is looked at.
  const size_t looked_at = Forward(text, 0, 16 * most);
  const std::string line = OneLine(text.substr(0, looked_at));
  const size_t end = Forward(line, 0, most);
  if (end == line.size()) return looked_at < text.size() ? line + "…" : line;
  const size_t space = line.rfind(' ', end);
  // A word that is longer than half of the line is cut.
  const bool between_words = space != std::string::npos && space > end / 2;
  return line.substr(0, between_words ? space : end) + "…";
}

}  // namespace aha
