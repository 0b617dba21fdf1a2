// Finds what a reader typed in texts, whatever its case, and shows where.
//
//   const TextSearch search("primzahl");
//   std::optional<std::string> snippet = search.Find(text);   // "… jede Primzahl ist …"
#ifndef AHA_SERVER_TEXT_SEARCH_H_
#define AHA_SERVER_TEXT_SEARCH_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace aha {

class TextSearch {
 public:
  // Spaces around what is searched for count for nothing.
  explicit TextSearch(std::string_view wanted);
  bool empty() const { return wanted_.empty(); }
  // One line around the first place that holds it.
  std::optional<std::string> Find(std::string_view text) const;

 private:
  std::string wanted_;
};

// The beginning of a text as one line of at most `most` characters, ended between words where it
// can be, with "…" when something is left out.
std::string Headline(std::string_view text, size_t most);

}  // namespace aha

#endif  // AHA_SERVER_TEXT_SEARCH_H_
