// The server as clients, strangers and bad luck meet it: cases of docs/security.md by number.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "base/test_data.h"
#include "kernels/kernels.h"
#include "run_aha.h"
#include "served.h"
#include "server/app_server.h"
#include "server/limits.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using Clock = std::chrono::steady_clock;

constexpr char kModel[] = "smollm2-135m-instruct-q4_1.gguf";
constexpr char kKey[] = "first-key-0123456789";
constexpr char kOtherKey[] = "other-key-0123456789";

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}
bool Await(double seconds, const std::function<bool()>& what) {
  for (const auto begin = Clock::now(); Since(begin) < seconds;) {
    if (what()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}
Served::Headers Bearer(const std::string& key) { return {{"Authorization", "Bearer " + key}}; }
Json Ask(const std::string& text) {
  return {{"messages", Json::array({{{"role", "user"}, {"content", text}}})}};
}
std::string ErrorParam(const HttpAnswer& answer) {
  const Json error = answer.json().value("error", Json::object());
  return error.is_object() && error.contains("param") && error["param"].is_string()
             ? error["param"].get<std::string>()
             : "";
}

// --- who may ask ---

TEST(Serve, Case8OneSocketOnThisMachineAlone) {
  const Served server;
  std::vector<std::string> inodes;
  for (const auto& entry :
       fs::directory_iterator("/proc/" + std::to_string(server.pid()) + "/fd")) {
    std::error_code error;
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (target.starts_with("socket:[")) inodes.push_back(target.substr(8, target.size() - 9));
  }
  int listening = 0;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string slot, local, remote, state, skip, inode;
      words >> slot >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skip;
      words >> inode;
      if (std::ranges::find(inodes, inode) == inodes.end()) continue;
      ++listening;
      EXPECT_EQ(local, fmt::format("0100007F:{:04X}", server.port())) << table;
      EXPECT_EQ(state, "0A") << "not a listening socket: " << line;
    }
  }
  EXPECT_EQ(listening, 1);
}

TEST(Serve, Case9ListensNoWiderWithoutAKey) {
  const Ran ran = RunAha(
      {"serve", "--host", "0.0.0.0", "--port", "0", "--data", testing::TempDir() + "aha-wide"}, "",
      {{"AHA_MODELS", std::string(AHA_SOURCE_DIR) + "/models"}});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("--make-key"));
}

TEST(Serve, Case9SaysThatOtherMachinesReachIt) {
  Served server({"--host", "0.0.0.0", "--make-key"});
  EXPECT_THAT(server.said(), HasSubstr("other machines can reach this server"));
  EXPECT_EQ(server.Http("GET", "/v1/models").status, 401);
}

TEST(Serve, Case9MakesAKeyThatOnlyItsOwnerReads) {
  const Served server({"--make-key"});
  const fs::path file = server.data() / "api_key";
  ASSERT_TRUE(fs::exists(file));
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(fs::status(server.data()).permissions(), fs::perms::owner_all);
  std::string key = ReadFile(file).value();
  key.pop_back();
  EXPECT_EQ(server.Http("GET", "/v1/models").status, 401);
  EXPECT_EQ(server.Http("GET", "/v1/models", "", Bearer(key)).status, 200);
}

TEST(Serve, Cases10And11EveryRouteButHealthAndThePageAsksForTheKey) {
  const Served server({"--api-key", kKey});
  AppOptions options;
  options.models.backend = kernels::ChooseBackend("").value();
  options.models.default_model = std::string(AHA_SOURCE_DIR) + "/models/aha-countdown";
  options.data = server.data() / "table";
  const auto table = AppServer::Create(std::move(options));
  ASSERT_TRUE(table.ok()) << table.status().message();
  int asked = 0;
  for (const Router::Route& route : (*table)->routes()) {
    std::string path = route.pattern;
    for (size_t at; (at = path.find('*')) != std::string::npos;) path.replace(at, 1, "x");
    const bool page =
        route.open && route.method == "GET" && path.find("/api") != 0 && path.find("/v1") != 0;
    if (route.open) {
      EXPECT_TRUE(page) << route.pattern << " is open and should not be";
      continue;
    }
    ++asked;
    const std::string body = route.method == "GET" || route.method == "DELETE" ? "" : "{}";
    EXPECT_EQ(server.Http(route.method, path, body).status, 401) << route.method << " " << path;
    for (const auto& wrong : std::vector<Served::Headers>{Bearer("first-key-012345678"),
                                                          Bearer(std::string(kKey) + "9"),
                                                          Bearer(""),
                                                          {{"x-api-key", "wrong"}},
                                                          {{"Cookie", "key=" + std::string(kKey)}},
                                                          {{"Authorization", kKey}}}) {
      EXPECT_EQ(server.Http(route.method, path, body, wrong).status, 401)
          << route.method << " " << path << " " << wrong[0].second;
    }
    EXPECT_EQ(server.Http(route.method, path + "?key=" + kKey + "&api_key=" + kKey, body).status,
              401)
        << path;
  }
  EXPECT_GT(asked, 30);
  EXPECT_EQ(server.Http("GET", "/v1/models", "", Bearer(kKey)).status, 200);
  EXPECT_EQ(server.Http("GET", "/v1/models", "", {{"x-api-key", kKey}}).status, 200);
  EXPECT_EQ(server.Http("GET", "/health").status, 200);
}

TEST(Serve, Case12WhatIsAnothersDoesNotExist) {
  const Served server({"--api-key", kKey, "--api-key", kOtherKey});
  const Json chat = server.Post("/api/conversations", {{"title", "a secret"}}, Bearer(kKey)).json();
  const std::string id = chat["id"];
  const Json turn =
      server
          .Post("/api/turns",
                {{"conversation", id}, {"parent", nullptr}, {"content", "Use 1 and 2 to make 3"}},
                Bearer(kKey))
          .json();
  const std::string turn_id = turn["turn"];
  ASSERT_EQ(server.Http("GET", "/api/conversations/" + id, "", Bearer(kKey)).status, 200);
  const auto as_other = [&](const char* method, const std::string& path, const char* body = "") {
    return server.Http(method, path, body, Bearer(kOtherKey));
  };
  EXPECT_EQ(as_other("GET", "/api/conversations/" + id).status, 404);
  EXPECT_EQ(as_other("PATCH", "/api/conversations/" + id, R"({"title":"mine"})").status, 404);
  EXPECT_EQ(as_other("DELETE", "/api/conversations/" + id).status, 404);
  EXPECT_EQ(as_other("GET", "/api/conversations/" + id + "/export").status, 404);
  EXPECT_EQ(as_other("GET", "/api/turns/" + turn_id + "/events").status, 404);
  EXPECT_EQ(as_other("POST", "/api/turns/" + turn_id + "/stop").status, 404);
  EXPECT_EQ(as_other("POST", "/api/turns/" + turn_id + "/end-thought").status, 404);
  EXPECT_EQ(server
                .Post("/api/turns", {{"conversation", id}, {"parent", nullptr}, {"content", "x"}},
                      Bearer(kOtherKey))
                .status,
            404);
  EXPECT_THAT(as_other("GET", "/api/conversations?q=secret").body, Not(HasSubstr("secret")));
  EXPECT_THAT(as_other("GET", "/api/export").body, Not(HasSubstr("secret")));
  EXPECT_EQ(as_other("DELETE", "/api/conversations").status, 204);
  EXPECT_EQ(server.Http("GET", "/api/conversations/" + id, "", Bearer(kKey)).status, 200);
  const Json answered =
      server.Post("/v1/responses", {{"input", "Use 1"}, {"max_output_tokens", 2}}, Bearer(kKey))
          .json();
  const std::string path = "/v1/responses/" + answered["id"].get<std::string>();
  EXPECT_EQ(as_other("GET", path).status, 404);
  EXPECT_EQ(as_other("POST", path + "/cancel", "{}").status, 404);
  EXPECT_EQ(as_other("DELETE", path).status, 404);
  EXPECT_EQ(server
                .Post("/v1/responses", {{"input", "x"}, {"previous_response_id", answered["id"]}},
                      Bearer(kOtherKey))
                .status,
            404);
  EXPECT_EQ(server.Http("GET", path, "", Bearer(kKey)).json(), answered);
}

TEST(Serve, Cases13And14OtherNamesAndSites) {
  const Served server;
  const auto raw = [&](const std::string& headers, const char* path = "/v1/models") {
    Socket socket(server.port());
    socket.Send(fmt::format("GET {} HTTP/1.1\r\n{}Connection: close\r\n\r\n", path, headers));
    return ParseAnswer(socket.ReadAll());
  };
  for (const char* path : {"/", "/v1/models", "/api/conversations", "/health", "/metrics"}) {
    EXPECT_EQ(raw("Host: evil.com\r\n", path).status, 403) << path;
    EXPECT_EQ(raw("Host: localhost\r\nOrigin: https://evil.com\r\n", path).status, 403) << path;
  }
  EXPECT_EQ(raw("").status, 400);
  EXPECT_EQ(raw("Host: localhost\r\nHost: localhost\r\n").status, 400);
  const HttpAnswer good = raw("Host: [::1]:1\r\nOrigin: http://[::1]:1\r\n");
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.header("access-control-allow-origin"), "");
  EXPECT_THAT(good.header("content-security-policy"), HasSubstr("default-src 'none'"));
  const HttpAnswer preflight =
      server.Http("OPTIONS", "/v1/chat/completions", "",
                  {{"Origin", "https://evil.com"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(preflight.status, 403);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "");
}

// --- what is asked ---

TEST(Serve, Case6NumbersThatNobodyMeant) {
  const Served server;
  const std::vector<std::string> values = {
      "-1",   "1e308", "9223372036854775808", "-9223372036854775809", "\"1\"", "[]", "{}", "1.5",
      "true", "1e999"};
  for (const char* field : {"temperature", "top_p", "min_p", "top_k", "repetition_penalty",
                            "presence_penalty", "frequency_penalty", "seed", "n", "max_tokens",
                            "max_completion_tokens", "top_logprobs", "thinking_token_budget"}) {
    for (const std::string& value : values) {
      const std::string body = fmt::format(
          R"({{"messages":[{{"role":"user","content":"x"}}],"logprobs":true,"{}":{},"stop":["="]}})",
          field, value);
      const HttpAnswer answer = server.Http("POST", "/v1/chat/completions", body);
      EXPECT_THAT(answer.status, AnyOf(200, 400)) << field << " = " << value << ": " << answer.body;
      if (answer.status == 400 && value != "1e999") {
        EXPECT_THAT(ErrorParam(answer), HasSubstr(field)) << value << ": " << answer.body;
      }
    }
  }
  for (const char* bad : {"-1", "1e308", "\"x\"", "[]"}) {
    const HttpAnswer answer = server.Http(
        "POST", "/v1/chat/completions",
        fmt::format(R"({{"messages":[{{"role":"user","content":"x"}}],"logit_bias":{{"{}":5}}}})",
                    bad[0] == '"' ? "x" : bad));
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(ErrorParam(answer), "logit_bias") << answer.body;
  }
  EXPECT_EQ(server.Http("GET", "/health").status, 200);
}

TEST(Serve, Case15NothingIsFetchedForARequest) {
  const Served server;
  // Somebody to be asked: nobody comes.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const std::string url = fmt::format("http://127.0.0.1:{}/x.png", ntohs(address.sin_port));
  const HttpAnswer image =
      server.Post("/v1/chat/completions",
                  {{"messages",
                    {{{"role", "user"},
                      {"content", {{{"type", "image_url"}, {"image_url", {{"url", url}}}}}}}}}});
  EXPECT_EQ(image.status, 400);
  EXPECT_THAT(ErrorParam(image), HasSubstr("messages[0]")) << image.body;
  for (const std::string& model : {url, TestDataPath(kModel).string(), std::string("hf.co/x/y"),
                                   std::string("../../../etc/passwd")}) {
    Json body = Ask("x");
    body["model"] = model;
    EXPECT_EQ(server.Post("/v1/chat/completions", body).status, 404) << model;
  }
  Json schema = Ask("x");
  schema["response_format"] = {{"type", "json_schema"},
                               {"json_schema", {{"name", "x"}, {"schema", {{"$ref", url}}}}}};
  EXPECT_EQ(server.Post("/v1/chat/completions", schema).status, 400);
  EXPECT_LT(::accept(listener, nullptr, nullptr), 0) << "the server came for " << url;
  ::close(listener);
}

TEST(Serve, Case19HostileSizesAndSchemasCostLittle) {
  const Served server;
  const auto status = [&](const std::string& field, Json value) {
    Json body = Ask("Use 1 and 2 to make 3");
    body["max_tokens"] = 8;
    body[field] = std::move(value);
    const auto begin = Clock::now();
    const int got = server.Post("/v1/chat/completions", body).status;
    EXPECT_LT(Since(begin), 10) << field;
    return got;
  };
  EXPECT_EQ(status("n", 1'000'000), 400);
  EXPECT_EQ(status("max_tokens", 1'000'000'000), 400);
  EXPECT_EQ(status("stop", Json(std::vector<std::string>(17, "x"))), 400);
  EXPECT_EQ(status("tools", Json(std::vector<Json>(
                                1000, {{"type", "function"}, {"function", {{"name", "f"}}}}))),
            400);
  const auto schema = [&](Json s) {
    return status("response_format", {{"type", "json_schema"},
                                      {"json_schema", {{"name", "x"}, {"schema", std::move(s)}}}});
  };
  Json deep = {{"type", "string"}};
  for (int i = 0; i < 30; ++i) deep = {{"type", "array"}, {"items", deep}};
  EXPECT_THAT(schema(deep), AnyOf(200, 400));
  EXPECT_THAT(schema({{"$ref", "#"}}), 400);
  EXPECT_THAT(schema({{"anyOf", {{{"$ref", "#"}}, {{"$ref", "#"}}}}}), 400);
  Json names = Json::array();
  for (int i = 0; i < 20'000; ++i) names.push_back("name " + std::to_string(i));
  EXPECT_THAT(schema({{"enum", names}}), AnyOf(200, 400));
  EXPECT_THAT(schema({{"type", "string"}, {"pattern", "(a+)+$"}}), AnyOf(200, 400));
  EXPECT_THAT(schema({{"type", "string"}, {"pattern", "(((((((((a{0,99}){0,99}){0,99}){0,99}"}}),
              400);
  EXPECT_THAT(schema({{"type", "string"}, {"minLength", 1'000'000'000}}), AnyOf(200, 400));
  EXPECT_THAT(
      schema({{"type", "array"}, {"items", {{"type", "null"}}}, {"minItems", 1'000'000'000}}),
      AnyOf(200, 400));
  // "{{...": JSON that is nested too deep is no stack overflow.
  EXPECT_EQ(server.Http("POST", "/v1/chat/completions", std::string(1'000'000, '[')).status, 400);
  EXPECT_EQ(status("chat_template_kwargs", {{"x", std::string(1'000'000, 'x')}}), 200);
  EXPECT_EQ(status("chat_template_kwargs", {{"messages", Json::array()}}), 400);
}

// At each limit a request is read, one above it is refused with the field's name.
TEST(Serve, EachSizeHasALimitAndAName) {
  const Served server;
  struct Limit {
    std::string path, param;
    size_t most;
    std::function<Json(size_t)> body;
  };
  const auto chat = [](const std::string& field, const std::function<Json(size_t)>& value) {
    return [=](size_t n) {
      Json body = Ask("2+2=");
      body["max_tokens"] = 1;
      body["logprobs"] = true;
      body[field] = value(n);
      return body;
    };
  };
  const auto list = [](Json one) { return [=](size_t n) { return Json(std::vector<Json>(n, one)); }; };
  const auto number = [](size_t n) { return Json(n); };
  const auto text = [](size_t n) { return Json(std::string(n, 'x')); };
  const Json tool = {{"type", "function"}, {"function", {{"name", "f"}}}};
  const std::string kChat = "/v1/chat/completions";
  const std::vector<Limit> all = {
      {kChat, "stop", limits::kStopStrings, chat("stop", list("x"))},
      {kChat, "stop", limits::kStopStringBytes, chat("stop", text)},
      {kChat, "tools", limits::kTools, chat("tools", list(tool))},
      {kChat, "n", limits::kSamples, chat("n", number)},
      {kChat, "max_tokens", limits::kMaxTokens, chat("max_tokens", number)},
      {kChat, "top_logprobs", limits::kTopLogprobs, chat("top_logprobs", number)},
      {kChat, "model", limits::kModelNameBytes, chat("model", text)},
      {kChat, "messages", limits::kMessages,
       [](size_t n) {
         const Json message = {{"role", "user"}, {"content", ""}};
         return Json{{"messages", std::vector<Json>(n, message)}};
       }},
      {"/v1/completions", "prompt", limits::kPromptBatch,
       [](size_t n) { return Json{{"prompt", std::vector<std::string>(n, "2")}, {"max_tokens", 0}}; }},
      {"/v1/responses", "include", limits::kIncludes,
       [](size_t n) {
         return Json{{"input", "2+2="},
                     {"max_output_tokens", 16},
                     {"include", std::vector<std::string>(n, "message.output_text.logprobs")}};
       }},
  };
  for (const Limit& limit : all) {
    const std::string what = fmt::format("{} {} {}", limit.path, limit.param, limit.most);
    const HttpAnswer over = server.Post(limit.path, limit.body(limit.most + 1));
    EXPECT_EQ(over.status, 400) << what << ": " << over.body.substr(0, 300);
    EXPECT_THAT(ErrorParam(over), HasSubstr(limit.param)) << what;
    EXPECT_THAT(over.json()["error"]["message"], HasSubstr(std::to_string(limit.most))) << what;
    const HttpAnswer at = server.Post(limit.path, limit.body(limit.most));
    if (at.status != 200) {  // refused for another reason: a model without this name, the context
      EXPECT_THAT(at.body, Not(HasSubstr(std::to_string(limit.most + 1)))) << what;
      EXPECT_NE(at.body, over.body) << what;
    }
  }
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  const auto depth = [&](int n) {
    return server.Http("POST", "/tokenize", R"({"prompt":"x","extra":)" + nested(n) + "}").status;
  };
  EXPECT_EQ(depth(limits::kJsonDepth - 1), 200);
  EXPECT_EQ(depth(limits::kJsonDepth + 1), 400);
}

TEST(Serve, MoreConnectionsThanItHasPlacesForAreClosed) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlim_t wanted = limits::kConnections + 200;
  if (files.rlim_max < wanted) {
    GTEST_SKIP() << "at most " << files.rlim_max << " files may be open here";
  }
  // The server raises its own from what shells give.
  files.rlim_cur = 1024;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  const Served server;
  files.rlim_cur = wanted;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  std::vector<Socket> idle;
  for (int i = 0; i < limits::kConnections; ++i) idle.emplace_back(server.port());
  Socket over(server.port());
  over.Send(server.RequestText("GET", "/health", ""));
  EXPECT_EQ(over.ReadAll(10), "");
  EXPECT_TRUE(over.closed());
  // Who is in is served, and a place that was left is taken.
  ASSERT_TRUE(idle.back().Send(server.RequestText("GET", "/health", "")));
  EXPECT_THAT(idle.back().ReadUntil("\r\n\r\n", 10), HasSubstr("200"));
  for (int i = 0; i < 10; ++i) idle.pop_back();
  EXPECT_TRUE(Await(10, [&] { return server.Http("GET", "/health").status == 200; }));
}

// --- bytes that are no request ---

TEST(Serve, Case20WhatIsNoRequestIsRefusedAndHarmsNobody) {
  const Served server;
  const std::string host = "Host: localhost\r\n";
  const auto status = [&](const std::string& bytes) {
    Socket socket(server.port());
    socket.Send(bytes);
    return ParseAnswer(socket.ReadUntil("\r\n\r\n", 10)).status;
  };
  const std::string post = "POST /v1/chat/completions HTTP/1.1\r\n" + host;
  EXPECT_EQ(status("GET /health HTTP/1.1\r\n" + host + "X: " + std::string(200'000, 'x')), 431);
  std::string lines;
  for (int i = 0; i < 100'000 && lines.size() < 60'000; ++i) lines += "A: b\r\n";
  EXPECT_EQ(status("GET /health HTTP/1.1\r\n" + host + lines + "\r\n"), 431);
  EXPECT_EQ(status("GET /" + std::string(200'000, 'x')), 431);
  EXPECT_EQ(status(post + "Content-Length: 99999999999\r\n\r\n"), 413);
  EXPECT_EQ(status(post + "Content-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status(post + "Content-Length: 18446744073709551617\r\n\r\n"), 400);
  EXPECT_EQ(status(post + "Content-Length: 2, 3\r\n\r\n{}"), 400);
  EXPECT_EQ(status(post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 400);
  EXPECT_EQ(status(post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status(post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status(post + "Transfer-Encoding: gzip\r\n\r\n"), 400);
  EXPECT_EQ(status(post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400);
  EXPECT_EQ(status(post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/9.9\r\n" + host + "\r\n"), 400);
  EXPECT_EQ(status("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /%0d%0aSet-Cookie:x HTTP/1.1\r\n" + host + "\r\n"), 400);
  EXPECT_EQ(status("GET /../../etc/passwd HTTP/1.1\r\n" + host + "\r\n"), 400);
  EXPECT_EQ(status("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + host + "\r\n"), 400);
  EXPECT_EQ(status("GET http://evil.com/ HTTP/1.1\r\n" + host + "\r\n"), 400);
  EXPECT_EQ(status("GET /health HTTP/1.1\r\n" + host + "X : y\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /health HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n"), 400);
  EXPECT_EQ(status("CONNECT evil.com:443 HTTP/1.1\r\n" + host + "\r\n"), 400);

  // A body without an end stops at the limit, not at the memory's.
  Socket endless(server.port());
  ASSERT_TRUE(endless.Send(post + "Transfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "100000\r\n" + std::string(0x100000, 'x') + "\r\n";
  int sent = 0;
  while (sent < 200 && endless.Send(chunk)) ++sent;
  EXPECT_LT(sent, 100) << "MB of a body whose limit is 32 MB";

  // Two requests in one packet are two, and an answer belongs to its question.
  Socket pipelined(server.port());
  pipelined.Send("GET /version HTTP/1.1\r\n" + host + "\r\nGET /health HTTP/1.1\r\n" + host +
                 "Connection: close\r\n\r\n");
  const std::string both = pipelined.ReadAll();
  EXPECT_LT(both.find("version\""), both.rfind("HTTP/1.1 200")) << both;
  EXPECT_EQ(server.Http("GET", "/health").status, 200);
}

TEST(Serve, Case20SlowSendersLoseTheirPlace) {
  const Served server;
  std::vector<Socket> slow;
  for (int i = 0; i < 50; ++i) {
    slow.emplace_back(server.port());
    slow.back().Send("GET /health HTTP/1.1\r\nHost: localho");
  }
  const auto begin = Clock::now();
  EXPECT_EQ(server.Http("GET", "/health").status, 200);
  EXPECT_LT(Since(begin), 1);
  // A byte now and then does not help: the time is that of the whole header.
  while (Since(begin) < limits::kHeaderSeconds - 2) {
    slow[0].Send("s");
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  for (Socket& socket : slow) {
    socket.ReadAll(5);
    EXPECT_TRUE(socket.closed());
  }
}

TEST(Serve, Case21AThousandIdleStreamsAndHealthInFiftyMilliseconds) {
  const std::string runs = testing::TempDir() + "aha-idle-runs-" + std::to_string(::getpid());
  const Ran trained = RunAha({"train", std::string(AHA_SOURCE_DIR) + "/recipes/parity.toml",
                              "--out", runs + "/idle", "--set", "pretrain.steps=2", "--set",
                              "pretrain.batch_tokens=500", "--set", "rl.steps=1", "--set",
                              "rl.prompts=2", "--set", "rl.samples=2", "--set", "eval.problems=4"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const Served server({"--runs", runs});
  std::vector<Socket> streams;
  for (int i = 0; i < 1000; ++i) {
    streams.emplace_back(server.port());
    ASSERT_TRUE(streams.back().Send(server.RequestText("GET", "/api/runs/idle/events", "")));
  }
  for (Socket& stream : streams) {
    ASSERT_THAT(stream.ReadUntil("\"status\""), HasSubstr("text/event-stream"));
  }
  std::vector<double> times;
  for (int i = 0; i < 21; ++i) {
    const auto begin = Clock::now();
    EXPECT_EQ(server.Http("GET", "/health").status, 200);
    times.push_back(Since(begin));
  }
  std::ranges::sort(times);
  EXPECT_LT(times[10], 0.05) << "the median of 21";
  fs::remove_all(runs);
}

// --- what is left behind ---

TEST(Serve, Case24NothingOfAChatOrAKeyIsWrittenButInItsOwnStore) {
  const std::string prompt_canary = "canary-of-the-prompt-7431";
  const std::string key_canary = "canary-of-the-key-9182736";
  Served server({"--api-key", key_canary});
  const auto key = Bearer(key_canary);
  Json body = Ask("Use 1 and 2 to make 3 " + prompt_canary);
  EXPECT_EQ(server.Post("/v1/chat/completions", body, key).status, 200);
  body["temperature"] = "not a number " + prompt_canary;
  EXPECT_EQ(server.Post("/v1/chat/completions", body, key).status, 400);
  server.Http("GET", "/nowhere/" + prompt_canary, "", key);
  server.Http("POST", "/v1/chat/completions", "{\"" + prompt_canary, key);
  EXPECT_EQ(server
                .Post("/api/turns",
                      {{"incognito", true},
                       {"messages", {{{"role", "user"}, {"content", prompt_canary}}}}},
                      key)
                .status,
            201);
  const std::string metrics = server.Http("GET", "/metrics", "", key).body;
  server.Signal(SIGTERM);
  EXPECT_EQ(server.AwaitEnd(), 0);
  for (const std::string& canary : {prompt_canary, key_canary}) {
    EXPECT_THAT(metrics, Not(HasSubstr(canary)));
    EXPECT_THAT(server.said(), Not(HasSubstr(canary)));
    for (const auto& entry : fs::recursive_directory_iterator(server.data())) {
      if (!entry.is_regular_file()) continue;
      EXPECT_THAT(ReadFile(entry.path()).value(), Not(HasSubstr(canary))) << entry.path();
      EXPECT_EQ(entry.status().permissions() & (fs::perms::group_all | fs::perms::others_all),
                fs::perms::none)
          << entry.path();
    }
  }
}

TEST(Serve, Case26AnothersPromptIsNotInMyCache) {
  const Served server({"--api-key", kKey, "--api-key", kOtherKey});
  std::string long_text = "Use 9, 7 and 8 to make 10.";
  for (int i = 0; i < 6; ++i) long_text += " Use 9, 7 and 8 to make 10.";
  const auto hits = [&](const char* key, const std::string& user = "") {
    Json body = Ask(long_text);
    body["max_tokens"] = 1;
    if (!user.empty()) body["user_id"] = user;
    const HttpAnswer answer = server.Post("/v1/chat/completions", body, Bearer(key));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json()["usage"].value("prompt_cache_hit_tokens", -1);
  };
  EXPECT_EQ(hits(kKey), 0);
  EXPECT_GT(hits(kKey), 0) << "one's own prompt is found again";
  EXPECT_EQ(hits(kOtherKey), 0);
  EXPECT_EQ(hits(kKey, "alice"), 0);
  EXPECT_EQ(hits(kKey, "bob"), 0);
  EXPECT_GT(hits(kKey, "alice"), 0);
}

TEST(Serve, TheDoctorSeesWhoReachesItAndWhatIsWrong) {
  const Served server({"--api-key", kKey});
  const auto doctor = [&] {
    return RunAha({"doctor", "--json", "--data", server.data().string()});
  };
  const auto has = [](const Ran& ran, const std::string& mark, const std::string& about,
                      const std::string& text) {
    const Json report = ParseJson(ran.out).value();
    for (const Json& f : report["findings"]) {
      if (f["mark"] == mark && f["about"].get<std::string>().find(about) != std::string::npos &&
          f["text"].get<std::string>().find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  };
  const std::string name = "server " + std::to_string(server.pid());
  const Ran well = doctor();
  EXPECT_EQ(well.exit_code, 0) << well.out;
  EXPECT_TRUE(has(well, "ok", name,
                  fmt::format("listens on 127.0.0.1 port {}: this machine alone can "
                              "reach it; it asks for a key",
                              server.port())))
      << well.out;
  EXPECT_TRUE(has(well, "ok", server.data().string(), "yours alone")) << well.out;
  fs::permissions(server.data() / "conversations", fs::perms::others_read, fs::perm_options::add);
  const Ran wrong = doctor();
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_TRUE(has(wrong, "wrong", "conversations", "chmod")) << wrong.out;
}

// --- receipts ---

// The receipt of an answer, written to a file that it is replayed from.
std::string ReceiptFile(const Json& receipt) {
  const std::string file = testing::TempDir() + "aha-receipt-" + std::to_string(::getpid());
  std::ofstream(file) << receipt.dump();
  return file;
}
Ran ReplayOf(const Json& receipt, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"replay", ReceiptFile(receipt)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunAha(arguments, "", {{"AHA_MODELS", std::string(AHA_SOURCE_DIR) + "/models"}});
}

// The receipt in a stream's text, or null.
Json ReceiptOf(const std::string& stream) {
  std::istringstream lines(stream);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"receipt\"") == std::string::npos) continue;
    return ParseJson(line.substr(6)).value()["receipt"];
  }
  return nullptr;
}

TEST(Serve, AReceiptGivesTheSameBitsUnderOtherLoadAndThreads) {
  const Served server;
  Json body = Ask("Use 9, 7 and 8 to make 10");
  body["receipt"] = true;
  body["n"] = 3;
  body["temperature"] = 1.0;
  body["logprobs"] = true;
  const HttpAnswer answer = server.Post("/v1/chat/completions", body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json receipt = answer.json()["receipt"];
  for (const std::vector<std::string>& how : std::vector<std::vector<std::string>>{
           {"--threads", "1"}, {"--threads", "3", "--load", "12"}}) {
    const Ran ran = ReplayOf(receipt, how);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("every bit the same"));
  }
  const Ran plain =
      RunAha({"replay", ReceiptFile(answer.json())}, "",
             {{"AHA_MODELS", std::string(AHA_SOURCE_DIR) + "/models"}, {"AHA_CPU", "ref"}});
  EXPECT_EQ(plain.exit_code, 0) << plain.err << " on the plain code path, from the whole answer";

  Json changed = receipt;
  changed["request"]["seed"] = receipt["request"]["seed"].get<uint64_t>() + 1;
  EXPECT_EQ(ReplayOf(changed).exit_code, 1);
  EXPECT_THAT(ReplayOf(changed).err, HasSubstr("another one"));
  changed = receipt;
  changed["samples"][1]["sha256"] = std::string(64, '0');
  EXPECT_THAT(ReplayOf(changed).err, HasSubstr("log-probabilities"));
  changed = receipt;
  changed["model"]["sha256"] = std::string(64, '0');
  EXPECT_THAT(ReplayOf(changed).err, HasSubstr("weights"));
  changed = receipt;
  changed["request"]["messages"][0]["content"] = "Use 1, 2 and 3 to make 6";
  EXPECT_THAT(ReplayOf(changed).err, HasSubstr("another prompt"));
  changed = receipt;
  changed.erase("samples");
  EXPECT_THAT(ReplayOf(changed).err, HasSubstr("samples"));

  // What keys and values were kept as: receipts from before there was a choice do not say it.
  ASSERT_EQ(receipt["kv_cache"], "f32");
  changed = receipt;
  changed.erase("kv_cache");
  EXPECT_EQ(ReplayOf(changed).exit_code, 0);
  changed["kv_cache"] = "f16";
  EXPECT_EQ(ReplayOf(changed).exit_code, 1);
  changed["kv_cache"] = "f8";
  EXPECT_THAT(ReplayOf(changed).err, HasSubstr("kv_cache is 'f8'"));
  EXPECT_THAT(ReplayOf({{"x", 1}}).err, HasSubstr("no receipt"));
}

TEST(Serve, EachApiGivesReceipts) {
  const Served server;
  const auto same = [&](const Json& receipt, int samples) {
    ASSERT_TRUE(receipt.is_object());
    EXPECT_EQ(receipt["samples"].size(), static_cast<size_t>(samples));
    const Ran ran = ReplayOf(receipt, {"--threads", "1", "--load", "3"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("every bit the same"));
  };
  const Json common = {{"receipt", true}, {"temperature", 1.0}, {"max_tokens", 40}};
  const auto post = [&](const char* path, Json body, bool stream) {
    body.update(common);
    if (stream) body["stream"] = true;
    const HttpAnswer answer = server.Post(path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer;
  };
  const Json completion = {{"prompt", "Use 9, 7 and 8 to make 10"}, {"n", 2}, {"echo", true}};
  const Json receipt = post("/v1/completions", completion, false).json()["receipt"];
  same(receipt, 2);
  same(ReceiptOf(post("/v1/completions", completion, true).body), 2);
  Json changed = receipt;
  changed["request"]["seed"] = receipt["request"]["seed"].get<uint64_t>() + 1;
  EXPECT_EQ(ReplayOf(changed).exit_code, 1);
  Json many = completion;
  many["prompt"] = {"a", "b"};
  many["receipt"] = true;
  EXPECT_EQ(server.Post("/v1/completions", many).json()["error"]["param"], "receipt");

  const Json question = {{{"role", "user"}, {"content", "Use 9, 7 and 8 to make 10"}}};
  same(post("/v1/messages", {{"messages", question}}, false).json()["receipt"], 1);
  same(ReceiptOf(post("/v1/messages", {{"messages", question}}, true).body), 1);

  Json response = post("/v1/responses", {{"input", "Use 9, 7 and 8 to make 10"}}, false).json();
  same(response["receipt"], 1);
  // One that goes on from another holds all that was said.
  response =
      post("/v1/responses",
           {{"input", "Use 9, 7 and 6 to make 10"}, {"previous_response_id", response["id"]}},
           false)
          .json();
  same(response["receipt"], 1);
  EXPECT_EQ(response["receipt"]["request"]["messages"].size(), 3u);
}

TEST(Serve, AStreamsReceiptHoldsABudgetAndAGrammar) {
  const Served server;
  Json body = Ask("Use 9, 7 and 8 to make 10");
  body["receipt"] = true;
  body["stream"] = true;
  body["thinking_token_budget"] = 5;
  body["grammar"] = "root ::= [0-9]+ \" \" [0-9]+";
  const std::string text = server.Post("/v1/chat/completions", body).body;
  const Json receipt = ReceiptOf(text);
  ASSERT_TRUE(receipt.is_object()) << text;
  const Ran ran = ReplayOf(receipt);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
}

TEST(Serve, AReceiptKnowsWhenAThoughtWasEndedByItsReader) {
  const Served server;
  const Json ids = server.Post("/tokenize", {{"prompt", "</think>"}}).json()["tokens"];
  ASSERT_EQ(ids.size(), 1u);
  Json body = Ask("Use 9, 7 and 8 to make 10");
  body["receipt"] = true;
  body["stream"] = true;
  body["temperature"] = 2;
  // It never ends its thought by itself, nor all of it.
  const std::string eos = server.Http("GET", "/tokenizer_info").json()["eos_token"];
  const Json ends = server.Post("/tokenize", {{"prompt", eos}}).json()["tokens"];
  body["logit_bias"] = {{ids[0].dump(), -100}, {ends[0].dump(), -100}};
  // A thought may still end in a loop before the reader's word comes: then another is asked for.
  Json receipt;
  for (int attempt = 0; attempt < 20; ++attempt) {
    body["seed"] = attempt;
    Socket reader(server.port());
    reader.Send(server.RequestText("POST", "/v1/chat/completions", DumpJson(body),
                                   {{"Connection", "close"}}));
    std::string text = reader.ReadUntil("\"reasoning_content\":\"");
    const size_t at = text.find("chatcmpl-");
    ASSERT_NE(at, std::string::npos) << text;
    const std::string id = text.substr(at, text.find('"', at) - at);
    server.Post("/v1/chat/completions/control", {{"id", id}, {"action", "reasoning_end"}});
    receipt = ReceiptOf(ParseAnswer(text + reader.ReadAll()).body);
    ASSERT_TRUE(receipt.is_object()) << text;
    if (receipt["samples"][0].contains("end_thought_at")) break;
  }
  ASSERT_TRUE(receipt["samples"][0].contains("end_thought_at")) << receipt.dump();
  const Ran ran = ReplayOf(receipt, {"--load", "3"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
}

// --- bad luck, with a model that takes its time ---

class ServeSmol : public testing::Test {
 protected:
  // Many words, whatever the model would rather do.
  static Json Endless() {
    Json body = Ask("Tell me a long story.");
    body["stream"] = true;
    body["temperature"] = 0;
    body["max_tokens"] = 2000;
    body["logit_bias"] = {{"2", -100}, {"0", -100}};
    return body;
  }
  static std::vector<std::string> Model() {
    return {"-m", TestDataPath(kModel).string(), "--context", "4096"};
  }
};

TEST_F(ServeSmol, AReaderThatLeavesFreesItsPlaceAtOnce) {
  AHA_REQUIRE_TEST_DATA(kModel);
  const Served server(Model());
  {
    Socket reader(server.port());
    reader.Send(server.RequestText("POST", "/v1/chat/completions", DumpJson(Endless())));
    reader.ReadUntil("\"content\":\" ");
    EXPECT_EQ(server.Metric("vllm:num_requests_running"), 1);
  }
  EXPECT_TRUE(Await(2, [&] { return server.Metric("vllm:num_requests_running") == 0; }));
  EXPECT_TRUE(Await(2, [&] { return server.Metric("vllm:kv_cache_usage_perc") == 0; }));
}

TEST_F(ServeSmol, AReaderThatDoesNotReadSlowsNobody) {
  AHA_REQUIRE_TEST_DATA(kModel);
  const Served server(Model());
  Socket lazy(server.port());
  Json body = Endless();
  body["logprobs"] = true;
  body["top_logprobs"] = 20;
  lazy.Send(server.RequestText("POST", "/v1/chat/completions", DumpJson(body)));
  Socket reader(server.port());
  body = Endless();
  body["max_tokens"] = 64;
  const auto begin = Clock::now();
  reader.Send(server.RequestText("POST", "/v1/chat/completions", DumpJson(body)));
  EXPECT_THAT(reader.ReadUntil("[DONE]", 60), HasSubstr("[DONE]"));
  EXPECT_LT(Since(begin), 30);
}

TEST_F(ServeSmol, KilledInMidStreamItKeepsEveryWordThatWasRead) {
  AHA_REQUIRE_TEST_DATA(kModel);
  Served server(Model());
  const std::string id = server.Post("/api/conversations", Json::object()).json()["id"];
  const HttpAnswer turn =
      server.Post("/api/turns", {{"conversation", id},
                                 {"parent", nullptr},
                                 {"content", "Count from one to five hundred in words."},
                                 {"settings", {{"temperature", 0}, {"max_tokens", 1000}}}});
  ASSERT_EQ(turn.status, 201) << turn.body;
  Socket reader(server.port());
  const std::string turn_id = turn.json()["turn"];
  reader.Send(server.RequestText("GET", "/api/turns/" + turn_id + "/events", ""));
  std::string read;
  while (std::ranges::count(read, '\n') < 60 && !reader.closed()) {
    read += reader.ReadUntil("\n\n", 10);
  }
  server.Restart(SIGKILL);
  std::string text;
  std::istringstream lines(read);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("data: ")) continue;
    const Result<Json> event = ParseJson(line.substr(6));
    if (event.ok() && event->value("type", "") == "delta") text += event->value("answer", "");
  }
  ASSERT_GT(text.size(), 20u) << read;
  const Json chat = server.Http("GET", "/api/conversations/" + id).json();
  ASSERT_EQ(chat["messages"].size(), 2u) << chat.dump();
  EXPECT_EQ(chat["messages"][1]["status"], "stopped");
  EXPECT_THAT(chat["messages"][1]["content"].get<std::string>(), testing::StartsWith(text));
}

TEST_F(ServeSmol, AskedToStopItKeepsWhatThereIsAndEnds) {
  AHA_REQUIRE_TEST_DATA(kModel);
  Served server(Model());
  Socket reader(server.port());
  Json body = Endless();
  body["max_tokens"] = 40;
  reader.Send(server.RequestText("POST", "/v1/chat/completions", DumpJson(body)));
  reader.ReadUntil("\"content\":\" ");
  server.Signal(SIGTERM);
  EXPECT_THAT(reader.ReadAll(30), HasSubstr("[DONE]")) << "an answer that is nearly there ends";
  EXPECT_EQ(server.AwaitEnd(), 0);
}

TEST_F(ServeSmol, TheSameBitsWhateverElseIsAsked) {
  AHA_REQUIRE_TEST_DATA(kModel);
  const Served server(Model());
  Json body = Ask("Name three rivers.");
  body["seed"] = 7;
  body["temperature"] = 0.8;
  body["max_tokens"] = 24;
  body["logprobs"] = true;
  const Json alone = server.Post("/v1/chat/completions", body).json();
  std::vector<Socket> others;
  for (int i = 0; i < 6; ++i) {
    Json other = Endless();
    other["messages"][0]["content"] = "Story number " + std::to_string(i);
    others.emplace_back(server.port());
    others.back().Send(server.RequestText("POST", "/v1/chat/completions", DumpJson(other)));
  }
  for (Socket& other : others) other.ReadUntil("\"content\":\"");
  const Json crowded = server.Post("/v1/chat/completions", body).json();
  EXPECT_EQ(alone["choices"], crowded["choices"]);
}

}  // namespace
}  // namespace aha
