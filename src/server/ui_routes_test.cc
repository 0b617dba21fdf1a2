#include "server/ui_routes.h"

#include <gtest/gtest.h>

#include "server/ui_files.h"

namespace aha {
namespace {

struct Recorded : Exchange {
  void Send(HttpResponse response) override { sent = std::move(response); }
  void Begin(HttpResponse) override {}
  void Write(std::string) override {}
  void End() override {}
  void OnGone(std::function<void()>) override {}
  HttpResponse sent;
};

HttpResponse Get(const Router& router, const std::string& path, const std::string& etag = "") {
  HttpRequest request{.method = "GET", .path = path};
  if (!etag.empty()) request.headers.emplace_back("if-none-match", etag);
  const Router::Match match = router.Find("GET", path);
  if (match.route == nullptr) return {.status = 404};
  EXPECT_TRUE(match.route->open) << path;
  auto exchange = std::make_shared<Recorded>();
  match.route->handler(request, {}, exchange);
  return exchange->sent;
}

TEST(UiRoutes, ServeThePageCompressedAndOnceForEachVersion) {
  Router router;
  AddUiRoutes(router);
  const HttpResponse page = Get(router, "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(page.body.substr(0, 2), "\x1f\x8b");
  EXPECT_EQ(Get(router, "/index.html").body, page.body);
  for (const UiFile& file : UiFiles()) {
    const HttpResponse again = Get(router, std::string(file.path), std::string(file.etag));
    EXPECT_EQ(again.status, 304) << file.path;
    EXPECT_EQ(again.body, "") << file.path;
    EXPECT_EQ(Get(router, std::string(file.path), "\"other\"").status, 200) << file.path;
  }
  EXPECT_EQ(Get(router, "/../etc/passwd").status, 404);
}

}  // namespace
}  // namespace aha
