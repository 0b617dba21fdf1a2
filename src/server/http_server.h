// HTTP/1.1 over one event loop: many connections, one thread, every queue bounded.
//
//   AHA_ASSIGN_OR_RETURN(auto server, HttpServer::Listen({.host = "127.0.0.1", .port = 0},
//   handler)); server->Run();                    // until Stop, from any thread
//
// The handler is called on the loop's thread for each whole request, and answers through the
// Exchange now or later. A reader that is too slow loses its connection, never its neighbours'
// time; one that leaves is told of by OnGone at once.
#ifndef AHA_SERVER_HTTP_SERVER_H_
#define AHA_SERVER_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "server/http_types.h"
#include "server/limits.h"

namespace aha {

// The answer to one request. Loop's thread only; calls after the end, or after the client has gone,
// do nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void Send(HttpResponse response) = 0;
  // A chunked body follows, by Write and End. `head.body` is not used.
  virtual void Begin(HttpResponse head) = 0;
  virtual void Write(std::string bytes) = 0;
  virtual void End() = 0;
  // Called once if the client leaves, or is dropped, before the answer is whole.
  virtual void OnGone(std::function<void()> gone) = 0;
};

using HttpHandler = std::function<void(HttpRequest request, std::shared_ptr<Exchange> exchange)>;

// How long a connection is waited for, in seconds. Tests have less patience.
struct ConnectionTimes {
  double header = limits::kHeaderSeconds;
  double body = limits::kBodySeconds;
  double idle = limits::kIdleSeconds;
  double write = limits::kWriteSeconds;
  double ping = limits::kPingSeconds;
};

struct ListenOptions {
  std::string host = "127.0.0.1";  // an address, or a name of this machine
  uint16_t port = 0;               // 0: any free one
  std::vector<std::pair<std::string, std::string>> headers;  // of every answer
  ConnectionTimes times;
};

class HttpServer {
 public:
  // Binds and listens; nothing is accepted before Run. Errors name the address and the reason.
  static Result<std::unique_ptr<HttpServer>> Listen(const ListenOptions& options,
                                                    HttpHandler handler);
  virtual ~HttpServer() = default;

  // Serves until Stop: then no new requests, and at most `grace_s` for the answers being made.
  virtual void Run() = 0;
  virtual void Stop(double grace_s) = 0;  // from any thread or signal-safe context's thread
  // Runs `work` on the loop's thread, soon; from any thread.
  virtual void Post(std::function<void()> work) = 0;
  // Runs `work` on the loop's thread after a time; loop's thread only.
  virtual void After(double seconds, std::function<void()> work) = 0;

  virtual uint16_t port() const = 0;
  virtual std::string host() const = 0;  // as bound, "127.0.0.1"
  virtual int connections() const = 0;   // loop's thread only
};

}  // namespace aha

#endif  // AHA_SERVER_HTTP_SERVER_H_
