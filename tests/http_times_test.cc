// How long a connection is waited for (ConnectionTimes), with less patience than the real server's.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "served.h"
#include "server/http_server.h"

namespace aha {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

constexpr size_t kLarge = 64 << 20;  // more than sockets hold

// Answers "/large" with kLarge bytes, "/silent" with a stream of events that never come, anything
// else with two bytes.
class Running {
 public:
  explicit Running(const ConnectionTimes& times) {
    auto server = HttpServer::Listen(
        {.times = times}, [this](const HttpRequest& request, std::shared_ptr<Exchange> exchange) {
          if (request.path == "/silent") {
            exchange->Begin({.content_type = "text/event-stream"});
            silent_ = std::move(exchange);
          } else {
            exchange->Send({.body = request.path == "/large" ? std::string(kLarge, 'x') : "ok"});
          }
        });
    EXPECT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~Running() {
    server_->Stop(0);
    thread_.join();
  }

  int port() const { return server_->port(); }

 private:
  std::unique_ptr<HttpServer> server_;
  std::shared_ptr<Exchange> silent_;
  std::thread thread_;
};

std::string Get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"; }

// Seconds until the other side has closed, while `bytes` are sent one by one, ten a second.
double SecondsOpen(Socket* socket, const std::string& bytes) {
  const auto begin = Clock::now();
  for (const char c : bytes) {
    socket->Send(std::string(1, c));
    socket->ReadAll(0.1);
    if (socket->closed()) break;
  }
  return Since(begin);
}

TEST(HttpTimes, AHeaderThatDribblesInIsNotAwaited) {
  const Running server({.header = 0.6});
  Socket socket(server.port());
  const double open = SecondsOpen(&socket, "GET /" + std::string(100, 'a'));
  EXPECT_TRUE(socket.closed());
  EXPECT_GT(open, 0.4);
  EXPECT_LT(open, 5);
}

TEST(HttpTimes, ABodyThatDribblesInIsNotAwaited) {
  const Running server({.header = 0.2, .body = 0.6});
  Socket socket(server.port());
  socket.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  const double open = SecondsOpen(&socket, std::string(100, 'a'));
  EXPECT_TRUE(socket.closed());
  EXPECT_GT(open, 0.4);  // the body's time, not the header's
  EXPECT_LT(open, 5);
}

TEST(HttpTimes, AQuietConnectionStaysForTheNextRequestAndThenEnds) {
  const Running server({.idle = 0.8});
  Socket socket(server.port());
  for (int i = 0; i < 3; ++i) {
    socket.Send(Get("/"));
    EXPECT_NE(socket.ReadUntil("ok", 5).find("200 OK"), std::string::npos);
    Sleep(0.4);
  }
  EXPECT_FALSE(socket.closed());
  const auto begin = Clock::now();
  socket.ReadAll(5);
  EXPECT_TRUE(socket.closed());
  EXPECT_LT(Since(begin), 4);
}

TEST(HttpTimes, AReaderThatTakesNothingIsDroppedAndOneThatIsSlowIsNot) {
  const Running server({.write = 0.6});
  Socket stuck(server.port());
  Socket slow(server.port());
  stuck.Send(Get("/large"));
  slow.Send(Get("/large"));
  size_t got = 0;
  for (int i = 0; i < 20; ++i) {  // three times as long as `write`
    Sleep(0.1);
    got += slow.ReadUntil("", 0.002).size();
  }
  EXPECT_LT(got, kLarge);
  const auto begin = Clock::now();
  while (got < kLarge && Since(begin) < 20 && !slow.closed()) got += slow.ReadAll(0.5).size();
  EXPECT_GE(got, kLarge);
  // Of the other's answer there is what the sockets held when it was dropped.
  EXPECT_LT(stuck.ReadAll().size(), kLarge);
  EXPECT_TRUE(stuck.closed());
}

TEST(HttpTimes, ASilentStreamIsKeptAlive) {
  const Running server({.idle = 0.2, .write = 0.2, .ping = 0.5});
  Socket socket(server.port());
  socket.Send(Get("/silent"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_NE(socket.ReadUntil(": keep-alive\n\n", 5).find(": keep-alive"), std::string::npos);
  }
  EXPECT_FALSE(socket.closed());
}

}  // namespace
}  // namespace aha
