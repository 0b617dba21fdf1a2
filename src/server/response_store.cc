#include "server/response_store.h"

#include <algorithm>

#include "server/limits.h"

namespace aha {

void ResponseStore::Put(const std::string& id, StoredResponse response) {
  const MutexLock lock(mutex_);
  by_id_[id] = std::move(response);
  order_.push_back(id);
  while (order_.size() > static_cast<size_t>(limits::kStoredResponses)) {
    by_id_.erase(order_.front());
    order_.pop_front();
  }
}

std::optional<StoredResponse> ResponseStore::Find(const std::string& owner,
                                                  const std::string& id) const {
  const MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end() || it->second.owner != owner) return std::nullopt;
  return it->second;
}

bool ResponseStore::Remove(const std::string& owner, const std::string& id) {
  const MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end() || it->second.owner != owner) return false;
  by_id_.erase(it);
  std::erase(order_, id);
  return true;
}

}  // namespace aha
