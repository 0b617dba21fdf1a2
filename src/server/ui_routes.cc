#include "server/ui_routes.h"

#include "server/ui_files.h"

namespace aha {
namespace {

// Files are stored compressed and sent so whatever the client accepts: every browser does, and a
// decompressor for the others would be code that nobody runs.
HttpResponse Respond(const UiFile& file, const HttpRequest& request) {
  // Asked for anew each time, answered with 304 while it is the same program.
  HttpResponse response{
      .content_type = std::string(file.mime),
      .headers = {{"ETag", std::string(file.etag)}, {"Cache-Control", "no-cache"}}};
  if (request.header("if-none-match").find(file.etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Encoding", "gzip");
  response.body.assign(file.gzip.begin(), file.gzip.end());
  return response;
}

}  // namespace

void AddUiRoutes(Router& router) {
  for (const UiFile& file : UiFiles()) {
    const RouteHandler handler = [&file](const HttpRequest& request, std::vector<std::string>,
                                         std::shared_ptr<Exchange> exchange) {
      exchange->Send(Respond(file, request));
    };
    router.AddOpen("GET", std::string(file.path), handler);
    if (file.path == "/index.html") router.AddOpen("GET", "/", handler);
  }
}

}  // namespace aha
