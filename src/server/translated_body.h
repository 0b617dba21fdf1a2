// A request of another API as the chat API would have it, which one parser reads for all, and the
// way back: errors of that parser in the words of the API that the request came by.
#ifndef AHA_SERVER_TRANSLATED_BODY_H_
#define AHA_SERVER_TRANSLATED_BODY_H_

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "server/api_error.h"

namespace aha {

struct TranslatedBody {
  Json json = Json::object();
  // Of a field there, the field it was made of: {"messages[3]", "input[1]"}. What lies within the
  // one lies within the other; of several that fit, the longest tells.
  std::vector<std::pair<std::string, std::string>> names;

  // Adds a message that was made of the client's field `from`.
  void AddMessage(Json message, std::string from);
  ApiError InClientsWords(ApiError error) const;
};

// The string at `key`, or "" when there is none.
std::string StringAt(const Json& object, const char* key);

// The string at `key` of the object `where`, which must be there.
ApiResult<std::string> RequiredString(const Json& object, const char* key,
                                      const std::string& where);

}  // namespace aha

#endif  // AHA_SERVER_TRANSLATED_BODY_H_
