#include "server/random_id.h"

#include <sys/random.h>

#include "base/check.h"

namespace aha {

std::string RandomId(std::string_view prefix) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  unsigned char bytes[24];
  CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes, "getrandom failed");
  std::string id(prefix);
  for (const unsigned char b : bytes) id += kLetters[b % kLetters.size()];
  return id;
}

}  // namespace aha
