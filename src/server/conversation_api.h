// The app's conversations over HTTP: docs/app_api.md's "Conversations", with unlock, encrypt,
// export and import. While the store is locked all but unlock answer 423.
#ifndef AHA_SERVER_CONVERSATION_API_H_
#define AHA_SERVER_CONVERSATION_API_H_

#include "server/api_context.h"
#include "server/conversation_store.h"

namespace aha {

// `context` and `store` outlive the router.
void AddConversationRoutes(Router& router, ApiContext& context, ConversationStore& store);

}  // namespace aha

#endif  // AHA_SERVER_CONVERSATION_API_H_
