// The contents of a store as they stand in its file: plain, or each value encrypted.
//
//   AHA_ASSIGN_OR_RETURN(StoreVault vault, StoreVault::Load(&db));
//   if (vault.locked()) AHA_RETURN_IF_ERROR(vault.Unlock(&db, "a passphrase"));
//   vault.Bind(&insert, title, "conversation.title/" + id);
//   AHA_ASSIGN_OR_RETURN(title, vault.Read(row, 0, "conversation.title/" + id));
//
// Ids, owners, times, roles and the shape of the tree stay readable; titles, texts, models and
// settings do not. A value belongs to its place: the file cannot be rearranged unseen.
#ifndef AHA_SERVER_STORE_VAULT_H_
#define AHA_SERVER_STORE_VAULT_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "server/sqlite.h"
#include "server/store_key.h"

namespace aha {

class StoreVault {
 public:
  // Also ends an encryption that was broken off after its contents were written.
  static Result<StoreVault> Load(Database* db);

  bool encrypted() const { return wrapped_.has_value(); }
  bool locked() const { return encrypted() && !key_; }
  // InvalidArgument: the passphrase is wrong, or the store is not encrypted.
  Status Unlock(std::string_view passphrase);
  // All there is, and what was deleted is scrubbed from the file.
  Status Encrypt(Database* db, std::string_view passphrase, PassphraseCost cost);

  void Bind(Statement* statement, std::string_view text, const std::string& place) const;
  Result<std::string> Read(const Statement& row, int column, const std::string& place) const;

 private:
  Status EncryptContents(Database* db);

  std::optional<WrappedKey> wrapped_;
  std::optional<StoreKey> key_;
};

}  // namespace aha

#endif  // AHA_SERVER_STORE_VAULT_H_
