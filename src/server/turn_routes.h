// The app's turns: begun, watched, stopped (docs/app_api.md).
//
// Every turn that is being made, and for a while those that ended. The server's loop only, but for
// what says otherwise.
#ifndef AHA_SERVER_TURN_ROUTES_H_
#define AHA_SERVER_TURN_ROUTES_H_

#include <map>
#include <memory>
#include <string>

#include "server/api_context.h"
#include "server/next_turn.h"
#include "server/turn.h"

namespace aha {

class Turns {
 public:
  explicit Turns(ApiContext& context) : context_(context) {}
  void AddRoutes(Router& router);
  // Ends all turns; `then` is called when what they have is kept.
  void StopAll(std::function<void()> then);

 private:
  struct Asked;
  void Begin(const HttpRequest& request, std::shared_ptr<Exchange> exchange);
  void Started(ApiResult<Asked> asked, std::shared_ptr<Exchange> exchange);
  void Ended(Turn& turn, NextTurn next);
  // The turn, or the answer that says it is not there.
  std::shared_ptr<Turn> Find(const HttpRequest& request, const std::string& id,
                             const std::shared_ptr<Exchange>& exchange);
  // On a thread that may wait.
  static ApiResult<Asked> Read(const HttpRequest& request, ApiContext& context);
  static ApiResult<Asked> ReadIncognito(const Json& body, Asked asked);
  static ApiResult<Asked> ReadConversation(const Json& body, Asked asked, ApiContext& context);

  ApiContext& context_;
  std::map<std::string, std::shared_ptr<Turn>> turns_;
  int writes_ = 0;  // given to the store and not done
};

}  // namespace aha

#endif  // AHA_SERVER_TURN_ROUTES_H_
