// Answers of /v1/responses that a later request may go on from. In memory, the oldest goes first;
// what one owner has does not exist for another. The server's loop and its preparing threads.
#ifndef AHA_SERVER_RESPONSE_STORE_H_
#define AHA_SERVER_RESPONSE_STORE_H_

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/mutex.h"

namespace aha {

struct StoredResponse {
  std::string owner;
  Json response;  // as it was sent
  Json messages;  // the conversation with the answer, without instructions; OpenAI's chat form
};

class ResponseStore {
 public:
  void Put(const std::string& id, StoredResponse response);
  std::optional<StoredResponse> Find(const std::string& owner, const std::string& id) const;
  // False: there is none of that owner.
  bool Remove(const std::string& owner, const std::string& id);

 private:
  mutable Mutex mutex_;
  std::map<std::string, StoredResponse> by_id_ AHA_GUARDED_BY(mutex_);
  std::deque<std::string> order_ AHA_GUARDED_BY(mutex_);
};

}  // namespace aha

#endif  // AHA_SERVER_RESPONSE_STORE_H_
