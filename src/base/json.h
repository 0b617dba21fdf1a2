// JSON from strangers: ParseJson refuses duplicate keys, nesting past a limit and trailing text,
// and names the byte where it went wrong. Accessors name the key and the value that does not fit.
#ifndef AHA_BASE_JSON_H_
#define AHA_BASE_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"

namespace aha {

// Objects keep the order of the file, so that what we write back reads like what we read.
using Json = nlohmann::ordered_json;

// Parses the whole of `text`. Errors: bad syntax, a key twice in one object, more than `max_depth`
// levels, invalid UTF-8.
Result<Json> ParseJson(std::string_view text, int max_depth = 128);

// Dump that never throws: invalid UTF-8 becomes U+FFFD. indent < 0 is one line.
std::string DumpJson(const Json& json, int indent = -1);

// The value at `key` of `object`, which must be there and have the type. JSON numbers with a zero
// fraction are integers too (configs written by JavaScript).
Result<int64_t> GetInt(const Json& object, const char* key);
Result<double> GetDouble(const Json& object, const char* key);
Result<bool> GetBool(const Json& object, const char* key);
Result<std::string> GetString(const Json& object, const char* key);

// nullptr when the key is absent or null.
const Json* FindKey(const Json& object, const char* key);

}  // namespace aha

#endif  // AHA_BASE_JSON_H_
