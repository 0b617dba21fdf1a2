// Conversations and their messages as rows of a store's file. No locks and no transactions here:
// ConversationStore has them.
//
//   ConversationRows rows(&db, &vault);
//   AHA_ASSIGN_OR_RETURN(ConversationRow c, rows.Find("owner", "conv_1"));
//   AHA_ASSIGN_OR_RETURN(std::vector<MessageRow> messages, rows.Messages(c.id));
#ifndef AHA_SERVER_CONVERSATION_ROWS_H_
#define AHA_SERVER_CONVERSATION_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "server/sqlite.h"
#include "server/store_vault.h"

namespace aha {

// Times are microseconds since 1970: as a double of seconds they come back to the same number.
struct ConversationRow {
  std::string id, owner;
  int64_t created = 0, updated = 0;
  std::string leaf;  // "": none
  std::string title, model;
  Json settings = Json::object();

  Json Summary() const;  // {id, title, model, created, updated}
  Json Whole() const;    // with settings and leaf
};

struct MessageRow {
  std::string id, conversation, parent;
  std::string role, status;
  int64_t created = 0;
  std::string content;
  std::optional<std::string> thought;
  // Of docs/app_api.md's message: what has no column, where it is not null.
  Json details = Json::object();

  // Fields that `message` does not have keep their values, but for details, which are all new.
  // InvalidArgument: a field that is of the wrong type.
  Status Take(const Json& message);
  Json ToJson() const;
};

double Seconds(int64_t micros);
int64_t Micros(double seconds);
int64_t NowMicros();

class ConversationRows {
 public:
  ConversationRows(Database* db, const StoreVault* vault) : db_(db), vault_(vault) {}

  // Another owner's is NotFound, as one that is not there.
  Result<ConversationRow> Find(const std::string& owner, const std::string& id);
  // The newest first, at most `limit`, of those updated before `before`.
  Result<std::vector<ConversationRow>> Before(const std::string& owner, int64_t before,
                                              int64_t limit);
  Status Insert(const ConversationRow& row);
  Status Update(const ConversationRow& row);
  // Of whatever owner.
  Result<bool> ConversationExists(const std::string& id);
  Result<bool> MessageExists(const std::string& id);
  // A time for `updated`, after all that the owner has.
  Result<int64_t> NextUpdated(const std::string& owner);
  // A time at or before `wanted` that no conversation of the owner has.
  Result<int64_t> FreeUpdated(const std::string& owner, int64_t wanted);
  Result<int64_t> Delete(const std::string& owner, const std::string& id);
  Status DeleteAll(const std::string& owner);

  // In the order they were added, each with what was appended so far.
  Result<std::vector<MessageRow>> Messages(const std::string& conversation);
  Result<MessageRow> FindMessage(const std::string& id);
  Status InsertMessage(const MessageRow& row);
  // Its deltas go.
  Status ReplaceMessage(const MessageRow& row);
  Status Append(const std::string& message, const std::string& thought, const std::string& answer);
  Result<std::vector<std::string>> StreamingMessages();
  // The owner and the conversation of a message.
  Result<ConversationRow> ConversationOf(const std::string& message);

 private:
  Result<ConversationRow> ReadConversation(const Statement& row);
  Result<MessageRow> ReadMessage(const Statement& row);
  Status AddDeltas(MessageRow* row);
  void BindMessage(Statement* statement, const MessageRow& row);

  Database* db_;
  const StoreVault* vault_;
};

}  // namespace aha

#endif  // AHA_SERVER_CONVERSATION_ROWS_H_
