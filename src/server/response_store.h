// Answers of /v1/responses that a later request may go on from. In memory, the oldest goes first;
// what one owner has does not exist for another. The server's loop and its preparing threads.
#ifndef AHA_SERVER_RESPONSE_STORE_H_
#define AHA_SERVER_RESPONSE_STORE_H_

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "server/limits.h"
#include "server/response_events.h"

namespace aha {

struct StoredResponse {
  std::string owner;
  Json response;  // as it was sent, or as it stands while it is made
  Json messages;  // the conversation with the answer, without instructions; OpenAI's chat form
  Json input = Json::array();                        // items of the request, see response_input.h
  std::shared_ptr<ResponseEvents> events = nullptr;  // of one in the background; the loop only

  bool in_progress() const { return response["status"] == "in_progress"; }
};

class ResponseStore {
 public:
  explicit ResponseStore(size_t max_bytes = limits::kStoredResponseBytes) : max_bytes_(max_bytes) {}

  void Add(const std::string& id, StoredResponse response);
  // In the place of the one that was added; nothing if that is gone by now.
  void Replace(const std::string& id, StoredResponse response);
  // Null: there is none of that owner.
  std::shared_ptr<const StoredResponse> Find(const std::string& owner, const std::string& id) const;
  // All of that owner's, the newest first.
  std::vector<std::shared_ptr<const StoredResponse>> OfOwner(const std::string& owner) const;
  // False: there is none of that owner.
  bool Remove(const std::string& owner, const std::string& id);

 private:
  struct Entry {
    std::shared_ptr<const StoredResponse> stored;
    size_t bytes = 0;
    std::list<std::string>::iterator place;  // in order_
  };
  using Entries = std::map<std::string, Entry>;
  void Erase(Entries::iterator it) AHA_REQUIRES(mutex_);
  void MakeRoom() AHA_REQUIRES(mutex_);

  const size_t max_bytes_;
  mutable Mutex mutex_;
  Entries by_id_ AHA_GUARDED_BY(mutex_);
  std::list<std::string> order_ AHA_GUARDED_BY(mutex_);  // oldest first
  size_t bytes_ AHA_GUARDED_BY(mutex_) = 0;
};

}  // namespace aha

#endif  // AHA_SERVER_RESPONSE_STORE_H_
