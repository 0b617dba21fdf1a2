// How JSON is written: expressions of its strings, numbers and white space, shared by all of a
// schema.
#ifndef AHA_GRAMMAR_JSON_TEXT_H_
#define AHA_GRAMMAR_JSON_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grammar/syntax.h"

namespace aha::grammar {

class JsonText {
 public:
  explicit JsonText(Syntax* syntax);

  // What may stand between values: nothing, a blank, or a line end and at most 20 blanks or tabs.
  // So white space is never endless.
  ExprId Space() { return syntax_->RuleCall(space_); }
  // After a colon: nothing or a blank.
  ExprId Colon() const { return colon_; }
  // One character inside quotes, raw or escaped in any way; no lone surrogate.
  ExprId Char() const { return char_; }
  // One character of `ranges` inside quotes, written the one way JSON writers do.
  ExprId CharOf(std::vector<CodeRange> ranges, bool negated);
  ExprId CharOf(uint32_t code);
  // Quotes around what is between.
  ExprId Quoted(ExprId inner);
  ExprId String() { return syntax_->RuleCall(string_); }
  // A string that is none of `names`.
  ExprId StringExcept(const std::vector<std::string>& names);
  ExprId Number() { return syntax_->RuleCall(number_); }
  ExprId Value() { return syntax_->RuleCall(value_); }
  ExprId Object() { return syntax_->RuleCall(object_); }
  ExprId Array() { return syntax_->RuleCall(array_); }
  // This very value, white space as above.
  ExprId Exactly(const Json& value);
  // `open` `items` `close`; `items` may be empty and begins with no space.
  ExprId Bracketed(std::string_view open, ExprId items, std::string_view close);
  // `least` to `most` of `item`, with commas between.
  ExprId List(ExprId item, int64_t least, int64_t most);
  ExprId Comma() { return syntax_->Sequence({syntax_->Text(","), Space()}); }
  ExprId Member(ExprId key, ExprId value) { return syntax_->Sequence({key, colon_, value}); }

 private:
  void AddValueRules();
  ExprId Except(const std::vector<std::vector<uint32_t>>& names, size_t first, size_t last,
                size_t at);

  Syntax* syntax_;
  int32_t space_ = 0, string_ = 0, number_ = 0, value_ = 0, object_ = 0, array_ = 0;
  ExprId colon_ = 0, char_ = 0;
};

// The code points of valid UTF-8.
std::vector<uint32_t> CodePoints(std::string_view text);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_JSON_TEXT_H_
