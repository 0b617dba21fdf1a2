#include "chat/call_object.h"

#include "base/json.h"

namespace aha {
namespace {

constexpr size_t kMaxDepth = 100;

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
// Bytes of numbers, true, false and null.
bool IsWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
         c == 'E';
}
bool IsArgumentsKey(std::string_view key) { return key == "arguments" || key == "parameters"; }

}  // namespace

CallObject::State CallObject::Push(char c) {
  bool good = true;
  bool structural = lex_ == Lex::kNone;
  if (lex_ == Lex::kWord) {
    if (!IsWord(c)) {
      good = TokenEnds();
      structural = true;
    }
  } else if (lex_ != Lex::kNone) {
    good = InString(c);
  }
  if (good && structural && !IsSpace(c)) good = Structure(c);
  if (!good) return State::kBad;
  text_ += c;
  // What ends with its own last byte is seen only once that byte stands in the text.
  if (lex_ == Lex::kNone && c == '"') good = TokenEnds();
  if (lex_ == Lex::kNone && (c == '}' || c == ']')) good = ValueEnds(text_.size());
  if (!good) {
    text_.pop_back();
    return State::kBad;
  }
  return expect_ == Expect::kEnd ? State::kDone : State::kMore;
}

bool CallObject::InString(char c) {
  switch (lex_) {
    case Lex::kString:
      if (c == '\\') lex_ = Lex::kEscape;
      if (c == '"') lex_ = Lex::kNone;
      return static_cast<unsigned char>(c) >= 0x20;
    case Lex::kEscape:
      lex_ = c == 'u' ? Lex::kUnicode : Lex::kString;
      hex_left_ = 4;
      return std::string_view("\"\\/bfnrtu").find(c) != std::string_view::npos;
    case Lex::kUnicode:
      if (--hex_left_ == 0) lex_ = Lex::kString;
      return IsHex(c);
    case Lex::kNone:
    case Lex::kWord:
      break;
  }
  return false;
}

// A byte outside strings and words that is no white space.
bool CallObject::Structure(char c) {
  switch (expect_) {
    case Expect::kObject:
      return c == '{' && Open(c);
    case Expect::kFirstKey:
      if (c == '}') return Close(c);
      [[fallthrough]];
    case Expect::kKey:
      if (c != '"') return false;
      lex_ = Lex::kString;
      token_begin_ = text_.size();
      return true;
    case Expect::kColon:
      expect_ = Expect::kValue;
      return c == ':';
    case Expect::kFirstValue:
      if (c == ']') return Close(c);
      [[fallthrough]];
    case Expect::kValue:
      if (open_.size() == 1) {
        value_begin_ = text_.size();
        if (kind_ != Kind::kArguments && IsArgumentsKey(key_)) {
          if (arguments_begin_) return false;
          arguments_begin_ = value_begin_;
        }
      }
      if (c == '{' || c == '[') return Open(c);
      if (c != '"' && !IsWord(c)) return false;
      lex_ = c == '"' ? Lex::kString : Lex::kWord;
      token_begin_ = text_.size();
      return true;
    case Expect::kComma:
      if (c == ',') {
        expect_ = open_.back() == '{' ? Expect::kKey : Expect::kValue;
        return true;
      }
      return Close(c);
    case Expect::kEnd:
      return false;
  }
  return false;
}

bool CallObject::Open(char c) {
  if (open_.size() >= kMaxDepth) return false;
  open_ += c;
  expect_ = c == '{' ? Expect::kFirstKey : Expect::kFirstValue;
  return true;
}

bool CallObject::Close(char c) {
  if (c != (open_.back() == '{' ? '}' : ']')) return false;
  open_.pop_back();
  return true;
}

// A string or word has ended: a key, or a value.
bool CallObject::TokenEnds() {
  const bool word = lex_ == Lex::kWord;
  lex_ = Lex::kNone;
  if (expect_ == Expect::kFirstKey || expect_ == Expect::kKey) return KeyEnds();
  if (word && !ParseJson(std::string_view(text_).substr(token_begin_)).ok()) return false;
  return ValueEnds(text_.size());
}

bool CallObject::KeyEnds() {
  expect_ = Expect::kColon;
  if (open_.size() != 1) return true;
  key_ = text_.substr(token_begin_ + 1, text_.size() - token_begin_ - 2);
  return kind_ != Kind::kStrictCall || IsArgumentsKey(key_) || key_ == "name" || key_ == "type" ||
         key_ == "id";
}

bool CallObject::ValueEnds(size_t end) {
  expect_ = open_.empty() ? Expect::kEnd : Expect::kComma;
  if (open_.size() != 1 || kind_ == Kind::kArguments) return true;
  if (key_ == "name") {
    const Result<Json> value = ParseJson(std::string_view(text_).substr(value_begin_));
    if (name_ || !value.ok() || !value->is_string()) return false;
    name_ = value->get<std::string>();
  } else if (IsArgumentsKey(key_)) {
    arguments_end_ = end;
  }
  return true;
}

std::string_view CallObject::streamed_arguments() const {
  const std::string_view text = text_;
  if (kind_ == Kind::kArguments) return text;
  if (!arguments_begin_ || *arguments_begin_ >= text.size() || text[*arguments_begin_] != '{') {
    return {};
  }
  const size_t end = arguments_end_.value_or(text.size());
  return text.substr(*arguments_begin_, end - *arguments_begin_);
}

Result<std::string> CallObject::Arguments() const {
  AHA_ASSIGN_OR_RETURN(const Json whole, ParseJson(text_));
  const std::string_view streamed = streamed_arguments();
  if (!streamed.empty()) return std::string(streamed);
  const Json* value = FindKey(whole, "arguments");
  if (value == nullptr) value = FindKey(whole, "parameters");
  if (value == nullptr) return std::string("{}");
  if (value->is_string()) {
    const std::string& inner = value->get_ref<const std::string&>();
    AHA_ASSIGN_OR_RETURN(const Json parsed, ParseJson(inner));
    if (parsed.is_object()) return inner;
  }
  return InvalidArgument("a call's arguments must be an object, not {}", value->type_name());
}

}  // namespace aha
