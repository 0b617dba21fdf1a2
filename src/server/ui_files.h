// The web app's files, compiled into the program.
//
//   for (const UiFile& file : UiFiles()) routes.Add(file.path, file);   // "/index.html",
//   "/app.js", ...
//
// They are gzip-compressed once, at build time, and are sent as they stand (Content-Encoding:
// gzip). Names hold no version; the etag is a hash of the content, quoted as the header wants it. A
// build without Node.js has one file:
// "/index.html", which says so.
#ifndef AHA_SERVER_UI_FILES_H_
#define AHA_SERVER_UI_FILES_H_

#include <span>
#include <string_view>

namespace aha {

struct UiFile {
  std::string_view path;  // begins with '/'
  std::string_view mime;
  std::string_view etag;  // with its quotes
  std::span<const unsigned char> gzip;
};

std::span<const UiFile> UiFiles();

// False when this build has no web app but the page that says so.
bool UiIsComplete();

}  // namespace aha

#endif  // AHA_SERVER_UI_FILES_H_
