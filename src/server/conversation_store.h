// The conversations of the app, in one private file of a folder (store_file.h), encrypted or not.
//
//   AHA_ASSIGN_OR_RETURN(std::unique_ptr<ConversationStore> store,
//   ConversationStore::Open(folder)); AHA_ASSIGN_OR_RETURN(const Json chat, store->Create(owner,
//   {{"title", "Primes"}})); AHA_ASSIGN_OR_RETURN(const std::string id,
//                        store->AddMessage(owner, chat["id"], "", {{"role", "user"}, ...}));
//   AHA_RETURN_IF_ERROR(store->AppendDelta(id, "a thought", ""));
//
// JSON is as in docs/app_api.md. Calls come from any thread; they wait for the disk and for each
// other, but for notice(), encrypted() and locked(). What one owner has does not exist for another.
// A call that returned survives the end of the program, however it comes; all but AppendDelta
// survive a power cut too.
//
// Errors: NotFound for ids; InvalidArgument for fields; ResourceExhausted for all but Unlock while
// the store is locked.
#ifndef AHA_SERVER_CONVERSATION_STORE_H_
#define AHA_SERVER_CONVERSATION_STORE_H_

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/mutex.h"
#include "base/status.h"
#include "server/conversation_rows.h"
#include "server/store_file.h"
#include "server/store_vault.h"
#include "server/text_search.h"

namespace aha {

struct ConversationStoreOptions {
  PassphraseCost cost = {};  // of one guess, when the store is encrypted
};

class ConversationStore {
 public:
  // Messages that were being written when the program ended are "stopped", with what there is.
  static Result<std::unique_ptr<ConversationStore>> Open(const std::filesystem::path& folder,
                                                         ConversationStoreOptions options = {});

  // A sentence for the user, of a file that was damaged; "": there is none.
  const std::string& notice() const { return notice_; }
  bool encrypted() const { return encrypted_; }
  bool locked() const { return locked_; }
  // InvalidArgument: the passphrase is wrong. About a second.
  Status Unlock(std::string_view passphrase);
  Status Encrypt(std::string_view passphrase);

  // {conversations: [...]}, the newest first, at most `limit`, updated before `before` (0: all).
  Result<Json> List(const std::string& owner, const std::string& q, double before, int64_t limit);
  // `fields`: title, model, settings; each may be absent or null.
  Result<Json> Create(const std::string& owner, const Json& fields);
  Result<Json> Get(const std::string& owner, const std::string& id);
  // `fields` as of Create, and leaf. An empty title is made from the first message again. Gives the
  // conversation without its messages.
  Result<Json> Patch(const std::string& owner, const std::string& id, const Json& fields);
  Status Delete(const std::string& owner, const std::string& id);
  Status DeleteAll(const std::string& owner);
  // `id` "": all.
  Result<Json> Export(const std::string& owner, const std::string& id);
  // All of them or none; how many. Ids that are taken are replaced.
  Result<int> Import(const std::string& owner, const Json& file);

  // `parent` "": none. The new message's id.
  Result<std::string> AddMessage(const std::string& owner, const std::string& conversation,
                                 const std::string& parent, const Json& message);
  // To a message that streams.
  Status AppendDelta(const std::string& message, const std::string& thought,
                     const std::string& answer);
  // `message` replaces what there is, but for the id and the place in the tree.
  Status FinishMessage(const std::string& message, const Json& fields);

 private:
  ConversationStore(StoreFile file, StoreVault vault, ConversationStoreOptions options);
  Status CheckUnlocked() const AHA_REQUIRES(mutex_);
  // Of a run that ended in the middle.
  Status StopStreaming() AHA_REQUIRES(mutex_);
  // Takes the checked fields that are there.
  Status TakeFields(const Json& fields, ConversationRow* row) AHA_REQUIRES(mutex_);
  Result<Json> WithMessages(const ConversationRow& row) AHA_REQUIRES(mutex_);
  // Where the conversation holds it; null: nowhere.
  Result<Json> Snippet(const ConversationRow& row, const TextSearch& search) AHA_REQUIRES(mutex_);
  // Looks through the next few conversations before `*before`; false: there are no more.
  Result<bool> ListSome(const std::string& owner, const TextSearch& search, int64_t limit,
                        int64_t* before, Json* list);
  // After deletions: what went must not stay in the log.
  Status EmptyLog() AHA_REQUIRES(mutex_);

  const std::string notice_;
  const ConversationStoreOptions options_;
  Mutex mutex_;
  Database db_ AHA_GUARDED_BY(mutex_);
  StoreVault vault_ AHA_GUARDED_BY(mutex_);
  ConversationRows rows_ AHA_GUARDED_BY(mutex_);
  // As the vault says: to be asked without waiting for it.
  std::atomic<bool> encrypted_, locked_;
};

}  // namespace aha

#endif  // AHA_SERVER_CONVERSATION_STORE_H_
