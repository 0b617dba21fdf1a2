// `aha serve` as its own process, and a client that speaks to it byte by byte.
//
//   Served server({"--api-key", "k"});
//   HttpAnswer answer = server.Http("GET", "/health");
//   Socket socket(server.port());
//   socket.Send("GET / HTTP/1.1\r\n\r\n");
#ifndef AHA_TESTS_SERVED_H_
#define AHA_TESTS_SERVED_H_

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace aha {

struct HttpAnswer {
  int status = 0;  // 0: the connection ended without an answer
  std::string head;
  std::string body;  // chunks joined
  Json json() const;
  std::string header(const std::string& name) const;  // lower case
};

// One connection to this machine. Reads wait at most `seconds` in all.
class Socket {
 public:
  explicit Socket(int port);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // False when the other side takes no more.
  bool Send(std::string_view bytes);
  // What comes until `end` has been seen, the other side closes, or time is up.
  std::string ReadUntil(std::string_view end, double seconds = 20);
  std::string ReadAll(double seconds = 20) { return ReadUntil("", seconds); }
  bool closed() const { return closed_; }  // by the other side, as reads have seen

 private:
  int fd_ = -1;
  bool closed_ = false;
};

HttpAnswer ParseAnswer(const std::string& bytes);

class Served {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // Starts it with a data folder of its own and the model that ships, unless `arguments` say
  // otherwise, and waits for its address.
  explicit Served(std::vector<std::string> arguments = {});
  ~Served();
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  HttpAnswer Http(const std::string& method, const std::string& path, const std::string& body = "",
                  const Headers& headers = {}) const;
  HttpAnswer Post(const std::string& path, const Json& body, const Headers& headers = {}) const {
    return Http("POST", path, DumpJson(body), headers);
  }
  // The request's bytes, as Http sends them.
  std::string RequestText(const std::string& method, const std::string& path,
                          const std::string& body, const Headers& headers = {}) const;
  // A number of /metrics, summed over its labels.
  double Metric(const std::string& name) const;

  void Signal(int signal) const;
  // Its exit code once it has ended by itself; 128 + signal when a signal ended it.
  int AwaitEnd(double seconds = 30);
  bool running() const;
  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  const std::filesystem::path& data() const { return data_; }
  // All that it has said so far, standard output and errors.
  std::string said() const;
  // Ends it as `signal` does and starts it anew with the same folder.
  void Restart(int signal);

 private:
  void Start();
  std::vector<std::string> arguments_;
  std::filesystem::path root_, data_;
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace aha

#endif  // AHA_TESTS_SERVED_H_
