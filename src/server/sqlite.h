// One SQLite database: prepared statements with typed binds, transactions, errors as Status.
//
//   AHA_ASSIGN_OR_RETURN(Database db, Database::Open(path, {}));
//   Transaction transaction(&db);
//   AHA_RETURN_IF_ERROR(transaction.Begin());
//   AHA_ASSIGN_OR_RETURN(Statement find, db.Prepare("SELECT title FROM book WHERE id = ?"));
//   find.Bind("b1");
//   AHA_ASSIGN_OR_RETURN(const bool there, find.Step());
//   AHA_RETURN_IF_ERROR(transaction.Commit());
//
// One thread at a time. Errors are IoError and name the file and SQLite's reason, never a value.
#ifndef AHA_SERVER_SQLITE_H_
#define AHA_SERVER_SQLITE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace aha {

struct DatabaseOptions {
  int busy_timeout_ms = 2000;  // how long to wait for another program that holds the file
};

// A prepared statement, lent by its Database, which must outlive it; reset and emptied of its
// values when it goes. Binds go to the next '?'; the first that fails is Step's error.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Bind(std::string_view text);
  Statement& Bind(const char* text) { return Bind(std::string_view(text)); }
  Statement& Bind(int64_t value);
  Statement& Bind(double value);
  Statement& BindBlob(std::string_view bytes);
  Statement& BindNull();

  // True: there is a row, which the accessors below read; false: the end.
  Result<bool> Step();
  // To the end, then ready to be bound again.
  Status Run();
  void Reset();

  bool IsNull(int column) const;
  bool IsBlob(int column) const;
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Bytes(int column) const;  // of a text or a blob; "" for null

 private:
  friend class Database;
  struct Owner;
  Statement(Owner* owner, std::string sql, sqlite3_stmt* statement)
      : owner_(owner), sql_(std::move(sql)), statement_(statement) {}
  Statement& Bound(int code);

  Owner* owner_;
  std::string sql_;
  sqlite3_stmt* statement_;
  int next_ = 1;
  int error_ = 0;
};

class Database {
 public:
  // Opens a file that is there. Symbolic links are refused.
  static Result<Database> Open(const std::filesystem::path& path, DatabaseOptions options);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Statements that give no rows, or whose rows do not matter.
  Status Execute(const char* sql);
  // The first column of the first row: for PRAGMAs.
  Result<std::string> Ask(const char* sql);
  Result<Statement> Prepare(std::string_view sql);

  // SQLite has said that this file is no database or a broken one.
  bool damaged() const;
  // From here on closing leaves the files as they are: nothing is moved from the -wal file.
  void LeaveFiles();
  const std::filesystem::path& path() const;

 private:
  explicit Database(std::unique_ptr<Statement::Owner> owner);
  std::unique_ptr<Statement::Owner> owner_;
};

// What was done since Begin is there wholly after Commit, or not at all.
class Transaction {
 public:
  // kPowerLoss: after Commit it survives a power cut (one fsync). kKill: it survives the end of
  // this process however it comes, and a power cut may take the last of them, in order.
  enum class Survives { kPowerLoss, kKill };

  explicit Transaction(Database* db) : db_(db) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  Status Begin(Survives survives = Survives::kPowerLoss);
  Status Commit();

 private:
  Database* db_;
  bool open_ = false;
};

}  // namespace aha

#endif  // AHA_SERVER_SQLITE_H_
