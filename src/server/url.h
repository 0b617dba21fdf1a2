// Request targets: "/a%20b?x=1&y" to a path and its query.
#ifndef AHA_SERVER_URL_H_
#define AHA_SERVER_URL_H_

#include <map>
#include <string>
#include <string_view>

namespace aha {

// False for what is no absolute path ("http://...", "*"), for broken %-escapes, and for a path that
// holds control characters or ".." as a part once decoded.
bool SplitTarget(std::string_view target, std::string* path,
                 std::map<std::string, std::string>* query);

}  // namespace aha

#endif  // AHA_SERVER_URL_H_
