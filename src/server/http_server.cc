#include "server/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>

#include "server/http_connection.h"
#include "server/limits.h"

namespace aha {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// Connections that open files allow, asking the system for as many as are wanted: shells give 1024.
// The rest of the process has its share: models, conversations, runs.
int Places() {
  constexpr rlim_t kRest = 256;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return limits::kConnections;
  const rlim_t wanted = limits::kConnections + kRest;
  if (files.rlim_cur < wanted) {
    files.rlim_cur = std::min(wanted, files.rlim_max);
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
  }
  return static_cast<int>(std::clamp(files.rlim_cur, kRest + 16, wanted) - kRest);
}

class Server : public HttpServer {
 public:
  Server(HttpHandler handler, const ListenOptions& options)
      : loop_(1), guard_(asio::make_work_guard(loop_)), acceptor_(loop_), retry_(loop_) {
    shared_.handler = std::move(handler);
    shared_.headers = options.headers;
    shared_.times = options.times;
    shared_.closed = [this](HttpConnection* c) {
      connections_.erase(c->shared_from_this());
      if (shared_.stopping && connections_.empty()) loop_.stop();
    };
  }

  Status Bind(const ListenOptions& options) {
    const auto fail = [&](const char* what, const error_code& error) {
      return IoError("cannot {} {} port {}: {}", what, options.host, options.port, error.message());
    };
    error_code error;
    tcp::resolver resolver(loop_);
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
    if (error || found.empty()) return fail("find", error);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (error) return fail("open", error);
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    acceptor_.bind(endpoint, error);
    if (error) return fail("listen on", error);
    acceptor_.listen(1024, error);
    if (error) return fail("listen on", error);
    endpoint_ = acceptor_.local_endpoint(error);
    return OkStatus();
  }

  void Run() override {
    Accept();
    loop_.run();
    // Whatever is left: nobody may call into us once we are gone.
    while (!connections_.empty()) (*connections_.begin())->Close();
  }

  void Stop(double grace_s) override {
    Post([this, grace_s] {
      if (shared_.stopping) return loop_.stop();  // asked twice: at once
      shared_.stopping = true;
      error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
      const auto all = connections_;
      for (const auto& c : all) c->CloseWhenIdle();
      if (connections_.empty()) return loop_.stop();
      After(grace_s, [this] {
        const auto rest = connections_;
        for (const auto& c : rest) c->Close();
      });
    });
  }

  void Post(std::function<void()> work) override { asio::post(loop_, std::move(work)); }

  void After(double seconds, std::function<void()> work) override {
    auto timer = std::make_shared<asio::steady_timer>(loop_);
    timer->expires_after(Duration(seconds));
    timer->async_wait([this, timer, work = std::move(work)](error_code error) {
      timers_.erase(timer);
      if (!error) work();
    });
    timers_.insert(timer);
  }

  uint16_t port() const override { return endpoint_.port(); }
  std::string host() const override { return endpoint_.address().to_string(); }
  int connections() const override { return static_cast<int>(connections_.size()); }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (shared_.stopping || error == asio::error::operation_aborted) return;
      if (error) {
        // No descriptors left, most likely: some will be.
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([this](error_code e) {
          if (!e) Accept();
        });
        return;
      }
      if (connections() < places_) {
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        auto connection = std::make_shared<HttpConnection>(std::move(socket), &shared_);
        connections_.insert(connection);
        connection->Start();
      }
      Accept();
    });
  }

  HttpConnection::Shared shared_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  const int places_ = Places();
  tcp::acceptor acceptor_;
  tcp::endpoint endpoint_;
  asio::steady_timer retry_;
  std::set<std::shared_ptr<HttpConnection>> connections_;
  std::set<std::shared_ptr<asio::steady_timer>> timers_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const ListenOptions& options,
                                                       HttpHandler handler) {
  auto server = std::make_unique<Server>(std::move(handler), options);
  AHA_RETURN_IF_ERROR(server->Bind(options));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace aha
