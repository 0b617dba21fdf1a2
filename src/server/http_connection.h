// One client's connection: reads requests one after another, writes what their Exchange says.
#ifndef AHA_SERVER_HTTP_CONNECTION_H_
#define AHA_SERVER_HTTP_CONNECTION_H_

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http_server.h"

namespace aha {

inline std::chrono::microseconds Duration(double seconds) {
  return std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
}

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // What all connections of a server share; it outlives them.
  struct Shared {
    HttpHandler handler;
    std::vector<std::pair<std::string, std::string>> headers;
    ConnectionTimes times;
    bool stopping = false;
    uint64_t next_request = 1;
    std::function<void(HttpConnection*)> closed;
  };

  HttpConnection(boost::asio::ip::tcp::socket socket, Shared* shared);
  void Start();
  // Closes at once; an unfinished exchange's OnGone is called.
  void Close();
  // Between requests now; one in the making is left to end.
  void CloseWhenIdle();

 private:
  class ConnectionExchange;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Error = boost::system::error_code;

  void ReadHeader();
  void OnHeader(Error error);
  void ReadBody();
  void Handle();
  void Refuse(const Error& error);
  // While an answer is made: hears a client that leaves, keeps what it sends ahead.
  void Watch();
  void Wait(double seconds);  // the connection ends when nothing calls again by then
  void Queue(std::string bytes);
  void Pump();
  void AnswerDone();
  void ArmPing();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer deadline_, ping_;
  Shared* shared_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::deque<std::string> unsent_;
  size_t unsent_bytes_ = 0, front_sent_ = 0;
  std::shared_ptr<ConnectionExchange> exchange_;  // of the request being answered
  bool keep_alive_ = false, writing_ = false, watching_ = false, closed_ = false, broken_ = false;
  bool event_stream_ = false, answered_ = false, handling_ = false;
};

}  // namespace aha

#endif  // AHA_SERVER_HTTP_CONNECTION_H_
