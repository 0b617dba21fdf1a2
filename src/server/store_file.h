// The file that conversations live in: found or made, private, sound and of the present form.
//
//   AHA_ASSIGN_OR_RETURN(StoreFile file, OpenStoreFile(folder));
//   // file.db is ready; file.notice, when not empty, is for the user to read
//
// Its folder is the store's own (0700) and the file is 0600, and so are those that SQLite puts
// beside it. It is held exclusively: a second program that wants it gets an error. A file that is
// damaged is renamed, with what belongs to it, and a new one made; it is never written to. One of a
// newer form, or of another program, is an error and left alone.
#ifndef AHA_SERVER_STORE_FILE_H_
#define AHA_SERVER_STORE_FILE_H_

#include <filesystem>
#include <string>

#include "base/status.h"
#include "server/sqlite.h"

namespace aha {

inline constexpr const char* kStoreFileName = "conversations.db";

struct StoreFile {
  Database db;
  std::string notice;
};

Result<StoreFile> OpenStoreFile(const std::filesystem::path& folder, DatabaseOptions options = {});

}  // namespace aha

#endif  // AHA_SERVER_STORE_FILE_H_
