#include "server/response_store.h"

namespace aha {
namespace {

// About what it takes in memory.
size_t SizeOf(const Json& json) {
  size_t bytes = sizeof(Json);
  if (json.is_string()) return bytes + json.get_ref<const std::string&>().size();
  if (json.is_array()) {
    for (const Json& one : json) bytes += SizeOf(one);
  } else if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      bytes += sizeof(std::string) + key.size() + SizeOf(value);
    }
  }
  return bytes;
}

size_t SizeOf(const StoredResponse& stored) {
  return SizeOf(stored.response) + SizeOf(stored.messages) + SizeOf(stored.input) +
         (stored.events == nullptr ? 0 : stored.events->bytes());
}

}  // namespace

void ResponseStore::Add(const std::string& id, StoredResponse response) {
  const size_t bytes = SizeOf(response);
  auto stored = std::make_shared<const StoredResponse>(std::move(response));
  const MutexLock lock(mutex_);
  if (const auto it = by_id_.find(id); it != by_id_.end()) Erase(it);
  by_id_[id] = {std::move(stored), bytes, order_.insert(order_.end(), id)};
  bytes_ += bytes;
  MakeRoom();
}

void ResponseStore::Replace(const std::string& id, StoredResponse response) {
  const size_t bytes = SizeOf(response);
  auto stored = std::make_shared<const StoredResponse>(std::move(response));
  const MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  bytes_ += bytes - it->second.bytes;
  it->second.bytes = bytes;
  it->second.stored = std::move(stored);
  MakeRoom();
}

std::shared_ptr<const StoredResponse> ResponseStore::Find(const std::string& owner,
                                                          const std::string& id) const {
  const MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  return it == by_id_.end() || it->second.stored->owner != owner ? nullptr : it->second.stored;
}

std::vector<std::shared_ptr<const StoredResponse>> ResponseStore::OfOwner(
    const std::string& owner) const {
  std::vector<std::shared_ptr<const StoredResponse>> out;
  const MutexLock lock(mutex_);
  for (auto id = order_.rbegin(); id != order_.rend(); ++id) {
    const auto& stored = by_id_.find(*id)->second.stored;
    if (stored->owner == owner) out.push_back(stored);
  }
  return out;
}

bool ResponseStore::Remove(const std::string& owner, const std::string& id) {
  const MutexLock lock(mutex_);
  const auto it = by_id_.find(id);
  if (it == by_id_.end() || it->second.stored->owner != owner) return false;
  Erase(it);
  return true;
}

void ResponseStore::Erase(Entries::iterator it) {
  bytes_ -= it->second.bytes;
  order_.erase(it->second.place);
  by_id_.erase(it);
}

// The last one stays, however large it is: its client may go on from it.
void ResponseStore::MakeRoom() {
  while (order_.size() > static_cast<size_t>(limits::kStoredResponses) ||
         (bytes_ > max_bytes_ && order_.size() > 1)) {
    Erase(by_id_.find(order_.front()));
  }
}

}  // namespace aha
