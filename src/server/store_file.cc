#include "server/store_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <optional>
#include <system_error>
#include <utility>

#include "base/child_process.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

constexpr int kApplicationId = 0x61686163;  // "ahac"

// kForms[i] brings a store of form i to form i + 1; PRAGMA user_version is the form. Steps are
// never edited once released: a change is a new step at the end.
//
// Columns of type ANY hold contents: text in a plain store, an encrypted blob in an encrypted one.
// Times are microseconds since 1970. `delta` is what a message that is still being written has got
// so far, beyond its own `content` and `thought`; its parent may be deleted with it in any order.
constexpr std::array<const char*, 1> kForms = {R"sql(
CREATE TABLE vault (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  salt BLOB NOT NULL, passes INTEGER NOT NULL, memory_bytes INTEGER NOT NULL, box BLOB NOT NULL
) STRICT;
CREATE TABLE pending (task TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE conversation (
  id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, leaf TEXT,
  title ANY NOT NULL, model ANY NOT NULL, settings ANY NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversation_newest ON conversation (owner, updated);
CREATE TABLE message (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
  parent TEXT REFERENCES message (id) DEFERRABLE INITIALLY DEFERRED,
  role TEXT NOT NULL, status TEXT NOT NULL, created INTEGER NOT NULL,
  content ANY NOT NULL, thought ANY, details ANY NOT NULL
) STRICT;
CREATE INDEX message_of ON message (conversation, seq);
CREATE INDEX message_parent ON message (parent);
CREATE INDEX message_streaming ON message (status) WHERE status = 'streaming';
CREATE TABLE delta (
  message TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE, n INTEGER NOT NULL,
  thought ANY NOT NULL, answer ANY NOT NULL, PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;
)sql"};

std::string Reason() { return std::generic_category().message(errno); }

fs::path Beside(const fs::path& file, const char* suffix) { return file.string() + suffix; }

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (error) return IoError("{}: {}", folder.parent_path().string(), error.message());
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return IoError("cannot make the folder {}: {}", folder.string(), Reason());
  }
  struct stat info;
  if (stat(folder.c_str(), &info) != 0) return IoError("{}: {}", folder.string(), Reason());
  if (!S_ISDIR(info.st_mode)) return InvalidArgument("{} is not a folder", folder.string());
  if (info.st_uid != geteuid()) {
    return InvalidArgument("the folder {} belongs to another user (uid {})", folder.string(),
                           info.st_uid);
  }
  if ((info.st_mode & 07777) != 0700 && chmod(folder.c_str(), 0700) != 0) {
    return IoError("cannot make the folder {} private: {}", folder.string(), Reason());
  }
  return OkStatus();
}

// Makes the file if it is not there (SQLite gives its rights to those beside it) and private.
Status MakePrivate(const fs::path& path) {
  const Descriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.fd() < 0) return IoError("cannot open {}: {}", path.string(), Reason());
  struct stat info;
  if (fstat(fd.fd(), &info) != 0) return IoError("{}: {}", path.string(), Reason());
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{} is not a regular file", path.string());
  if ((info.st_mode & 07777) != 0600 && fchmod(fd.fd(), 0600) != 0) {
    return IoError("cannot make {} private: {}", path.string(), Reason());
  }
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    if (chmod(Beside(path, suffix).c_str(), 0600) != 0 && errno != ENOENT) {
      return IoError("cannot make {} private: {}", Beside(path, suffix).string(), Reason());
    }
  }
  return OkStatus();
}

// What is wrong with the file that can be seen without SQLite, which would already repair: it
// empties the -wal of a database of no bytes.
std::string DamageSeenFromOutside(const fs::path& path) {
  std::error_code ignored;
  const uintmax_t size = fs::file_size(path, ignored);
  const uintmax_t wal =
      fs::exists(Beside(path, "-wal"), ignored) ? fs::file_size(Beside(path, "-wal"), ignored) : 0;
  if (size == 0) return wal > 0 ? "it is empty and its -wal file is not" : "";
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  constexpr std::string_view kMagic("SQLite format 3", 16);
  char head[16];
  if (read(fd.fd(), head, sizeof head) != sizeof head || std::string_view(head, 16) != kMagic) {
    return "it is no database";
  }
  return "";
}

// Renames `path` and what belongs to it to a name that is free; gives the new name.
Result<fs::path> SetAside(const fs::path& path) {
  char when[32];
  const time_t now = time(nullptr);
  struct tm utc;
  gmtime_r(&now, &utc);
  strftime(when, sizeof when, "%Y%m%d-%H%M%S", &utc);
  std::error_code error;
  fs::path aside = path.string() + ".damaged-" + when;
  for (int i = 2; fs::exists(fs::symlink_status(aside, error)); ++i) {
    aside = path.string() + ".damaged-" + when + "-" + std::to_string(i);
  }
  // The database last: until then the next start finds the damage again.
  for (const char* suffix : {"-wal", "-shm", "-journal", ""}) {
    if (rename(Beside(path, suffix).c_str(), Beside(aside, suffix).c_str()) != 0 &&
        errno != ENOENT) {
      return IoError("cannot rename {} to {}: {}", Beside(path, suffix).string(),
                     Beside(aside, suffix).string(), Reason());
    }
  }
  return aside;
}

Result<int64_t> Number(Database* db, const char* pragma) {
  AHA_ASSIGN_OR_RETURN(const std::string text, db->Ask(pragma));
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Status CheckForm(Database* db, int64_t form) {
  AHA_ASSIGN_OR_RETURN(const int64_t application, Number(db, "PRAGMA application_id"));
  AHA_ASSIGN_OR_RETURN(const int64_t tables, Number(db, "SELECT count(*) FROM sqlite_schema"));
  if (tables > 0 && application != kApplicationId) {
    return InvalidArgument("{} is a database of another program", db->path().string());
  }
  if (form > static_cast<int64_t>(kForms.size())) {
    return InvalidArgument("{} was written by a newer aha: its form is {}, this one knows {}",
                           db->path().string(), form, kForms.size());
  }
  return OkStatus();
}

Status BringToPresentForm(Database* db, int64_t form) {
  if (form == static_cast<int64_t>(kForms.size())) return OkStatus();
  Transaction transaction(db);
  AHA_RETURN_IF_ERROR(transaction.Begin());
  for (size_t i = static_cast<size_t>(form); i < kForms.size(); ++i) {
    AHA_RETURN_IF_ERROR(db->Execute(kForms[i]));
  }
  const std::string numbers = fmt::format("PRAGMA application_id={}; PRAGMA user_version={};",
                                          kApplicationId, kForms.size());
  AHA_RETURN_IF_ERROR(db->Execute(numbers.c_str()));
  return transaction.Commit();
}

// What is damaged in the file, or "". Reads only, apart from what SQLite does to finish
// transactions of an earlier run. An error of the system (no memory, a bad cable) is no damage: the
// file stays.
Result<std::string> FindDamage(Database* db) {
  // Exclusive before the first read: then the index of the -wal lives in our memory, and there is
  // no -shm file. temp_store: VACUUM's copy and sorts must not go to files in /tmp.
  AHA_RETURN_IF_ERROR(
      db->Execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY;"
                  "PRAGMA cell_size_check=ON; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON;"));
  AHA_ASSIGN_OR_RETURN(const int64_t form, Number(db, "PRAGMA user_version"));
  AHA_RETURN_IF_ERROR(CheckForm(db, form));
  AHA_ASSIGN_OR_RETURN(const std::string sound, db->Ask("PRAGMA quick_check(1)"));
  return sound == "ok" ? std::string() : sound;
}

Status Ready(Database* db) {
  AHA_ASSIGN_OR_RETURN(const std::string mode, db->Ask("PRAGMA journal_mode=WAL"));
  if (mode != "wal") {
    return IoError("{}: its file system allows no write-ahead log", db->path().string());
  }
  AHA_ASSIGN_OR_RETURN(const int64_t form, Number(db, "PRAGMA user_version"));
  AHA_RETURN_IF_ERROR(BringToPresentForm(db, form));
  // BEGIN IMMEDIATE takes the lock that the mode then keeps.
  return db->Execute("BEGIN IMMEDIATE; COMMIT;");
}

// The opened database, or what is damaged about it, or an error.
Result<std::optional<Database>> TryOpen(const fs::path& path, DatabaseOptions options,
                                        std::string* damage) {
  AHA_RETURN_IF_ERROR(MakePrivate(path));
  *damage = DamageSeenFromOutside(path);
  if (!damage->empty()) return std::optional<Database>();
  AHA_ASSIGN_OR_RETURN(Database db, Database::Open(path, options));
  const Result<std::string> found = FindDamage(&db);
  if (!found.ok() || !found->empty()) {
    db.LeaveFiles();
    // Damage is told by quick_check in words, by other reads as an error.
    if (!found.ok() && !db.damaged()) return found.status();
    *damage = found.ok() ? *found : found.status().message();
    return std::optional<Database>();
  }
  AHA_RETURN_IF_ERROR(Ready(&db));
  return std::optional<Database>(std::move(db));
}

}  // namespace

Result<StoreFile> OpenStoreFile(const fs::path& folder, DatabaseOptions options) {
  AHA_RETURN_IF_ERROR(MakeFolder(folder));
  std::error_code error;
  // Links on the way to the folder are the user's business; the file itself is never one.
  const fs::path path = fs::canonical(folder, error) / kStoreFileName;
  if (error) return IoError("{}: {}", folder.string(), error.message());
  std::string damage;
  AHA_ASSIGN_OR_RETURN(std::optional<Database> db, TryOpen(path, options, &damage));
  if (db) return StoreFile{std::move(*db), ""};
  AHA_ASSIGN_OR_RETURN(const fs::path aside, SetAside(path));
  std::string still;
  AHA_ASSIGN_OR_RETURN(db, TryOpen(path, options, &still));
  if (!db) return IoError("{}: a new database is damaged: {}", path.string(), still);
  return StoreFile{
      std::move(*db),
      fmt::format(
          "The conversations in {} could not be read ({}). They are kept as {}, and a new "
          "store, not encrypted, was begun; `sqlite3 FILE .recover` may still read the old one.",
          path.string(), damage, aside.string())};
}

}  // namespace aha
