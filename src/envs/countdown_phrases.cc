#include "envs/countdown_phrases.h"

namespace aha::countdown {
namespace {

std::string WithCommas(const std::vector<int64_t>& numbers, const char* last) {
  std::string out;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += i + 1 == numbers.size() ? last : ", ";
    out += std::to_string(numbers[i]);
  }
  return out;
}

void Replace(std::string* text, const std::string& what, const std::string& with) {
  const size_t at = text->find(what);
  if (at != std::string::npos) text->replace(at, what.size(), with);
}

}  // namespace

std::string Ask(const Puzzle& puzzle, bool phrases, Draws& draws) {
  const std::string target = std::to_string(puzzle.target);
  const std::string plain = Listed(puzzle.numbers) + " to " + target;
  if (!phrases || draws.Chance(0.5)) return plain;
  static const std::vector<std::string> kWays = {"Use {n} to make {t}",
                                                 "Make {t} from {n}",
                                                 "Make {t} with {n}",
                                                 "How can I make {t} from {n}",
                                                 "How do I get {t} with {n}",
                                                 "Can you make {t} from {n}",
                                                 "Reach {t} using {n}",
                                                 "Get {t} from {n}",
                                                 "Numbers {n}, target {t}",
                                                 "Countdown: {n}, target {t}",
                                                 "{n} make {t}",
                                                 "I have {n}, target {t}",
                                                 "I have {n} and want {t}",
                                                 "What makes {t} from {n}",
                                                 "Can {n} make {t}",
                                                 "Solve {n} for {t}",
                                                 "target {t}, numbers {n}",
                                                 "{n} = {t}",
                                                 "{n} -> {t}",
                                                 "{t} from {n}"};
  static const std::vector<std::string> kEnds = {"", "", ".", "?", "!", " please"};
  static const std::vector<std::string> kBegins = {"", "", "", "", "Please ", "Hey, ", "OK, "};
  std::string text = draws.OneOf(kWays);
  const int64_t list = draws.Below(3);
  Replace(&text, "{t}", target);
  Replace(&text, "{n}",
          list == 0   ? Listed(puzzle.numbers)
          : list == 1 ? WithCommas(puzzle.numbers, ", ")
                      : WithCommas(puzzle.numbers, " and "));
  if (draws.Chance(0.3) && text[0] >= 'A' && text[0] <= 'Z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  text.insert(0, draws.OneOf(kBegins));
  return text + draws.OneOf(kEnds);
}

std::string NoPuzzle(Draws& draws) {
  static const std::vector<std::string> kWords = {
      "what",    "who",   "is",     "the",    "capital",  "of",       "France", "you",   "are",
      "hello",   "hi",    "please", "write",  "a",        "poem",     "about",  "my",    "dog",
      "tell",    "me",    "how",    "to",     "cook",     "rice",     "can",    "do",    "it",
      "why",     "sky",   "blue",   "thanks", "explain",  "prime",    "number", "proof", "in",
      "words",   "for",   "code",   "Python", "program",  "sort",     "list",   "name",  "your",
      "story",   "with",  "and",    "think",  "reason",   "make",     "joke",   "best",  "city",
      "weather", "today", "help",   "solve",  "equation", "x",        "sum",    "plus",  "good",
      "morning", "I",     "want",   "know",   "model",    "DeepSeek", "learn",  "yes",   "no"};
  static const std::vector<std::string> kEnds = {"", "", ".", "?", "!"};
  std::string text;
  if (draws.Chance(0.2)) {  // a jumble
    const int64_t length = 1 + draws.Below(20);
    for (int64_t i = 0; i < length; ++i) text.push_back(static_cast<char>('!' + draws.Below(94)));
    return text;
  }
  const int64_t words = 1 + draws.Below(8);
  for (int64_t i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += draws.Chance(0.07) ? std::to_string(draws.Below(200)) : draws.OneOf(kWords);
  }
  if (draws.Chance(0.5) && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text + draws.OneOf(kEnds);
}

}  // namespace aha::countdown
