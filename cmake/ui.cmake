# aha_ui: the web app, bundled and embedded (src/server/ui_files.h). Whether its npm packages are there is asked at build
# time: without them the build goes on, with a page that says what is missing.
file(GLOB_RECURSE ui_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/ui/src/*)
set(ui_files ${CMAKE_BINARY_DIR}/ui/ui_files.cc)
add_custom_command(
  OUTPUT ${ui_files}
  COMMAND ${CMAKE_COMMAND} -DUI=${CMAKE_SOURCE_DIR}/ui -DDIST=${CMAKE_BINARY_DIR}/ui/dist -DOUT=${ui_files}
          -P ${CMAKE_SOURCE_DIR}/cmake/ui_files.cmake
  DEPENDS ${ui_sources} ${CMAKE_SOURCE_DIR}/ui/build.mjs ${CMAKE_SOURCE_DIR}/ui/embed.mjs
          ${CMAKE_SOURCE_DIR}/ui/package-lock.json ${CMAKE_SOURCE_DIR}/cmake/ui_files.cmake
  COMMENT "Bundling the web app"
  VERBATIM)
add_library(aha_ui STATIC ${ui_files})
target_include_directories(aha_ui PUBLIC ${CMAKE_SOURCE_DIR}/src)
