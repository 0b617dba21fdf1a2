#include "server/store_vault.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace aha {
namespace {

// A table with contents: how its rows are named (the name is part of a value's place) and selected.
struct Contents {
  const char* table;
  std::vector<const char*> keys;
  std::vector<const char*> columns;
};

const std::vector<Contents>& AllContents() {
  static const std::vector<Contents> all = {
      {"conversation", {"id"}, {"title", "model", "settings"}},
      {"message", {"id"}, {"content", "thought", "details"}},
      {"delta", {"message", "n"}, {"thought", "answer"}}};
  return all;
}

using Key = std::vector<std::string>;

Result<std::vector<Key>> Keys(Database* db, const Contents& contents) {
  std::string names;
  for (const char* key : contents.keys) names += (names.empty() ? "" : ", ") + std::string(key);
  AHA_ASSIGN_OR_RETURN(Statement rows,
                       db->Prepare(fmt::format("SELECT {} FROM {}", names, contents.table)));
  std::vector<Key> keys;
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return keys;
    Key key;
    for (size_t i = 0; i < contents.keys.size(); ++i) {
      key.push_back(rows.Bytes(static_cast<int>(i)));
    }
    keys.push_back(std::move(key));
  }
}

Status EncryptRow(Database* db, const StoreVault& vault, const Contents& contents, const Key& key) {
  std::string where, name;
  for (size_t i = 0; i < key.size(); ++i) {
    where += fmt::format("{}{} = ?", i == 0 ? "" : " AND ", contents.keys[i]);
    name += "/" + key[i];
  }
  for (const char* column : contents.columns) {
    AHA_ASSIGN_OR_RETURN(Statement old, db->Prepare(fmt::format("SELECT {} FROM {} WHERE {}",
                                                                column, contents.table, where)));
    for (const std::string& part : key) old.Bind(part);
    AHA_ASSIGN_OR_RETURN(const bool row, old.Step());
    if (!row || old.IsNull(0)) continue;
    AHA_ASSIGN_OR_RETURN(Statement update, db->Prepare(fmt::format("UPDATE {} SET {} = ? WHERE {}",
                                                                   contents.table, column, where)));
    vault.Bind(&update, old.Bytes(0), fmt::format("{}.{}{}", contents.table, column, name));
    for (const std::string& part : key) update.Bind(part);
    AHA_RETURN_IF_ERROR(update.Run());
  }
  return OkStatus();
}

// What was once readable must not stay in free pages or in the log.
Status Scrub(Database* db) {
  AHA_RETURN_IF_ERROR(db->Execute("VACUUM"));
  AHA_RETURN_IF_ERROR(db->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  return db->Execute("DELETE FROM pending WHERE task = 'scrub'");
}

}  // namespace

Result<StoreVault> StoreVault::Load(Database* db) {
  StoreVault vault;
  {
    AHA_ASSIGN_OR_RETURN(Statement row,
                         db->Prepare("SELECT salt, box, passes, memory_bytes FROM vault"));
    AHA_ASSIGN_OR_RETURN(const bool there, row.Step());
    if (there) {
      vault.wrapped_ = WrappedKey{.salt = row.Bytes(0),
                                  .box = row.Bytes(1),
                                  .cost = {.passes = static_cast<uint64_t>(row.Int(2)),
                                           .memory_bytes = static_cast<uint64_t>(row.Int(3))}};
    }
  }
  AHA_ASSIGN_OR_RETURN(const std::string pending,
                       db->Ask("SELECT task FROM pending WHERE task = 'scrub'"));
  if (!pending.empty()) AHA_RETURN_IF_ERROR(Scrub(db));
  return vault;
}

Status StoreVault::Unlock(std::string_view passphrase) {
  if (!encrypted()) return InvalidArgument("the conversations are not encrypted");
  AHA_ASSIGN_OR_RETURN(StoreKey key, StoreKey::Unwrap(*wrapped_, passphrase));
  key_ = std::move(key);
  return OkStatus();
}

Status StoreVault::Encrypt(Database* db, std::string_view passphrase, PassphraseCost cost) {
  if (encrypted()) return InvalidArgument("the conversations are encrypted already");
  if (passphrase.empty()) return InvalidArgument("the passphrase is empty");
  AHA_ASSIGN_OR_RETURN(StoreKey key, StoreKey::Random());
  AHA_ASSIGN_OR_RETURN(WrappedKey wrapped, key.Wrap(passphrase, cost));
  // The members say what the file holds: they change with the commit.
  StoreVault next;
  next.wrapped_ = std::move(wrapped);
  next.key_ = std::move(key);
  AHA_RETURN_IF_ERROR(next.EncryptContents(db));
  *this = std::move(next);
  return Scrub(db);
}

Status StoreVault::EncryptContents(Database* db) {
  Transaction transaction(db);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  {
    AHA_ASSIGN_OR_RETURN(Statement insert,
                         db->Prepare("INSERT INTO vault (id, salt, passes, memory_bytes, box) "
                                     "VALUES (1, ?, ?, ?, ?)"));
    insert.BindBlob(wrapped_->salt)
        .Bind(static_cast<int64_t>(wrapped_->cost.passes))
        .Bind(static_cast<int64_t>(wrapped_->cost.memory_bytes))
        .BindBlob(wrapped_->box);
    AHA_RETURN_IF_ERROR(insert.Run());
  }
  for (const Contents& contents : AllContents()) {
    AHA_ASSIGN_OR_RETURN(const std::vector<Key> keys, Keys(db, contents));
    for (const Key& key : keys) AHA_RETURN_IF_ERROR(EncryptRow(db, *this, contents, key));
  }
  AHA_RETURN_IF_ERROR(db->Execute("INSERT INTO pending (task) VALUES ('scrub')"));
  return transaction.Commit();
}

void StoreVault::Bind(Statement* statement, std::string_view text, const std::string& place) const {
  if (key_) {
    statement->BindBlob(key_->Encrypt(text, place));
  } else {
    statement->Bind(text);
  }
}

Result<std::string> StoreVault::Read(const Statement& row, int column,
                                     const std::string& place) const {
  if (!encrypted()) return row.Bytes(column);
  if (!key_) return ResourceExhausted("the conversations are encrypted; unlock them first");
  return key_->Decrypt(row.Bytes(column), place);
}

}  // namespace aha
