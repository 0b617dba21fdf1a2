// What every API works with.
#ifndef AHA_SERVER_API_CONTEXT_H_
#define AHA_SERVER_API_CONTEXT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/api_error.h"
#include "server/chat_spec.h"
#include "server/http_server.h"
#include "server/live_requests.h"
#include "server/model_host.h"
#include "server/router.h"

namespace aha {

class ConversationStore;

struct ApiContext {
  ModelHost* host = nullptr;
  // Work that may wait (files, big prompts, SQLite), on a thread of its own.
  std::function<void(std::function<void()>)> prepare;
  // Back on the server's loop.
  std::function<void(std::function<void()>)> post;
  // On the loop after so many seconds; loop's thread only.
  std::function<void(double, std::function<void()>)> after;
  // Streams that have no end of their own end when the server is to stop.
  std::function<bool()> stopping;
  ConversationStore* store = nullptr;
  std::string version;
  LiveRequests live;

  Caller CallerOf(const HttpRequest& request, const std::string& user_id = "") const {
    return {request.owner, user_id};
  }

  // `work()` on the preparing thread, then `then(its result)` on the loop.
  template <typename Work, typename Then>
  void Prepare(Work work, Then then) const {
    prepare([post = post, work = std::move(work), then = std::move(then)]() mutable {
      using Out = decltype(work());
      auto result = std::make_shared<Out>(work());
      post([result, then = std::move(then)]() mutable { then(std::move(*result)); });
    });
  }
};

// The body as JSON, or the error that says where it is none.
ApiResult<Json> ParseBody(const HttpRequest& request);

// Adds `pattern` both with and without "/v1" before it: clients are configured either way.
void AddV1(Router& router, const std::string& method, const std::string& pattern,
           RouteHandler handler);

}  // namespace aha

#endif  // AHA_SERVER_API_CONTEXT_H_
