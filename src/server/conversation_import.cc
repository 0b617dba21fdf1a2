#include "server/conversation_import.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "server/limits.h"
#include "server/random_id.h"
#include "server/text_search.h"

namespace aha {
namespace {

constexpr size_t kIdBytes = 64;

bool IsId(const std::string& text) {
  return !text.empty() && text.size() <= kIdBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// Text at `key`, "" when absent or null.
Result<std::string> Text(const Json& object, const char* key, size_t most) {
  const Json* value = FindKey(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return InvalidArgument("{} is no string", key);
  if (value->get_ref<const std::string&>().size() > most) {
    return InvalidArgument("{} has {} bytes: at most {} are possible", key,
                           value->get_ref<const std::string&>().size(), most);
  }
  return value->get<std::string>();
}

Result<int64_t> Time(const Json& object, const char* key, int64_t otherwise) {
  const Json* value = FindKey(object, key);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) return InvalidArgument("{} is no number", key);
  // One in the future would stay above everything that is said from now on.
  return std::min(Micros(value->get<double>()), NowMicros());
}

// What the page reads of a message's details must be of the right kind.
Status CheckDetails(const Json& details) {
  for (const char* key : {"model", "finish_reason", "notice"}) {
    AHA_RETURN_IF_ERROR(Text(details, key, limits::kBodyBytes).status());
  }
  for (const char* key : {"usage", "timings", "vote"}) {
    const Json* value = FindKey(details, key);
    if (value != nullptr && !value->is_object()) {
      return InvalidArgument("{} is no JSON object", key);
    }
  }
  const Json* vote = FindKey(details, "vote");
  if (vote == nullptr) return OkStatus();
  for (const char* key : {"answers", "samples"}) {
    const Json* list = FindKey(*vote, key);
    if (list == nullptr || !list->is_array()) return InvalidArgument("vote.{} is no list", key);
    for (const Json& entry : *list) {
      if (!entry.is_object()) return InvalidArgument("vote.{} holds no JSON objects", key);
    }
  }
  return OkStatus();
}

Result<MessageRow> ReadMessage(const Json& json, const std::set<std::string>& before) {
  MessageRow row{.id = {},
                 .conversation = {},
                 .parent = {},
                 .role = {},
                 .status = "done",
                 .created = NowMicros(),
                 .content = {},
                 .thought = {}};
  AHA_RETURN_IF_ERROR(row.Take(json));
  AHA_RETURN_IF_ERROR(CheckDetails(row.details));
  if (row.status == "streaming") row.status = "stopped";
  row.details.erase("turn");
  AHA_ASSIGN_OR_RETURN(row.id, Text(json, "id", limits::kBodyBytes));
  AHA_ASSIGN_OR_RETURN(row.parent, Text(json, "parent", limits::kBodyBytes));
  if (row.id.empty()) return InvalidArgument("id is missing");
  if (before.contains(row.id)) {
    return InvalidArgument("two messages have the id '{}'", row.id.substr(0, kIdBytes));
  }
  if (!row.parent.empty() && !before.contains(row.parent)) {
    return InvalidArgument("parent is '{}': no message before it has that id",
                           row.parent.substr(0, kIdBytes));
  }
  return row;
}

Result<ImportedConversation> ReadConversation(const Json& json) {
  if (!json.is_object()) return InvalidArgument("a conversation is no JSON object");
  ImportedConversation out;
  ConversationRow& row = out.row;
  AHA_ASSIGN_OR_RETURN(row.id, Text(json, "id", limits::kBodyBytes));
  AHA_ASSIGN_OR_RETURN(row.title, Text(json, "title", limits::kTitleBytes));
  AHA_ASSIGN_OR_RETURN(row.model, Text(json, "model", limits::kModelNameBytes));
  AHA_ASSIGN_OR_RETURN(row.leaf, Text(json, "leaf", limits::kBodyBytes));
  AHA_ASSIGN_OR_RETURN(row.created, Time(json, "created", NowMicros()));
  AHA_ASSIGN_OR_RETURN(row.updated, Time(json, "updated", row.created));
  if (const Json* settings = FindKey(json, "settings")) {
    if (!settings->is_object()) return InvalidArgument("settings are no JSON object");
    row.settings = *settings;
  }
  const Json* messages = FindKey(json, "messages");
  if (messages == nullptr || !messages->is_array()) return InvalidArgument("messages is no list");
  std::set<std::string> ids;
  for (size_t i = 0; i < messages->size(); ++i) {
    Result<MessageRow> message = ReadMessage((*messages)[i], ids);
    if (!message.ok()) return message.status().Within(fmt::format("messages[{}]", i));
    ids.insert(message->id);
    out.messages.push_back(std::move(*message));
  }
  if (!ids.contains(row.leaf)) row.leaf = out.messages.empty() ? "" : out.messages.back().id;
  const auto first = std::ranges::find(out.messages, "user", &MessageRow::role);
  if (row.title.empty() && first != out.messages.end()) {
    row.title = Headline(first->content, limits::kTitleCharacters);
  }
  return out;
}

}  // namespace

Result<std::vector<ImportedConversation>> ReadImport(const Json& file) {
  if (!file.is_object()) return InvalidArgument("the file is no JSON object");
  AHA_ASSIGN_OR_RETURN(const std::string format, Text(file, "format", limits::kBodyBytes));
  if (format != kConversationFormat) {
    return InvalidArgument("the file's format is '{}', not '{}': it is no export of this program",
                           format.substr(0, 40), kConversationFormat);
  }
  const Result<int64_t> version = GetInt(file, "version");
  if (!version.ok()) return version.status();
  if (*version != kConversationVersion) {
    return InvalidArgument("the file's version is {}: this program reads {}", *version,
                           kConversationVersion);
  }
  const Json* list = FindKey(file, "conversations");
  if (list == nullptr || !list->is_array()) return InvalidArgument("conversations is no list");
  std::vector<ImportedConversation> read;
  for (size_t i = 0; i < list->size(); ++i) {
    Result<ImportedConversation> one = ReadConversation((*list)[i]);
    if (!one.ok()) return one.status().Within(fmt::format("conversations[{}]", i));
    read.push_back(std::move(*one));
  }
  return read;
}

Status AddImported(ConversationRows* rows, ImportedConversation* conversation) {
  ConversationRow& row = conversation->row;
  AHA_ASSIGN_OR_RETURN(const bool taken, rows->ConversationExists(row.id));
  if (taken || !IsId(row.id)) row.id = RandomId("conv_");
  AHA_ASSIGN_OR_RETURN(row.updated, rows->FreeUpdated(row.owner, row.updated));
  std::map<std::string, std::string> new_ids;
  for (MessageRow& message : conversation->messages) {
    AHA_ASSIGN_OR_RETURN(const bool id_taken, rows->MessageExists(message.id));
    new_ids[message.id] = id_taken || !IsId(message.id) ? RandomId("msg_") : message.id;
  }
  if (!row.leaf.empty()) row.leaf = new_ids.at(row.leaf);
  AHA_RETURN_IF_ERROR(rows->Insert(row));
  for (MessageRow& message : conversation->messages) {
    message.id = new_ids.at(message.id);
    message.conversation = row.id;
    if (!message.parent.empty()) message.parent = new_ids.at(message.parent);
    AHA_RETURN_IF_ERROR(rows->InsertMessage(message));
  }
  return OkStatus();
}

}  // namespace aha
