#include "server/conversation_rows.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace aha {
namespace {

constexpr const char* kDetails[] = {"model",   "finish_reason", "notice", "usage",
                                    "timings", "turn",          "vote"};
// Columns, in the order that ReadConversation and ReadMessage want them.
constexpr const char* kConversation = "id, owner, created, updated, leaf, title, model, settings";
constexpr const char* kMessage =
    "id, conversation, parent, role, status, created, content, thought, details";

std::string Place(const char* column, const std::string& id) {
  return std::string(column) + "/" + id;
}

std::string DeltaPlace(const char* column, const std::string& message, int64_t n) {
  return fmt::format("delta.{}/{}/{}", column, message, n);
}

void BindOrNull(Statement* statement, const std::string& text) {
  if (text.empty()) {
    statement->BindNull();
  } else {
    statement->Bind(text);
  }
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// Text at `key`: null and absent leave `out` alone.
Status TakeText(const Json& message, const char* key, std::string* out) {
  const Json* value = FindKey(message, key);
  if (value == nullptr) return OkStatus();
  if (!value->is_string()) return InvalidArgument("a message's {} is no string", key);
  *out = value->get<std::string>();
  return OkStatus();
}

Result<Json> ParseStored(const std::string& text) {
  Result<Json> json = ParseJson(text);
  if (!json.ok() || !json->is_object()) return IoError("a stored value is no JSON object");
  return json;
}

}  // namespace

double Seconds(int64_t micros) { return static_cast<double>(micros) / 1e6; }

int64_t Micros(double seconds) {
  // Beyond these a double has no microseconds; NaN is 0.
  if (!(seconds > 0)) return 0;
  return std::llround(std::min(seconds, 9e9) * 1e6);
}

int64_t NowMicros() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Json ConversationRow::Summary() const {
  return {{"id", id},
          {"title", title},
          {"model", TextOrNull(model)},
          {"created", Seconds(created)},
          {"updated", Seconds(updated)}};
}

Json ConversationRow::Whole() const {
  Json json = Summary();
  json["settings"] = settings;
  json["leaf"] = TextOrNull(leaf);
  return json;
}

Status MessageRow::Take(const Json& message) {
  if (!message.is_object()) return InvalidArgument("a message is no JSON object");
  AHA_RETURN_IF_ERROR(TakeText(message, "role", &role));
  AHA_RETURN_IF_ERROR(TakeText(message, "status", &status));
  AHA_RETURN_IF_ERROR(TakeText(message, "content", &content));
  if (role != "user" && role != "assistant") {
    return InvalidArgument("a message's role is '{}': user and assistant are possible", role);
  }
  if (status != "done" && status != "streaming" && status != "stopped" && status != "failed") {
    return InvalidArgument(
        "a message's status is '{}': done, streaming, stopped and failed are possible", status);
  }
  if (message.contains("reasoning_content")) {
    std::string text;
    AHA_RETURN_IF_ERROR(TakeText(message, "reasoning_content", &text));
    thought.reset();
    if (!message["reasoning_content"].is_null()) thought = std::move(text);
  }
  if (const Json* time = FindKey(message, "created")) {
    if (!time->is_number()) return InvalidArgument("a message's created is no number");
    created = Micros(time->get<double>());
  }
  details = Json::object();
  for (const char* key : kDetails) {
    if (const Json* value = FindKey(message, key)) details[key] = *value;
  }
  if (status != "streaming") details.erase("turn");
  return OkStatus();
}

Json MessageRow::ToJson() const {
  Json json = {{"id", id},
               {"parent", TextOrNull(parent)},
               {"role", role},
               {"content", content},
               {"reasoning_content", thought ? Json(*thought) : Json(nullptr)},
               {"created", Seconds(created)},
               {"status", status}};
  for (const char* key : kDetails) {
    const Json* value = FindKey(details, key);
    json[key] = value == nullptr ? Json(nullptr) : *value;
  }
  return json;
}

// --- conversations ---

Result<ConversationRow> ConversationRows::ReadConversation(const Statement& row) {
  ConversationRow c{.id = row.Bytes(0),
                    .owner = row.Bytes(1),
                    .created = row.Int(2),
                    .updated = row.Int(3),
                    .leaf = row.Bytes(4),
                    .title = {},
                    .model = {}};
  AHA_ASSIGN_OR_RETURN(c.title, vault_->Read(row, 5, Place("conversation.title", c.id)));
  AHA_ASSIGN_OR_RETURN(c.model, vault_->Read(row, 6, Place("conversation.model", c.id)));
  AHA_ASSIGN_OR_RETURN(const std::string settings,
                       vault_->Read(row, 7, Place("conversation.settings", c.id)));
  AHA_ASSIGN_OR_RETURN(c.settings, ParseStored(settings));
  return c;
}

Result<ConversationRow> ConversationRows::Find(const std::string& owner, const std::string& id) {
  AHA_ASSIGN_OR_RETURN(Statement find, db_->Prepare(fmt::format(
                                           "SELECT {} FROM conversation WHERE id = ? AND owner = ?",
                                           kConversation)));
  find.Bind(id).Bind(owner);
  AHA_ASSIGN_OR_RETURN(const bool there, find.Step());
  if (!there) return NotFound("there is no conversation '{}'", id.substr(0, 100));
  return ReadConversation(find);
}

Result<std::vector<ConversationRow>> ConversationRows::Before(const std::string& owner,
                                                              int64_t before, int64_t limit) {
  AHA_ASSIGN_OR_RETURN(
      Statement list,
      db_->Prepare(fmt::format("SELECT {} FROM conversation WHERE owner = ? AND updated < ? "
                               "ORDER BY updated DESC LIMIT ?",
                               kConversation)));
  list.Bind(owner).Bind(before).Bind(limit);
  std::vector<ConversationRow> rows;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool there, list.Step());
    if (!there) return rows;
    AHA_ASSIGN_OR_RETURN(ConversationRow row, ReadConversation(list));
    rows.push_back(std::move(row));
  }
}

Status ConversationRows::Insert(const ConversationRow& row) {
  AHA_ASSIGN_OR_RETURN(
      Statement insert,
      db_->Prepare(fmt::format("INSERT INTO conversation ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                               kConversation)));
  insert.Bind(row.id).Bind(row.owner).Bind(row.created).Bind(row.updated);
  BindOrNull(&insert, row.leaf);
  vault_->Bind(&insert, row.title, Place("conversation.title", row.id));
  vault_->Bind(&insert, row.model, Place("conversation.model", row.id));
  vault_->Bind(&insert, DumpJson(row.settings), Place("conversation.settings", row.id));
  return insert.Run();
}

Status ConversationRows::Update(const ConversationRow& row) {
  AHA_ASSIGN_OR_RETURN(
      Statement update,
      db_->Prepare("UPDATE conversation SET updated = ?, leaf = ?, title = ?, model = ?, "
                   "settings = ? WHERE id = ?"));
  update.Bind(row.updated);
  BindOrNull(&update, row.leaf);
  vault_->Bind(&update, row.title, Place("conversation.title", row.id));
  vault_->Bind(&update, row.model, Place("conversation.model", row.id));
  vault_->Bind(&update, DumpJson(row.settings), Place("conversation.settings", row.id));
  update.Bind(row.id);
  return update.Run();
}

Result<bool> ConversationRows::ConversationExists(const std::string& id) {
  AHA_ASSIGN_OR_RETURN(Statement find, db_->Prepare("SELECT 1 FROM conversation WHERE id = ?"));
  return find.Bind(id).Step();
}

Result<bool> ConversationRows::MessageExists(const std::string& id) {
  AHA_ASSIGN_OR_RETURN(Statement find, db_->Prepare("SELECT 1 FROM message WHERE id = ?"));
  return find.Bind(id).Step();
}

Result<int64_t> ConversationRows::NextUpdated(const std::string& owner) {
  AHA_ASSIGN_OR_RETURN(Statement newest,
                       db_->Prepare("SELECT max(updated) FROM conversation WHERE owner = ?"));
  AHA_ASSIGN_OR_RETURN(const bool there, newest.Bind(owner).Step());
  const int64_t now = NowMicros();
  return there ? std::max(now, newest.Int(0) + 1) : now;
}

Result<int64_t> ConversationRows::FreeUpdated(const std::string& owner, int64_t wanted) {
  for (;; --wanted) {
    AHA_ASSIGN_OR_RETURN(
        Statement find, db_->Prepare("SELECT 1 FROM conversation WHERE owner = ? AND updated = ?"));
    AHA_ASSIGN_OR_RETURN(const bool taken, find.Bind(owner).Bind(wanted).Step());
    if (!taken) return wanted;
  }
}

Result<int64_t> ConversationRows::Delete(const std::string& owner, const std::string& id) {
  AHA_ASSIGN_OR_RETURN(Statement erase,
                       db_->Prepare("DELETE FROM conversation WHERE id = ? AND owner = ? "
                                    "RETURNING 1"));
  erase.Bind(id).Bind(owner);
  int64_t n = 0;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool row, erase.Step());
    if (!row) return n;
    ++n;
  }
}

Status ConversationRows::DeleteAll(const std::string& owner) {
  AHA_ASSIGN_OR_RETURN(Statement erase, db_->Prepare("DELETE FROM conversation WHERE owner = ?"));
  return erase.Bind(owner).Run();
}

// --- messages ---

Result<MessageRow> ConversationRows::ReadMessage(const Statement& row) {
  MessageRow m{.id = row.Bytes(0),
               .conversation = row.Bytes(1),
               .parent = row.Bytes(2),
               .role = row.Bytes(3),
               .status = row.Bytes(4),
               .created = row.Int(5),
               .content = {},
               .thought = {}};
  AHA_ASSIGN_OR_RETURN(m.content, vault_->Read(row, 6, Place("message.content", m.id)));
  if (!row.IsNull(7)) {
    AHA_ASSIGN_OR_RETURN(m.thought, vault_->Read(row, 7, Place("message.thought", m.id)));
  }
  AHA_ASSIGN_OR_RETURN(const std::string details,
                       vault_->Read(row, 8, Place("message.details", m.id)));
  AHA_ASSIGN_OR_RETURN(m.details, ParseStored(details));
  return m;
}

Status ConversationRows::AddDeltas(MessageRow* row) {
  AHA_ASSIGN_OR_RETURN(
      Statement deltas,
      db_->Prepare("SELECT n, thought, answer FROM delta WHERE message = ? ORDER BY n"));
  deltas.Bind(row->id);
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool there, deltas.Step());
    if (!there) return OkStatus();
    const int64_t n = deltas.Int(0);
    AHA_ASSIGN_OR_RETURN(const std::string thought,
                         vault_->Read(deltas, 1, DeltaPlace("thought", row->id, n)));
    AHA_ASSIGN_OR_RETURN(const std::string answer,
                         vault_->Read(deltas, 2, DeltaPlace("answer", row->id, n)));
    if (!thought.empty()) row->thought = row->thought.value_or("") + thought;
    row->content += answer;
  }
}

Result<std::vector<MessageRow>> ConversationRows::Messages(const std::string& conversation) {
  AHA_ASSIGN_OR_RETURN(
      Statement list, db_->Prepare(fmt::format(
                          "SELECT {} FROM message WHERE conversation = ? ORDER BY seq", kMessage)));
  list.Bind(conversation);
  std::vector<MessageRow> rows;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool there, list.Step());
    if (!there) return rows;
    AHA_ASSIGN_OR_RETURN(MessageRow row, ReadMessage(list));
    if (row.status == "streaming") AHA_RETURN_IF_ERROR(AddDeltas(&row));
    rows.push_back(std::move(row));
  }
}

Result<MessageRow> ConversationRows::FindMessage(const std::string& id) {
  AHA_ASSIGN_OR_RETURN(Statement find,
                       db_->Prepare(fmt::format("SELECT {} FROM message WHERE id = ?", kMessage)));
  AHA_ASSIGN_OR_RETURN(const bool there, find.Bind(id).Step());
  if (!there) return NotFound("there is no message '{}'", id.substr(0, 100));
  AHA_ASSIGN_OR_RETURN(MessageRow row, ReadMessage(find));
  if (row.status == "streaming") AHA_RETURN_IF_ERROR(AddDeltas(&row));
  return row;
}

void ConversationRows::BindMessage(Statement* statement, const MessageRow& row) {
  statement->Bind(row.role).Bind(row.status).Bind(row.created);
  vault_->Bind(statement, row.content, Place("message.content", row.id));
  if (row.thought) {
    vault_->Bind(statement, *row.thought, Place("message.thought", row.id));
  } else {
    statement->BindNull();
  }
  vault_->Bind(statement, DumpJson(row.details), Place("message.details", row.id));
}

Status ConversationRows::InsertMessage(const MessageRow& row) {
  AHA_ASSIGN_OR_RETURN(
      Statement insert,
      db_->Prepare(
          fmt::format("INSERT INTO message ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", kMessage)));
  insert.Bind(row.id).Bind(row.conversation);
  BindOrNull(&insert, row.parent);
  BindMessage(&insert, row);
  return insert.Run();
}

Status ConversationRows::ReplaceMessage(const MessageRow& row) {
  {
    AHA_ASSIGN_OR_RETURN(
        Statement update,
        db_->Prepare("UPDATE message SET role = ?, status = ?, created = ?, content = ?, "
                     "thought = ?, details = ? WHERE id = ?"));
    BindMessage(&update, row);
    update.Bind(row.id);
    AHA_RETURN_IF_ERROR(update.Run());
  }
  AHA_ASSIGN_OR_RETURN(Statement erase, db_->Prepare("DELETE FROM delta WHERE message = ?"));
  return erase.Bind(row.id).Run();
}

Status ConversationRows::Append(const std::string& message, const std::string& thought,
                                const std::string& answer) {
  AHA_ASSIGN_OR_RETURN(Statement find,
                       db_->Prepare("SELECT status, (SELECT coalesce(max(d.n), 0) FROM delta d "
                                    "WHERE d.message = m.id) FROM message m WHERE m.id = ?"));
  AHA_ASSIGN_OR_RETURN(const bool there, find.Bind(message).Step());
  if (!there) return NotFound("there is no message '{}'", message.substr(0, 100));
  if (find.Bytes(0) != "streaming") {
    return InvalidArgument("the message '{}' is {}: nothing can be added to it", message,
                           find.Bytes(0));
  }
  const int64_t n = find.Int(1) + 1;
  AHA_ASSIGN_OR_RETURN(
      Statement insert,
      db_->Prepare("INSERT INTO delta (message, n, thought, answer) VALUES (?, ?, ?, ?)"));
  insert.Bind(message).Bind(n);
  vault_->Bind(&insert, thought, DeltaPlace("thought", message, n));
  vault_->Bind(&insert, answer, DeltaPlace("answer", message, n));
  return insert.Run();
}

Result<std::vector<std::string>> ConversationRows::StreamingMessages() {
  AHA_ASSIGN_OR_RETURN(Statement list,
                       db_->Prepare("SELECT id FROM message WHERE status = 'streaming'"));
  std::vector<std::string> ids;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool there, list.Step());
    if (!there) return ids;
    ids.push_back(list.Bytes(0));
  }
}

Result<ConversationRow> ConversationRows::ConversationOf(const std::string& message) {
  std::string id, owner;
  {
    AHA_ASSIGN_OR_RETURN(Statement find,
                         db_->Prepare("SELECT c.id, c.owner FROM message m JOIN conversation c ON "
                                      "c.id = m.conversation WHERE m.id = ?"));
    AHA_ASSIGN_OR_RETURN(const bool there, find.Bind(message).Step());
    if (!there) return NotFound("there is no message '{}'", message.substr(0, 100));
    id = find.Bytes(0);
    owner = find.Bytes(1);
  }
  return Find(owner, id);
}

}  // namespace aha
