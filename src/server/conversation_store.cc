#include "server/conversation_store.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "server/conversation_import.h"
#include "server/limits.h"
#include "server/random_id.h"

namespace aha {
namespace {

constexpr int64_t kSearchedAtOnce = 16;  // conversations, before others may use the store

}  // namespace

Result<std::unique_ptr<ConversationStore>> ConversationStore::Open(
    const std::filesystem::path& folder, ConversationStoreOptions options) {
  AHA_ASSIGN_OR_RETURN(StoreFile file, OpenStoreFile(folder));
  AHA_ASSIGN_OR_RETURN(StoreVault vault, StoreVault::Load(&file.db));
  std::unique_ptr<ConversationStore> store(
      new ConversationStore(std::move(file), std::move(vault), options));
  if (!store->locked()) {
    const MutexLock lock(store->mutex_);
    AHA_RETURN_IF_ERROR(store->StopStreaming());
  }
  return store;
}

ConversationStore::ConversationStore(StoreFile file, StoreVault vault,
                                     ConversationStoreOptions options)
    : notice_(std::move(file.notice)),
      options_(options),
      db_(std::move(file.db)),
      vault_(std::move(vault)),
      rows_(&db_, &vault_),
      encrypted_(vault_.encrypted()),
      locked_(vault_.locked()) {}

Status ConversationStore::CheckUnlocked() const {
  if (!vault_.locked()) return OkStatus();
  return ResourceExhausted("the conversations are encrypted; unlock them first");
}

Status ConversationStore::Unlock(std::string_view passphrase) {
  const MutexLock lock(mutex_);
  const bool was_locked = vault_.locked();
  AHA_RETURN_IF_ERROR(vault_.Unlock(passphrase));
  if (was_locked) AHA_RETURN_IF_ERROR(StopStreaming());
  locked_ = false;
  return OkStatus();
}

Status ConversationStore::Encrypt(std::string_view passphrase) {
  const MutexLock lock(mutex_);
  const Status done = vault_.Encrypt(&db_, passphrase, options_.cost);
  encrypted_ = vault_.encrypted();
  return done;
}

Status ConversationStore::StopStreaming() {
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ids, rows_.StreamingMessages());
  if (ids.empty()) return OkStatus();
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  for (const std::string& id : ids) {
    AHA_ASSIGN_OR_RETURN(MessageRow row, rows_.FindMessage(id));
    row.status = "stopped";
    row.details.erase("turn");
    AHA_RETURN_IF_ERROR(rows_.ReplaceMessage(row));
  }
  return transaction.Commit();
}

// --- conversations ---

Result<Json> ConversationStore::Snippet(const ConversationRow& row, const TextSearch& search) {
  if (auto found = search.Find(row.title)) return Json(*found);
  AHA_ASSIGN_OR_RETURN(const std::vector<MessageRow> messages, rows_.Messages(row.id));
  for (const MessageRow& message : messages) {
    if (auto found = search.Find(message.content)) return Json(*found);
  }
  for (const MessageRow& message : messages) {
    if (!message.thought) continue;
    if (auto found = search.Find(*message.thought)) return Json(*found);
  }
  return Json(nullptr);
}

Result<bool> ConversationStore::ListSome(const std::string& owner, const TextSearch& search,
                                         int64_t limit, int64_t* before, Json* list) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  const int64_t some = search.empty() ? limit : kSearchedAtOnce;
  AHA_ASSIGN_OR_RETURN(const std::vector<ConversationRow> rows, rows_.Before(owner, *before, some));
  for (const ConversationRow& row : rows) {
    *before = row.updated;
    Json entry = row.Summary();
    entry["snippet"] = nullptr;
    if (!search.empty()) {
      AHA_ASSIGN_OR_RETURN(entry["snippet"], Snippet(row, search));
      if (entry["snippet"].is_null()) continue;
    }
    list->push_back(std::move(entry));
    if (static_cast<int64_t>(list->size()) >= limit) return false;
  }
  return static_cast<int64_t>(rows.size()) == some;
}

Result<Json> ConversationStore::List(const std::string& owner, const std::string& q, double before,
                                     int64_t limit) {
  const TextSearch search(q);
  int64_t at = before > 0 ? Micros(before) : std::numeric_limits<int64_t>::max();
  Json list = Json::array();
  for (bool more = limit > 0; more;) {
    AHA_ASSIGN_OR_RETURN(more, ListSome(owner, search, limit, &at, &list));
  }
  return Json{{"conversations", std::move(list)}};
}

Status ConversationStore::TakeFields(const Json& fields, ConversationRow* row) {
  if (!fields.is_object()) return InvalidArgument("a conversation's fields are no JSON object");
  for (const auto& [key, text] : {std::pair("title", &row->title), {"model", &row->model}}) {
    const auto value = fields.find(key);
    if (value == fields.end()) continue;
    if (!value->is_string() && !value->is_null()) {
      return InvalidArgument("a conversation's {} is no string", key);
    }
    *text = value->is_null() ? "" : value->get<std::string>();
  }
  if (const auto settings = fields.find("settings"); settings != fields.end()) {
    if (!settings->is_object() && !settings->is_null()) {
      return InvalidArgument("a conversation's settings are no JSON object");
    }
    row->settings = settings->is_null() ? Json::object() : *settings;
  }
  return OkStatus();
}

Result<Json> ConversationStore::WithMessages(const ConversationRow& row) {
  AHA_ASSIGN_OR_RETURN(const std::vector<MessageRow> messages, rows_.Messages(row.id));
  Json json = row.Whole();
  json["messages"] = Json::array();
  for (const MessageRow& message : messages) json["messages"].push_back(message.ToJson());
  return json;
}

Result<Json> ConversationStore::Create(const std::string& owner, const Json& fields) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  ConversationRow row{
      .id = RandomId("conv_"), .owner = owner, .leaf = {}, .title = {}, .model = {}};
  AHA_RETURN_IF_ERROR(TakeFields(fields, &row));
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_ASSIGN_OR_RETURN(row.updated, rows_.NextUpdated(owner));
  row.created = row.updated;
  AHA_RETURN_IF_ERROR(rows_.Insert(row));
  AHA_RETURN_IF_ERROR(transaction.Commit());
  return WithMessages(row);
}

Result<Json> ConversationStore::Get(const std::string& owner, const std::string& id) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  AHA_ASSIGN_OR_RETURN(const ConversationRow row, rows_.Find(owner, id));
  return WithMessages(row);
}

Result<Json> ConversationStore::Patch(const std::string& owner, const std::string& id,
                                      const Json& fields) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  AHA_ASSIGN_OR_RETURN(ConversationRow row, rows_.Find(owner, id));
  AHA_RETURN_IF_ERROR(TakeFields(fields, &row));
  if (const Json* leaf = FindKey(fields, "leaf")) {
    if (!leaf->is_string()) return InvalidArgument("leaf is no string");
    row.leaf = leaf->get<std::string>();
    const Result<MessageRow> message = rows_.FindMessage(row.leaf);
    if (!message.ok() && message.status().code() != StatusCode::kNotFound) return message.status();
    if (!message.ok() || message->conversation != id) {
      return InvalidArgument("the conversation has no message '{}'", row.leaf.substr(0, 100));
    }
  }
  if (row.title.empty() && fields.contains("title")) {
    AHA_ASSIGN_OR_RETURN(const std::vector<MessageRow> messages, rows_.Messages(id));
    const auto first = std::ranges::find(messages, "user", &MessageRow::role);
    if (first != messages.end()) row.title = Headline(first->content, limits::kTitleCharacters);
  }
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_RETURN_IF_ERROR(rows_.Update(row));
  AHA_RETURN_IF_ERROR(transaction.Commit());
  return row.Whole();
}

Status ConversationStore::EmptyLog() { return db_.Execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

Status ConversationStore::Delete(const std::string& owner, const std::string& id) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_ASSIGN_OR_RETURN(const int64_t deleted, rows_.Delete(owner, id));
  if (deleted == 0) return NotFound("there is no conversation '{}'", id.substr(0, 100));
  AHA_RETURN_IF_ERROR(transaction.Commit());
  return EmptyLog();
}

Status ConversationStore::DeleteAll(const std::string& owner) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_RETURN_IF_ERROR(rows_.DeleteAll(owner));
  AHA_RETURN_IF_ERROR(transaction.Commit());
  return EmptyLog();
}

Result<Json> ConversationStore::Export(const std::string& owner, const std::string& id) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  std::vector<ConversationRow> rows;
  if (id.empty()) {
    constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
    AHA_ASSIGN_OR_RETURN(rows, rows_.Before(owner, kAll, kAll));
  } else {
    AHA_ASSIGN_OR_RETURN(ConversationRow row, rows_.Find(owner, id));
    rows.push_back(std::move(row));
  }
  Json file = {{"format", kConversationFormat}, {"version", kConversationVersion}};
  file["conversations"] = Json::array();
  for (const ConversationRow& row : rows) {
    AHA_ASSIGN_OR_RETURN(Json conversation, WithMessages(row));
    file["conversations"].push_back(std::move(conversation));
  }
  return file;
}

Result<int> ConversationStore::Import(const std::string& owner, const Json& file) {
  AHA_ASSIGN_OR_RETURN(std::vector<ImportedConversation> read, ReadImport(file));
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  // The oldest first: where times collide, the order stays.
  std::ranges::stable_sort(read, {}, [](const auto& c) { return c.row.updated; });
  for (ImportedConversation& conversation : read) {
    conversation.row.owner = owner;
    AHA_RETURN_IF_ERROR(AddImported(&rows_, &conversation));
  }
  AHA_RETURN_IF_ERROR(transaction.Commit());
  return static_cast<int>(read.size());
}

// --- messages ---

Result<std::string> ConversationStore::AddMessage(const std::string& owner,
                                                  const std::string& conversation,
                                                  const std::string& parent, const Json& message) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  AHA_ASSIGN_OR_RETURN(ConversationRow row, rows_.Find(owner, conversation));
  MessageRow added{.id = RandomId("msg_"),
                   .conversation = conversation,
                   .parent = parent,
                   .role = {},
                   .status = "done",
                   .created = NowMicros(),
                   .content = {},
                   .thought = {}};
  AHA_RETURN_IF_ERROR(added.Take(message));
  if (!parent.empty()) {
    const Result<MessageRow> above = rows_.FindMessage(parent);
    if (!above.ok() && above.status().code() != StatusCode::kNotFound) return above.status();
    if (!above.ok() || above->conversation != conversation) {
      return InvalidArgument("the conversation has no message '{}'", parent.substr(0, 100));
    }
  }
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_RETURN_IF_ERROR(rows_.InsertMessage(added));
  row.leaf = added.id;
  AHA_ASSIGN_OR_RETURN(row.updated, rows_.NextUpdated(owner));
  if (row.title.empty() && added.role == "user") {
    row.title = Headline(added.content, limits::kTitleCharacters);
  }
  AHA_RETURN_IF_ERROR(rows_.Update(row));
  AHA_RETURN_IF_ERROR(transaction.Commit());
  return added.id;
}

Status ConversationStore::AppendDelta(const std::string& message, const std::string& thought,
                                      const std::string& answer) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin(Transaction::Survives::kKill));
  AHA_RETURN_IF_ERROR(rows_.Append(message, thought, answer));
  return transaction.Commit();
}

Status ConversationStore::FinishMessage(const std::string& message, const Json& fields) {
  const MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckUnlocked());
  AHA_ASSIGN_OR_RETURN(MessageRow row, rows_.FindMessage(message));
  AHA_RETURN_IF_ERROR(row.Take(fields));
  AHA_ASSIGN_OR_RETURN(ConversationRow conversation, rows_.ConversationOf(message));
  Transaction transaction(&db_);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  AHA_RETURN_IF_ERROR(rows_.ReplaceMessage(row));
  AHA_ASSIGN_OR_RETURN(conversation.updated, rows_.NextUpdated(conversation.owner));
  AHA_RETURN_IF_ERROR(rows_.Update(conversation));
  return transaction.Commit();
}

}  // namespace aha
