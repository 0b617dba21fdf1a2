#include "served.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace aha {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double SecondsUntil(Clock::time_point end) {
  return std::chrono::duration<double>(end - Clock::now()).count();
}

std::string Slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Unchunk(std::string_view body) {
  std::string out;
  while (true) {
    const size_t line = body.find("\r\n");
    if (line == std::string_view::npos) return out;
    const size_t size = std::strtoul(std::string(body.substr(0, line)).c_str(), nullptr, 16);
    if (size == 0 || line + 2 + size > body.size()) return out;
    out += body.substr(line + 2, size);
    body.remove_prefix(std::min(body.size(), line + 2 + size + 2));
  }
}

}  // namespace

Json HttpAnswer::json() const {
  Result<Json> parsed = ParseJson(body);
  EXPECT_TRUE(parsed.ok()) << body;
  return parsed.ok() ? *parsed : Json();
}

std::string HttpAnswer::header(const std::string& name) const {
  std::istringstream lines(head);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string key = line.substr(0, colon);
    std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
    if (key != name) continue;
    std::string value = line.substr(std::min(line.size(), colon + 2));
    while (!value.empty() && value.back() == '\r') value.pop_back();
    return value;
  }
  return "";
}

HttpAnswer ParseAnswer(const std::string& bytes) {
  HttpAnswer answer;
  const size_t end = bytes.find("\r\n\r\n");
  if (!bytes.starts_with("HTTP/1.1 ") || end == std::string::npos) return answer;
  answer.status = std::atoi(bytes.c_str() + 9);
  answer.head = bytes.substr(0, end + 2);
  answer.body = bytes.substr(end + 4);
  if (answer.header("transfer-encoding") == "chunked") answer.body = Unchunk(answer.body);
  return answer;
}

Socket::Socket(int port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) closed_ = true;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Socket::Socket(Socket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), closed_(other.closed_) {}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

bool Socket::Send(std::string_view bytes) {
  const auto end = Clock::now() + std::chrono::seconds(30);
  while (!bytes.empty()) {
    pollfd poll{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(SecondsUntil(end) * 1000)) <= 0) return false;
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string Socket::ReadUntil(std::string_view stop, double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  std::string out;
  char buffer[65536];
  while (stop.empty() || out.find(stop) == std::string::npos) {
    const double left = SecondsUntil(end);
    if (left <= 0) break;
    pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(left * 1000) + 1) <= 0) continue;
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) {
      closed_ = true;
      break;
    }
    out.append(buffer, static_cast<size_t>(got));
  }
  return out;
}

Served::Served(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  static int count = 0;
  root_ = fs::temp_directory_path() / fmt::format("aha-served-{}-{}", ::getpid(), count++);
  fs::remove_all(root_);
  fs::create_directories(root_);
  data_ = root_ / "data";
  Start();
}

Served::~Served() {
  if (running()) {
    Signal(SIGKILL);
    AwaitEnd();
  }
  fs::remove_all(root_);
}

void Served::Start() {
  const auto given = [&](const char* flag) {
    return std::ranges::find(arguments_, flag) != arguments_.end();
  };
  std::vector<std::string> words = {AHA_BINARY, "serve"};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  const auto add = [&](const char* flag, const std::string& value) {
    if (!given(flag)) words.insert(words.end(), {flag, value});
  };
  add("--port", "0");
  add("--data", data_.string());
  add("--runs", (root_ / "runs").string());
  add("--recipes", std::string(AHA_SOURCE_DIR) + "/recipes");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = {std::string("AHA_MODELS=") + AHA_SOURCE_DIR + "/models"};
  for (char** v = environ; *v != nullptr; ++v) {
    if (!std::string_view(*v).starts_with("AHA_MODELS=")) variables.emplace_back(*v);
  }
  std::vector<char*> env;
  for (std::string& v : variables) env.push_back(v.data());
  env.push_back(nullptr);

  fs::remove(root_ / "out");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const int write = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, (root_ / "out").c_str(), write, 0600);
  posix_spawn_file_actions_addopen(&files, 2, (root_ / "err").c_str(), write, 0600);
  ASSERT_EQ(::posix_spawn(&pid_, AHA_BINARY, &files, nullptr, argv.data(), env.data()), 0);
  posix_spawn_file_actions_destroy(&files);
  for (int i = 0; i < 3000; ++i) {
    const std::string out = Slurp(root_ / "out");
    if (const size_t colon = out.rfind(':'); out.ends_with('\n') && colon != std::string::npos) {
      port_ = std::atoi(out.c_str() + colon + 1);
      return;
    }
    if (!running()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  FAIL() << "aha serve did not start: " << said();
}

std::string Served::RequestText(const std::string& method, const std::string& path,
                                const std::string& body, const Headers& headers) const {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: localhost:{}\r\n", method, path, port_);
  for (const auto& [name, value] : headers) text += fmt::format("{}: {}\r\n", name, value);
  if (!body.empty()) {
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
  }
  return text + "\r\n" + body;
}

HttpAnswer Served::Http(const std::string& method, const std::string& path, const std::string& body,
                        const Headers& headers) const {
  Socket socket(port_);
  Headers all = headers;
  all.emplace_back("Connection", "close");
  socket.Send(RequestText(method, path, body, all));
  return ParseAnswer(socket.ReadAll(120));
}

double Served::Metric(const std::string& name) const {
  std::istringstream lines(Http("GET", "/metrics").body);
  double sum = 0;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
    sum += std::atof(line.c_str() + line.rfind(' '));
    found = true;
  }
  EXPECT_TRUE(found) << name;
  return sum;
}

void Served::Signal(int signal) const { ::kill(pid_, signal); }

bool Served::running() const {
  siginfo_t info{};
  return pid_ > 0 &&
         ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

int Served::AwaitEnd(double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() > end) {
      ADD_FAILURE() << "aha serve did not end in " << seconds << " s";
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Served::Restart(int signal) {
  Signal(signal);
  AwaitEnd();
  Start();
}

std::string Served::said() const { return Slurp(root_ / "out") + Slurp(root_ / "err"); }

}  // namespace aha
