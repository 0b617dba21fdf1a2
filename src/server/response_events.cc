#include "server/response_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace aha {

void ResponseEvents::Follow(const std::shared_ptr<Exchange>& exchange, int64_t after) {
  exchange->Begin(
      {.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-cache"}}});
  const auto first = static_cast<size_t>(std::max<int64_t>(0, after + 1));
  std::string missed;
  for (size_t i = first; i < kept_.size(); ++i) missed += kept_[i];
  if (!missed.empty()) exchange->Write(std::move(missed));
  if (ended_) return exchange->End();
  listeners_.push_back(exchange);
  exchange->OnGone([events = weak_from_this(), one = exchange.get()] {
    if (const auto self = events.lock()) {
      std::erase_if(self->listeners_, [&](const auto& other) { return other.get() == one; });
    }
  });
}

void ResponseEvents::Add(const char* type, Json fields) {
  if (!keep_ && listeners_.empty()) return;
  fields["type"] = type;
  fields["sequence_number"] = next_++;
  std::string event = fmt::format("event: {}\ndata: {}\n\n", type, DumpJson(fields));
  // One that is dropped for its slowness leaves the list.
  for (const auto& listener : std::vector(listeners_)) listener->Write(event);
  if (!keep_) return;
  bytes_ += event.size();
  kept_.push_back(std::move(event));
  if (bytes_ <= max_bytes_) return;
  keep_ = false;
  kept_ = {};
  bytes_ = 0;
}

void ResponseEvents::End() {
  ended_ = true;
  for (const auto& listener : std::exchange(listeners_, {})) listener->End();
}

}  // namespace aha
