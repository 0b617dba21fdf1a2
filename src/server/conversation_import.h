// A file of conversations that a stranger may have written, read whole before anything is stored.
//
//   AHA_ASSIGN_OR_RETURN(std::vector<ImportedConversation> read, ReadImport(json));
//   for (auto& conversation : read) AHA_RETURN_IF_ERROR(AddImported(&rows, &conversation));
//
// Errors name the place: "conversations[2].messages[7]: a message's role is 'tool': ...".
#ifndef AHA_SERVER_CONVERSATION_IMPORT_H_
#define AHA_SERVER_CONVERSATION_IMPORT_H_

#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "server/conversation_rows.h"

namespace aha {

inline constexpr const char* kConversationFormat = "aha-conversations";
inline constexpr int kConversationVersion = 1;

struct ImportedConversation {
  ConversationRow row;
  std::vector<MessageRow> messages;  // each after its parent
};

// Messages that stream in the file are "stopped": their turn is elsewhere. Ids that are no ids are
// made anew; the leaf is a message of the conversation.
Result<std::vector<ImportedConversation>> ReadImport(const Json& file);

// Stores it for `conversation->row.owner`; ids that are taken, by whomever, are made anew.
Status AddImported(ConversationRows* rows, ImportedConversation* conversation);

}  // namespace aha

#endif  // AHA_SERVER_CONVERSATION_IMPORT_H_
