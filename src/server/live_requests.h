// Responses being made, by the id their clients know, for "stop" and "stop thinking now".
// The server's loop only.
#ifndef AHA_SERVER_LIVE_REQUESTS_H_
#define AHA_SERVER_LIVE_REQUESTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace aha {

class LiveRequests {
 public:
  void Add(const std::string& id, const std::string& owner, uint64_t generation) {
    by_id_[id] = {owner, generation};
  }
  void Remove(const std::string& id) { by_id_.erase(id); }
  // The generation, if it is that owner's.
  std::optional<uint64_t> Find(const std::string& id, const std::string& owner) const {
    const auto it = by_id_.find(id);
    if (it == by_id_.end() || it->second.first != owner) return std::nullopt;
    return it->second.second;
  }

 private:
  std::map<std::string, std::pair<std::string, uint64_t>> by_id_;
};

}  // namespace aha

#endif  // AHA_SERVER_LIVE_REQUESTS_H_
