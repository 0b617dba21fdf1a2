// Strings and numbers of JSON schemas.
#include <algorithm>
#include <map>

#include "grammar/number_range.h"
#include "grammar/pattern.h"
#include "grammar/schema_compiler.h"

namespace aha::grammar {
namespace {

#define AHA_DATE                                                                            \
  "(?:(?:[1-9]\\d{3}|0[1-9]\\d{2}|00[1-9]\\d|000[1-9])-(?:(?:0[13578]|1[02])-"              \
  "(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))" \
  "|(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"
#define AHA_TIME \
  "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define AHA_OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define AHA_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define AHA_SPAN_TIME "T(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}S)"

// Formats that are held to; any other says nothing, as the specification has it.
const std::map<std::string, const char*, std::less<>>& Formats() {
  static const std::map<std::string, const char*, std::less<>> formats = {
      {"date", "^" AHA_DATE "$"},
      {"time", "^" AHA_TIME "$"},
      {"date-time", "^" AHA_DATE "T" AHA_TIME "$"},
      {"duration",
       "^P(?:\\d{1,6}W|(?:\\d{1,6}Y(?:\\d{1,6}M(?:\\d{1,6}D)?)?|\\d{1,6}M(?:\\d{1,6}D)?|\\d{1,6}D)("
       "?:" AHA_SPAN_TIME ")?|" AHA_SPAN_TIME ")$"},
      {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
      {"email", "^[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,30})?@(?:" AHA_LABEL
                "\\.){1,4}[A-Za-z]{2,20}$"},
      {"hostname", "^" AHA_LABEL "(?:\\." AHA_LABEL "){0,3}$"},
      {"ipv4", "^" AHA_OCTET "(?:\\." AHA_OCTET "){3}$"},
      {"ipv6", "^(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}$"},
  };
  return formats;
}

Result<std::optional<Decimal>> ReadBound(const Json& schema, const char* key) {
  const auto it = schema.find(key);
  if (it == schema.end()) return std::optional<Decimal>();
  if (!it->is_number()) return InvalidArgument("{} is {}, not a number", key, DumpJson(*it));
  Result<Decimal> bound = ToDecimal(*it);
  if (!bound.ok()) return bound.status().Within(key);
  return std::optional<Decimal>(*bound);
}

// `exclusive...` as a bound of its own; true and false are how draft 4 wrote it.
Status ReadSide(const Json& schema, const char* key, const char* open_key, int side,
                std::optional<Decimal>* bound, bool* open) {
  AHA_ASSIGN_OR_RETURN(*bound, ReadBound(schema, key));
  const auto it = schema.find(open_key);
  if (it == schema.end()) return OkStatus();
  if (it->is_boolean()) {
    *open = it->get<bool>();
    return OkStatus();
  }
  AHA_ASSIGN_OR_RETURN(const std::optional<Decimal> other, ReadBound(schema, open_key));
  if (!*bound || Compare(*other, **bound) * side >= 0) {
    *bound = other;
    *open = true;
  }
  return OkStatus();
}

// The places after the point that multipleOf leaves: 16 without it.
Result<int> Places(const Json& schema, bool whole) {
  const auto it = schema.find("multipleOf");
  if (it == schema.end()) return whole ? 0 : 16;
  if (it->is_number()) {
    const Result<Decimal> step = ToDecimal(*it);
    if (step.ok() && !step->negative) {
      const std::string& f = step->fraction;
      const bool power = (step->whole == "1" && f.empty()) ||
                         (step->whole == "0" && !f.empty() &&
                          f.find_first_not_of('0') == f.size() - 1 && f.back() == '1');
      if (power) return whole ? 0 : static_cast<int>(f.size());
    }
  }
  return InvalidArgument("multipleOf {} is not supported: only 1, 0.1, 0.01, ... are",
                         DumpJson(*it));
}

}  // namespace

Result<ExprId> SchemaCompiler::CompileString(const Json& schema) {
  AHA_ASSIGN_OR_RETURN(const int64_t least, ReadCount(schema, "minLength", 0));
  AHA_ASSIGN_OR_RETURN(const int64_t most, ReadCount(schema, "maxLength", Syntax::kUnbounded));
  if (most != Syntax::kUnbounded && most < least) return syntax_.Class({});
  const auto pattern = schema.find("pattern");
  const auto format = schema.find("format");
  std::string text;
  std::string key = "pattern";
  if (pattern != schema.end()) {
    if (!pattern->is_string())
      return InvalidArgument("pattern {} is not a string", DumpJson(*pattern));
    text = pattern->get<std::string>();
  }
  if (format != schema.end() && format->is_string()) {
    const auto known = Formats().find(format->get_ref<const std::string&>());
    if (known != Formats().end()) {
      if (pattern != schema.end()) {
        return InvalidArgument("pattern beside format {} is not supported", known->first);
      }
      text = known->second;
      key = "format";
    }
  }
  if (text.empty()) {
    if (least == 0 && most == Syntax::kUnbounded) return json_.String();
    return json_.Quoted(syntax_.Repeat(json_.Char(), least, most));
  }
  return Once(fmt::format("{} {} of {} to {} characters", key, text, least, most),
              [&] { return PatternString(key, text, least, most); });
}

Result<ExprId> SchemaCompiler::PatternString(const std::string& key, const std::string& pattern,
                                             int64_t least, int64_t most) {
  AHA_ASSIGN_OR_RETURN(const Pattern parsed, ParsePattern(pattern, &syntax_, &json_));
  if (parsed.least < least ||
      (most != Syntax::kUnbounded && (parsed.most == Syntax::kUnbounded || parsed.most > most))) {
    return InvalidArgument("{} beside {} is not supported where the {} alone does not keep to it",
                           parsed.least < least ? "minLength" : "maxLength", key, key);
  }
  return json_.Quoted(parsed.expr);
}

Result<ExprId> SchemaCompiler::CompileNumber(const Json& schema, bool whole) {
  NumberRange range;
  AHA_RETURN_IF_ERROR(
      ReadSide(schema, "minimum", "exclusiveMinimum", 1, &range.low, &range.low_open));
  AHA_RETURN_IF_ERROR(
      ReadSide(schema, "maximum", "exclusiveMaximum", -1, &range.high, &range.high_open));
  AHA_ASSIGN_OR_RETURN(const int places, Places(schema, whole));
  if (!whole && !range.low && !range.high && places == 16) return json_.Number();
  const auto text = [](const std::optional<Decimal>& bound, bool open) {
    if (!bound) return std::string("unbounded");
    return fmt::format("{}{}{}.{}", open ? "beyond " : "", bound->negative ? "-" : "", bound->whole,
                       bound->fraction);
  };
  return Once(fmt::format("number from {} to {} with {} places", text(range.low, range.low_open),
                          text(range.high, range.high_open), places),
              [&]() -> Result<ExprId> { return DecimalNumbers(range, places, &syntax_); });
}

}  // namespace aha::grammar
