#include "server/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/check.h"

namespace aha {

// The connection, at an address that statements may keep while the Database moves.
struct Statement::Owner {
  ~Owner() {
    for (auto& [sql, statement] : idle) sqlite3_finalize(statement);
    if (db != nullptr) sqlite3_close(db);
  }
  Status Error(int code) {
    const int primary = code & 0xff;
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) damaged = true;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
      return IoError("{} is in use by another program", path.string());
    }
    const char* reason = db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db);
    return IoError("{}: {}", path.string(), reason);
  }

  std::filesystem::path path;
  sqlite3* db = nullptr;
  bool damaged = false;
  // Prepared and not lent at the moment.
  std::multimap<std::string, sqlite3_stmt*> idle;
};

Statement::Statement(Statement&& other) noexcept
    : owner_(other.owner_),
      sql_(std::move(other.sql_)),
      statement_(std::exchange(other.statement_, nullptr)),
      next_(other.next_),
      error_(other.error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  Reset();
  owner_->idle.emplace(std::move(sql_), statement_);
}

Statement& Statement::Bound(int code) {
  if (error_ == SQLITE_OK) error_ = code;
  ++next_;
  return *this;
}

Statement& Statement::Bind(std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  return Bound(
      sqlite3_bind_text64(statement_, next_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

Statement& Statement::Bind(int64_t value) {
  return Bound(sqlite3_bind_int64(statement_, next_, value));
}

Statement& Statement::Bind(double value) {
  return Bound(sqlite3_bind_double(statement_, next_, value));
}

Statement& Statement::BindBlob(std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  return Bound(sqlite3_bind_blob64(statement_, next_, data, bytes.size(), SQLITE_TRANSIENT));
}

Statement& Statement::BindNull() { return Bound(sqlite3_bind_null(statement_, next_)); }

Result<bool> Statement::Step() {
  if (error_ != SQLITE_OK) return owner_->Error(error_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return owner_->Error(code);
}

Status Statement::Run() {
  for (;;) {
    AHA_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) break;
  }
  Reset();
  return OkStatus();
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  next_ = 1;
  error_ = SQLITE_OK;
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
bool Statement::IsBlob(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_BLOB;
}
int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string()
                         : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

Database::Database(std::unique_ptr<Statement::Owner> owner) : owner_(std::move(owner)) {}
Database::Database(Database&& other) noexcept = default;
Database& Database::operator=(Database&& other) noexcept = default;
Database::~Database() = default;

Result<Database> Database::Open(const std::filesystem::path& path, DatabaseOptions options) {
  auto owner = std::make_unique<Statement::Owner>();
  owner->path = path;
  const int code =
      sqlite3_open_v2(path.c_str(), &owner->db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  if (code != SQLITE_OK) return owner->Error(code);
  sqlite3_extended_result_codes(owner->db, 1);
  sqlite3_busy_timeout(owner->db, options.busy_timeout_ms);
  // A file made by a stranger may hold triggers and views; SQL in it gets no special rights.
  sqlite3_db_config(owner->db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(owner->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return Database(std::move(owner));
}

Status Database::Execute(const char* sql) {
  const int code = sqlite3_exec(owner_->db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? OkStatus() : owner_->Error(code);
}

Result<std::string> Database::Ask(const char* sql) {
  AHA_ASSIGN_OR_RETURN(Statement ask, Prepare(sql));
  AHA_ASSIGN_OR_RETURN(const bool row, ask.Step());
  return row ? ask.Bytes(0) : std::string();
}

Result<Statement> Database::Prepare(std::string_view sql) {
  std::string text(sql);
  const auto idle = owner_->idle.find(text);
  if (idle != owner_->idle.end()) {
    sqlite3_stmt* statement = idle->second;
    owner_->idle.erase(idle);
    return Statement(owner_.get(), std::move(text), statement);
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(owner_->db, text.data(), static_cast<int>(text.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return owner_->Error(code);
  CHECK(statement != nullptr, "an empty statement");
  return Statement(owner_.get(), std::move(text), statement);
}

bool Database::damaged() const { return owner_->damaged; }

void Database::LeaveFiles() {
  sqlite3_db_config(owner_->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

const std::filesystem::path& Database::path() const { return owner_->path; }

Transaction::~Transaction() {
  // An error of the commit or of a statement may have rolled back already; then this says so.
  if (open_) (void)db_->Execute("ROLLBACK");
}

Status Transaction::Begin(Survives survives) {
  AHA_RETURN_IF_ERROR(db_->Execute(survives == Survives::kPowerLoss ? "PRAGMA synchronous=FULL"
                                                                    : "PRAGMA synchronous=NORMAL"));
  AHA_RETURN_IF_ERROR(db_->Execute("BEGIN IMMEDIATE"));
  open_ = true;
  return OkStatus();
}

Status Transaction::Commit() {
  AHA_RETURN_IF_ERROR(db_->Execute("COMMIT"));
  open_ = false;
  return OkStatus();
}

}  // namespace aha
