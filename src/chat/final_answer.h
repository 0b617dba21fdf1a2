// The final answer that a text comes to, and whether two of them are the same.
//
//   FinalAnswer("So we have \\boxed{\\frac{1}{2}}.")            // "\frac{1}{2}"
//   SameAnswer("\\frac{1}{2}", "0.5", /*as_numbers=*/true)       // true
//
// Exact: numbers are compared as fractions of integers, never as floats.
#ifndef AHA_CHAT_FINAL_ANSWER_H_
#define AHA_CHAT_FINAL_ANSWER_H_

#include <string>
#include <string_view>

namespace aha {

// What the last \boxed{...} or <answer>...</answer> holds; else what follows the last "answer is"
// or "answer:" on its line; else the last line that is not empty. Trimmed of white space, of
// Markdown's stars and of a closing full stop. "" only for a text without any.
std::string FinalAnswer(std::string_view text);

// White space and letter case count for nothing. `as_numbers`: so do different ways of writing a
// number: "1,000", "50%", "1/2", "\frac{1}{2}", "$3.50", "2.0"; "x = 5" is 5.
bool SameAnswer(std::string_view a, std::string_view b, bool as_numbers);

// Of an equation that ends in a number the number, as it is written there: "2 + 3 = 5" is "5".
// Other answers stay as they are.
std::string WithoutEquation(std::string_view answer);

}  // namespace aha

#endif  // AHA_CHAT_FINAL_ANSWER_H_
