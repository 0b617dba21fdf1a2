// Reads one JSON object as it arrives, byte by byte, and knows the two members of a tool call in
// it: the name and the arguments. It says at once when the text can no longer be JSON, and where
// the object ends.
#ifndef AHA_CHAT_CALL_OBJECT_H_
#define AHA_CHAT_CALL_OBJECT_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace aha {

class CallObject {
 public:
  enum class Kind {
    kCall,        // {"name": ..., "arguments" or "parameters": ...}, other members ignored
    kStrictCall,  // the same; a member that no call has is an error
    kArguments,   // the object is the arguments, the name was given elsewhere
  };
  enum class State { kMore, kDone, kBad };

  explicit CallObject(Kind kind = Kind::kCall) : kind_(kind) {}

  // Takes the next byte; of a bad one nothing is kept. Not to be called after kDone or kBad.
  State Push(char c);

  const std::string& text() const { return text_; }
  // The value of "name", as soon as it is complete.
  const std::optional<std::string>& name() const { return name_; }
  // The arguments' text as far as it has come, if it is an object; empty before it begins.
  std::string_view streamed_arguments() const;
  // After kDone: the arguments as JSON text of an object ("{}" if there are none). An object that
  // stands in a JSON string is taken out of it. Error: the object has a key twice, a lone
  // surrogate, ..., or the arguments are no object.
  Result<std::string> Arguments() const;

 private:
  enum class Expect { kObject, kFirstKey, kKey, kColon, kValue, kFirstValue, kComma, kEnd };
  enum class Lex { kNone, kString, kEscape, kUnicode, kWord };

  bool InString(char c);
  bool Structure(char c);
  bool Open(char c);
  bool Close(char c);
  bool ValueEnds(size_t end);
  bool KeyEnds();
  bool TokenEnds();

  Kind kind_;
  std::string text_;
  std::string open_;  // the brackets that are open
  Expect expect_ = Expect::kObject;
  Lex lex_ = Lex::kNone;
  int hex_left_ = 0;
  size_t token_begin_ = 0;  // of the string or word being read
  size_t value_begin_ = 0;  // of the member being read, at the top
  std::string key_;         // its name
  std::optional<std::string> name_;
  std::optional<size_t> arguments_begin_, arguments_end_;
};

}  // namespace aha

#endif  // AHA_CHAT_CALL_OBJECT_H_
