// Cases 9 to 14 of docs/security.md: who may ask.
#include "server/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aha {
namespace {

using testing::HasSubstr;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr char kKey[] = "a key of enough length";
const std::string kGoodKey = "0123456789abcdef";

Gate Make(GateOptions options) {
  Result<Gate> gate = Gate::Create(std::move(options));
  EXPECT_TRUE(gate.ok()) << gate.status().message();
  return gate.ok() ? *std::move(gate) : Gate();
}

// 200 when the request may go on.
int StatusOf(const Gate& gate, Headers headers, bool open = false,
             const std::string& method = "GET", const std::string& body = "",
             std::string* owner = nullptr) {
  HttpRequest request{.method = method, .path = "/x", .headers = std::move(headers), .body = body};
  const Router::Route route{.method = method, .pattern = "/x", .handler = nullptr, .open = open};
  const auto error = gate.Check(&request, &route);
  if (owner != nullptr) *owner = request.owner;
  return error ? error->status : 200;
}

TEST(Gate, Case9WiderThanThisMachineOnlyWithAKeyThatIsHardToGuess) {
  for (const char* wide : {"0.0.0.0", "192.168.1.7", "::", "fe80::1"}) {
    const Result<Gate> open = Gate::Create({.host = wide});
    ASSERT_FALSE(open.ok()) << wide;
    EXPECT_THAT(open.status().message(), HasSubstr(wide));
    EXPECT_THAT(open.status().message(), HasSubstr("--make-key"));
    EXPECT_FALSE(Gate::Create({.host = wide, .keys = {"short"}}).ok()) << wide;
    EXPECT_TRUE(Gate::Create({.host = wide, .keys = {kGoodKey}}).ok()) << wide;
  }
  EXPECT_TRUE(Gate::Create({.host = "127.0.0.1"}).ok());
  EXPECT_TRUE(Gate::Create({.host = "::1", .keys = {"short"}}).ok());
  EXPECT_FALSE(Gate::Create({.keys = {kKey}}).ok()) << "no header carries a space";
  EXPECT_FALSE(Gate::Create({.keys = {""}}).ok());
}

TEST(Gate, Case11OneCheckForBothHeaderForms) {
  const Gate gate = Make({.keys = {kGoodKey, "second-key-0123456"}});
  const auto with = [](Headers more) {
    Headers headers = {{"host", "localhost:8080"}};
    headers.insert(headers.end(), more.begin(), more.end());
    return headers;
  };
  EXPECT_EQ(StatusOf(gate, with({})), 401);
  EXPECT_EQ(StatusOf(gate, with({}), true), 200);
  for (const auto& [name, before] : Headers{{"authorization", "Bearer "}, {"x-api-key", ""}}) {
    EXPECT_EQ(StatusOf(gate, with({{name, before + kGoodKey}})), 200) << name;
    EXPECT_EQ(StatusOf(gate, with({{name, before + "second-key-0123456"}})), 200) << name;
    EXPECT_EQ(StatusOf(gate, with({{name, before + kGoodKey.substr(1)}})), 401) << name;
    EXPECT_EQ(StatusOf(gate, with({{name, before + kGoodKey + "x"}})), 401) << name;
    EXPECT_EQ(StatusOf(gate, with({{name, before}})), 401) << name;
    EXPECT_EQ(StatusOf(gate, with({{name, before + "wrong"}, {name, before + kGoodKey}})), 401)
        << name << " twice";
  }
  EXPECT_EQ(StatusOf(gate, with({{"authorization", "Basic " + kGoodKey}})), 401);
  EXPECT_EQ(StatusOf(gate, with({{"authorization", kGoodKey}})), 401);
  EXPECT_EQ(StatusOf(gate, with({{"cookie", "key=" + kGoodKey}})), 401);
  EXPECT_EQ(StatusOf(gate, with({{"authorization", "Bearer " + kGoodKey}, {"x-api-key", "no"}})),
            401);
  EXPECT_EQ(
      StatusOf(gate, with({{"authorization", "Bearer " + kGoodKey}, {"x-api-key", kGoodKey}})),
      200);
}

TEST(Gate, Case12OwnersAreTheirKeysAndDoNotTellThem) {
  const Gate gate = Make({.keys = {kGoodKey, "second-key-0123456"}});
  std::string first, again, second;
  StatusOf(gate, {{"host", "localhost"}, {"x-api-key", kGoodKey}}, false, "GET", "", &first);
  StatusOf(gate, {{"host", "localhost"}, {"authorization", "bearer " + kGoodKey}}, false, "GET", "",
           &again);
  StatusOf(gate, {{"host", "localhost"}, {"x-api-key", "second-key-0123456"}}, false, "GET", "",
           &second);
  EXPECT_EQ(first, again);
  EXPECT_NE(first, second);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first.find(kGoodKey.substr(0, 4)), std::string::npos);
}

TEST(Gate, Case13ANameThatAnybodyCanRebindIsNoHost) {
  const Gate gate = Make({.host = "127.0.0.1", .names = {"my-machine.lan"}});
  for (const char* good : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080",
                           "127.0.0.2", "[::1]:8080", "[::1]", "my-machine.lan:80"}) {
    EXPECT_EQ(StatusOf(gate, {{"host", good}}), 200) << good;
    EXPECT_EQ(StatusOf(gate, {{"host", good}}, true), 200) << good;
  }
  for (const char* bad :
       {"evil.com", "evil.com:8080", "localhost.evil.com", "127.0.0.1.evil.com",
        "localhost:", "localhost:80a", "localhost:8080:1", "::1", "[::1", "[localhost]",
        "192.168.1.7", "", "localhost ", "localhost@evil.com", "xn--lcalhost-66a", "0.0.0.0"}) {
    EXPECT_EQ(StatusOf(gate, {{"host", bad}}), 403) << bad;
    EXPECT_EQ(StatusOf(gate, {{"host", bad}}, true), 403) << bad << ", the page too";
  }
  EXPECT_EQ(StatusOf(gate, {}), 400);
  EXPECT_EQ(StatusOf(gate, {{"host", "localhost"}, {"host", "evil.com"}}), 400);
  const Gate wide = Make({.host = "0.0.0.0", .keys = {kGoodKey}});
  EXPECT_EQ(StatusOf(wide, {{"host", "192.168.1.7:8080"}, {"x-api-key", kGoodKey}}), 200);
  EXPECT_EQ(StatusOf(wide, {{"host", "evil.com:8080"}, {"x-api-key", kGoodKey}}), 403);
}

TEST(Gate, Case14PagesOfOtherSitesMayNotAsk) {
  const Gate gate = Make({});
  const std::string host = "localhost:8080";
  const auto from = [&](const char* origin) {
    return StatusOf(gate, {{"host", host}, {"origin", origin}});
  };
  EXPECT_EQ(from("http://localhost:8080"), 200);
  EXPECT_EQ(from("https://localhost:8080"), 200);
  for (const char* bad : {"https://evil.com", "null", "", "http://localhost:3000",
                          "http://127.0.0.1:8080", "http://localhost", "http://localhost:8080.evil",
                          "file://localhost:8080", "http://localhost:8080/"}) {
    EXPECT_EQ(from(bad), 403) << bad;
  }
  const auto site = [&](const char* value, bool open, Headers more = {},
                        const char* method = "GET") {
    Headers headers = {{"host", host}, {"sec-fetch-site", value}};
    headers.insert(headers.end(), more.begin(), more.end());
    return StatusOf(gate, headers, open, method);
  };
  const Headers link = {{"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}};
  const Headers frame = {{"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "iframe"}};
  EXPECT_EQ(site("same-origin", false), 200);
  EXPECT_EQ(site("none", false), 200);
  for (const char* other : {"cross-site", "same-site", "anything"}) {
    EXPECT_EQ(site(other, false), 403);
    EXPECT_EQ(site(other, true), 403);
    EXPECT_EQ(site(other, true, link), 200) << "a link leads to the page";
    EXPECT_EQ(site(other, true, frame), 403);
    EXPECT_EQ(site(other, false, link), 403) << "but to nothing else";
    EXPECT_EQ(site(other, true, link, "POST"), 403);
  }
}

TEST(Gate, Case14BodiesAreJsonAndSaySo) {
  const Gate gate = Make({});
  const auto post = [&](Headers more, const char* body = "{}") {
    Headers headers = {{"host", "localhost"}};
    headers.insert(headers.end(), more.begin(), more.end());
    return StatusOf(gate, headers, false, "POST", body);
  };
  EXPECT_EQ(post({{"content-type", "application/json"}}), 200);
  EXPECT_EQ(post({{"content-type", "Application/JSON; charset=utf-8"}}), 200);
  EXPECT_EQ(post({}, ""), 200);
  for (const char* form : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                           "application/jsonp", "text/plain; application/json", ""}) {
    EXPECT_EQ(post({{"content-type", form}}), 415) << form;
  }
  EXPECT_EQ(post({}), 415);
  EXPECT_EQ(post({{"content-type", "application/json"}, {"content-type", "text/plain"}}), 415);
  EXPECT_EQ(post({{"content-type", "application/json"}, {"content-encoding", "gzip"}}), 415);
}

TEST(Gate, Case10WhatIsNoRouteAsksForTheKeyToo) {
  const Gate gate = Make({.keys = {kGoodKey}});
  HttpRequest request{.method = "POST", .path = "/nowhere", .headers = {{"host", "localhost"}}};
  const auto error = gate.Check(&request, nullptr);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status, 401);
  EXPECT_EQ(error->code, "invalid_api_key");
}

}  // namespace
}  // namespace aha
