// Names for things that clients refer to later: not guessable.
#ifndef AHA_SERVER_RANDOM_ID_H_
#define AHA_SERVER_RANDOM_ID_H_

#include <string>
#include <string_view>

namespace aha {

// PREFIX and 24 letters and digits from the system's random source.
std::string RandomId(std::string_view prefix);

}  // namespace aha

#endif  // AHA_SERVER_RANDOM_ID_H_
