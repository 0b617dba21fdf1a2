# cmake -DUI=… -DDIST=… -DOUT=… -P ui_files.cmake: writes ui_files.cc with the bundled web app, or, where Node.js or the
# npm packages are missing, with one plain page. tools/setup.sh removes the file when the packages come, so that the next
# build has the app.
find_program(NODE NAMES node nodejs)
if(NODE AND EXISTS ${UI}/node_modules/.package-lock.json)
  execute_process(COMMAND ${NODE} ${UI}/build.mjs ${DIST} RESULT_VARIABLE failed OUTPUT_VARIABLE sizes)
  if(failed)
    message(FATAL_ERROR "ui: the web app could not be bundled\n${sizes}")
  endif()
  execute_process(COMMAND ${NODE} ${UI}/embed.mjs ${DIST} ${OUT} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "ui: the web app could not be embedded")
  endif()
  return()
endif()

message(WARNING "ui: Node.js or the npm packages are missing: this build has no web app. "
                "./run.sh installs them; offline, everything else works.")
file(MAKE_DIRECTORY ${DIST})
file(WRITE ${DIST}/index.html [[<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>aha</title></head>
<body><h1>aha</h1>
<p>This build has no web app: Node.js or its packages were missing when it was built. The API and the commands work.
Run ./run.sh on a machine that reaches the npm registry to build it.</p></body></html>
]])
file(ARCHIVE_CREATE OUTPUT ${DIST}/index.html.gz PATHS ${DIST}/index.html FORMAT raw COMPRESSION GZip)
file(SHA256 ${DIST}/index.html etag)
file(READ ${DIST}/index.html.gz bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "// Written by cmake/ui_files.cmake.
#include \"server/ui_files.h\"

namespace aha {
namespace {
const unsigned char kPage[] = {${bytes}};
const UiFile kFiles[] = {{\"/index.html\", \"text/html; charset=utf-8\", \"\\\"${etag}\\\"\", kPage}};
}  // namespace

std::span<const UiFile> UiFiles() { return kFiles; }

bool UiIsComplete() { return false; }

}  // namespace aha
")
