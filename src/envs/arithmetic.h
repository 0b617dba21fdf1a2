// Whole-number arithmetic with exact answers: chains of operations and long multiplication.
//
//   prompt  "3+14-2*5="
//   short   "<answer>7</answer>"
//   long    "<think>\n2*5=10\n3+14=17\n17-10=7</think><answer>7</answer>"
//
// A line of a thought is one step, and true. Products come before sums, each from the left. A long
// multiplication takes the digits of the right factor from the ones up:
//
//   "123*45="  "<think>\n123*5=615\n123*40=4920\n615+4920=5535</think><answer>5535</answer>"
//
// An answer is an integer in ASCII digits, with blanks around it and a sign if one likes: leading
// zeros and a plus sign change nothing; separators, points and units make it no integer.
#ifndef AHA_ENVS_ARITHMETIC_H_
#define AHA_ENVS_ARITHMETIC_H_

#include "envs/environment.h"

namespace aha {

// Options: kind ("chain" or "multiplication"; chain). Of a chain: terms (4), least_terms (as
// terms), digits (2) that a number has at most, operations ("+-*"); with * among them terms x
// digits is at most 18. Of a multiplication: digits (2, up to 18) that each factor has,
// least_digits (as digits). Problems that differ only in the order of factors or summands stand in
// one split.
Result<std::unique_ptr<Environment>> MakeArithmetic(const Json& options);

// The environment's options, think_share (0.2) of documents that are worked in steps (the others
// answer at once, rightly), and prompt_weight (0) of the prompt's tokens in the loss. Held-out and
// test problems are never in it.
Result<std::unique_ptr<DocumentSource>> MakeArithmeticText(const Json& options);

}  // namespace aha

#endif  // AHA_ENVS_ARITHMETIC_H_
