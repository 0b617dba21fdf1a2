// The events of one response: numbered, told to who listens now, and kept for who comes later where
// that is asked for. The server's loop only.
#ifndef AHA_SERVER_RESPONSE_EVENTS_H_
#define AHA_SERVER_RESPONSE_EVENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/http_server.h"
#include "server/limits.h"

namespace aha {

class ResponseEvents : public std::enable_shared_from_this<ResponseEvents> {
 public:
  explicit ResponseEvents(bool keep, size_t max_bytes = limits::kKeptEventBytes)
      : keep_(keep), max_bytes_(max_bytes) {}

  // False: they are not, or were too many. Then only who follows from the beginning has them all.
  bool kept() const { return keep_; }
  // Begins a stream of what is kept after number `after` (-1: all), and of all that comes.
  void Follow(const std::shared_ptr<Exchange>& exchange, int64_t after);
  // Gives the event its type and number.
  void Add(const char* type, Json fields);
  // Nothing follows: all streams end.
  void End();

  size_t bytes() const { return bytes_; }  // of what is kept

 private:
  bool keep_;
  const size_t max_bytes_;
  int64_t next_ = 0;
  bool ended_ = false;
  size_t bytes_ = 0;
  std::vector<std::string> kept_;  // by number
  std::vector<std::shared_ptr<Exchange>> listeners_;
};

}  // namespace aha

#endif  // AHA_SERVER_RESPONSE_EVENTS_H_
