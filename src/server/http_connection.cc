#include "server/http_connection.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <cctype>
#include <utility>

#include "server/limits.h"
#include "server/url.h"

namespace aha {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

// A value never ends its line: what holds control characters is cut there.
std::string_view OneLine(std::string_view value) {
  for (size_t i = 0; i < value.size(); ++i) {
    if (static_cast<unsigned char>(value[i]) < 0x20 && value[i] != '\t') return value.substr(0, i);
  }
  return value;
}

std::string HeadText(const HttpResponse& response,
                     const std::vector<std::pair<std::string, std::string>>& common,
                     const std::string& id) {
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, std::string(reason.data(), reason.size()));
  const auto add = [&out](std::string_view name, std::string_view value) {
    out += fmt::format("{}: {}\r\n", name, OneLine(value));
  };
  if (!response.content_type.empty()) add("Content-Type", response.content_type);
  for (const auto& [name, value] : common) add(name, value);
  for (const auto& [name, value] : response.headers) add(name, value);
  add("x-request-id", id);
  return out;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

class HttpConnection::ConnectionExchange : public Exchange {
 public:
  ConnectionExchange(std::weak_ptr<HttpConnection> connection, std::string id, bool head_only,
                     bool chunks)
      : connection_(std::move(connection)),
        id_(std::move(id)),
        head_only_(head_only),
        chunks_(chunks) {}

  void Send(HttpResponse response) override {
    const auto c = Open();
    if (!c || begun_) return;
    std::string text = HeadText(response, c->shared_->headers, id_);
    if (response.status != 204 && response.status != 304) {
      text += fmt::format("Content-Length: {}\r\n", response.body.size());
    }
    text += c->keep_alive_ ? "\r\n" : "Connection: close\r\n\r\n";
    c->Queue(std::move(text));
    if (!head_only_ && !response.body.empty()) c->Queue(std::move(response.body));
    Done(*c);
  }

  void Begin(HttpResponse head) override {
    const auto c = Open();
    if (!c || begun_) return;
    begun_ = true;
    if (!chunks_) c->keep_alive_ = false;  // HTTP/1.0: the body ends with the connection
    std::string text = HeadText(head, c->shared_->headers, id_);
    if (chunks_) text += "Transfer-Encoding: chunked\r\n";
    text += c->keep_alive_ ? "\r\n" : "Connection: close\r\n\r\n";
    c->event_stream_ = head.content_type.starts_with("text/event-stream");
    c->Queue(std::move(text));
    c->ArmPing();
  }

  void Write(std::string bytes) override {
    const auto c = Open();
    if (!c || !begun_ || bytes.empty() || head_only_) return;
    if (chunks_) bytes = fmt::format("{:x}\r\n", bytes.size()) + bytes + "\r\n";
    c->Queue(std::move(bytes));
    c->ArmPing();
  }

  void End() override {
    const auto c = Open();
    if (!c || !begun_) return;
    if (chunks_ && !head_only_) c->Queue("0\r\n\r\n");
    Done(*c);
  }

  void OnGone(std::function<void()> gone) override {
    if (ended_) return;
    if (lost_) return gone();
    gone_ = std::move(gone);
  }

  // The client has left, or is dropped.
  void Lose() {
    if (ended_ || lost_) return;
    lost_ = true;
    if (gone_) std::exchange(gone_, nullptr)();
  }

 private:
  std::shared_ptr<HttpConnection> Open() const {
    return ended_ || lost_ ? nullptr : connection_.lock();
  }
  void Done(HttpConnection& c) {
    ended_ = true;
    gone_ = nullptr;
    c.AnswerDone();
  }

  std::weak_ptr<HttpConnection> connection_;
  std::string id_;
  bool head_only_, chunks_;
  bool begun_ = false, ended_ = false, lost_ = false;
  std::function<void()> gone_;
};

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, Shared* shared)
    : socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      ping_(socket_.get_executor()),
      shared_(shared),
      buffer_(limits::kHeaderBytes + limits::kPipelinedBytes) {}

void HttpConnection::Start() { ReadHeader(); }

void HttpConnection::Wait(double seconds) {
  deadline_.expires_after(Duration(seconds));
  deadline_.async_wait([self = shared_from_this()](Error error) {
    if (!error) self->Close();
  });
}

void HttpConnection::ReadHeader() {
  if (closed_) return;
  if (shared_->stopping) return Close();
  parser_.emplace();
  parser_->header_limit(limits::kHeaderBytes);
  parser_->body_limit(limits::kBodyBytes);
  answered_ = false;
  event_stream_ = false;
  Wait(buffer_.size() > 0 ? shared_->times.header : shared_->times.idle);
  if (buffer_.size() == 0) {
    // The time for a header runs from its first byte.
    socket_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this()](Error error, size_t bytes) {
                              if (error) return self->Close();
                              self->buffer_.commit(bytes);
                              self->ReadHeader();
                            });
    return;
  }
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](Error error, size_t) { self->OnHeader(error); });
}

void HttpConnection::OnHeader(Error error) {
  if (closed_) return;
  if (error) return Refuse(error);
  size_t lines = 0;
  for (auto it = parser_->get().begin(); it != parser_->get().end(); ++it) ++lines;
  if (lines > limits::kHeaderLines) return Refuse(http::error::header_limit);
  Wait(shared_->times.body);
  if (!parser_->is_done() && parser_->get()[http::field::expect] == "100-continue") {
    auto text = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
    asio::async_write(socket_, asio::buffer(*text),
                      [self = shared_from_this(), text](Error written, size_t) {
                        written ? self->Close() : self->ReadBody();
                      });
    return;
  }
  ReadBody();
}

void HttpConnection::ReadBody() {
  if (closed_) return;
  http::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](Error error, size_t) {
    if (self->closed_) return;
    error ? self->Refuse(error) : self->Handle();
  });
}

// What is no request gets a sentence, and no second chance: where it ends is not known.
void HttpConnection::Refuse(const Error& error) {
  if (closed_) return;
  if (error == http::error::end_of_stream || error == asio::error::eof ||
      error == asio::error::connection_reset || error == asio::error::operation_aborted) {
    return Close();
  }
  const bool header = error == http::error::header_limit || error == http::error::buffer_overflow;
  const bool body = error == http::error::body_limit;
  broken_ = true;
  keep_alive_ = false;
  const std::string message =
      header ? fmt::format("the request's header is longer than {} bytes or {} lines",
                           limits::kHeaderBytes, limits::kHeaderLines)
      : body ? fmt::format("the request's body is longer than {} bytes", limits::kBodyBytes)
             : fmt::format("not a request of HTTP/1.1: {}", error.message());
  const Json json = {{"error",
                      {{"message", message},
                       {"type", "invalid_request_error"},
                       {"param", nullptr},
                       {"code", header ? "header_too_large"
                                : body ? "body_too_large"
                                       : "bad_http"}}}};
  exchange_ = std::make_shared<ConnectionExchange>(weak_from_this(), "refused", false, false);
  exchange_->Send(JsonResponse(json, header ? 431 : body ? 413 : 400));
}

void HttpConnection::Handle() {
  deadline_.cancel();
  auto& message = parser_->get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.body = std::move(message.body());
  request.id = fmt::format("req-{:08x}", shared_->next_request++);
  for (const auto& field : message) {
    request.headers.emplace_back(Lower(std::string(field.name_string())),
                                 std::string(field.value()));
  }
  Error ignored;
  request.loopback = socket_.remote_endpoint(ignored).address().is_loopback();
  keep_alive_ = message.keep_alive() && !shared_->stopping;
  const bool target_ok =
      SplitTarget(std::string_view(message.target().data(), message.target().size()), &request.path,
                  &request.query);
  exchange_ = std::make_shared<ConnectionExchange>(
      weak_from_this(), request.id, request.method == "HEAD", message.version() > 10);
  if (!target_ok) {
    return exchange_->Send(JsonResponse({{"error",
                                          {{"message", "the request's path is no path"},
                                           {"type", "invalid_request_error"},
                                           {"param", nullptr},
                                           {"code", "bad_path"}}}},
                                        400));
  }
  Watch();
  handling_ = true;
  shared_->handler(std::move(request), exchange_);
  handling_ = false;
  if (answered_) Pump();
}

void HttpConnection::Watch() {
  if (watching_ || closed_ || broken_ || buffer_.size() >= limits::kPipelinedBytes) return;
  watching_ = true;
  socket_.async_read_some(
      buffer_.prepare(4096), [self = shared_from_this()](Error error, size_t bytes) {
        self->watching_ = false;
        if (self->closed_) return;
        const bool resumed = error == asio::error::operation_aborted && self->exchange_ == nullptr;
        if (error && !resumed) return self->Close();
        self->buffer_.commit(bytes);
        // The answer ended while this read was out: what came begins the next
        // request.
        self->exchange_ == nullptr ? self->ReadHeader() : self->Watch();
      });
}

void HttpConnection::Queue(std::string bytes) {
  if (closed_) return;
  unsent_bytes_ += bytes.size();
  unsent_.push_back(std::move(bytes));
  // A whole answer may be large: its reader has time as long as it takes something.
  if (event_stream_ && unsent_bytes_ > limits::kUnsentBytes) return Close();
  if (!handling_) Pump();
  // From the handler: all that it writes goes out in one piece of work, after it.
  if (handling_ && unsent_.size() == 1) {
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Pump(); });
  }
}

void HttpConnection::Pump() {
  if (writing_ || closed_) return;
  if (unsent_.empty()) {
    if (!answered_) return;
    exchange_ = nullptr;
    deadline_.cancel();
    ping_.cancel();
    Error ignored;
    if (!keep_alive_) {
      socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
      return Close();
    }
    if (!watching_) return ReadHeader();
    // A request that was sent ahead is here already: no need to hear of more.
    if (buffer_.size() > 0) {
      socket_.cancel(ignored);
    } else {
      Wait(shared_->times.idle);
    }
    return;
  }
  writing_ = true;
  Wait(shared_->times.write);
  // Small pieces together: one call to the system for a step's events.
  if (front_sent_ == 0) {
    while (unsent_.size() > 1 && unsent_[0].size() + unsent_[1].size() <= 64 << 10) {
      unsent_[1].insert(0, unsent_[0]);
      unsent_.pop_front();
    }
  }
  const std::string& front = unsent_.front();
  socket_.async_write_some(asio::buffer(front.data() + front_sent_, front.size() - front_sent_),
                           [self = shared_from_this()](Error error, size_t bytes) {
                             self->writing_ = false;
                             if (self->closed_) return;
                             if (error) return self->Close();
                             self->front_sent_ += bytes;
                             self->unsent_bytes_ -= bytes;
                             if (self->front_sent_ == self->unsent_.front().size()) {
                               self->unsent_.pop_front();
                               self->front_sent_ = 0;
                             }
                             if (self->unsent_.empty() && !self->answered_)
                               self->deadline_.cancel();
                             self->Pump();
                           });
}

void HttpConnection::AnswerDone() {
  answered_ = true;
  if (!handling_) Pump();
}

// Parsers skip comments; they keep the connection and the client's own timer alive.
void HttpConnection::ArmPing() {
  if (!event_stream_) return;
  ping_.expires_after(Duration(shared_->times.ping));
  ping_.async_wait([self = shared_from_this()](Error error) {
    if (error || self->closed_ || self->answered_ || !self->exchange_) return;
    self->exchange_->Write(": keep-alive\n\n");
  });
}

void HttpConnection::CloseWhenIdle() {
  keep_alive_ = false;
  if (exchange_ == nullptr) Close();
}

void HttpConnection::Close() {
  if (closed_) return;
  closed_ = true;
  const auto self = shared_from_this();
  Error ignored;
  deadline_.cancel();
  ping_.cancel();
  socket_.close(ignored);
  if (exchange_) std::exchange(exchange_, nullptr)->Lose();
  shared_->closed(this);
}

}  // namespace aha
