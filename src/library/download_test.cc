// Downloads from a hub of our own: a small HTTP server in this process.
#include "library/download.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "base/files.h"
#include "base/json.h"
#include "library/sha256.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

// Serves repositories of files the way the hub does, and misbehaves on request.
class Hub {
 public:
  Hub() : acceptor_(io_, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~Hub() {
    stop_ = true;
    boost::asio::io_context io;  // wakes the blocked accept
    tcp::socket socket(io);
    boost::system::error_code ignored;
    socket.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  std::string endpoint() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

  std::map<std::string, std::string> files;  // path -> bytes
  std::string listing_override;              // instead of the listing
  std::string wrong_hash_of;                 // this file's listed hash is not its own
  std::atomic<int> cut_after{0};  // bytes of each body before the connection ends; 0: all
  std::atomic<int> failures{0};   // so many answers are 503
  std::atomic<bool> ranges{true};
  std::atomic<bool> redirect{false};  // files are first answered with a redirect
  std::mutex mutex;
  std::vector<std::string> log;  // "GET path range"

 private:
  void Serve() {
    while (!stop_) {
      tcp::socket socket(io_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (error || stop_) continue;
      Answer(socket);
    }
  }

  std::string Listing() const {
    if (!listing_override.empty()) return listing_override;
    Json list = Json::array({{{"type", "directory"}, {"path", "onnx"}, {"size", 0}}});
    for (const auto& [path, bytes] : files) {
      const fs::path temporary = fs::path(testing::TempDir()) / fmt::format("hash-{}", getpid());
      std::ofstream(temporary, std::ios::binary) << bytes;
      std::string hash = *Sha256OfFile(temporary);
      if (path == wrong_hash_of) hash[0] = hash[0] == '0' ? '1' : '0';
      Json entry = {{"type", "file"}, {"path", path}, {"size", bytes.size()}};
      if (path.ends_with(".safetensors") || path.ends_with(".gguf")) {
        entry["lfs"] = {{"oid", hash}, {"size", bytes.size()}};
      }
      list.push_back(entry);
    }
    return DumpJson(list);
  }

  void Answer(tcp::socket& socket) {
    boost::beast::flat_buffer buffer;
    http::request<http::empty_body> request;
    boost::system::error_code error;
    http::read(socket, buffer, request, error);
    if (error) return;
    const std::string target(request.target());
    const std::string range(request[http::field::range]);
    {
      const std::lock_guard<std::mutex> lock(mutex);
      log.push_back(target + " " + range);
    }
    http::response<http::string_body> response(http::status::ok, 11);
    response.keep_alive(false);
    const size_t slash = target.find_last_of('/');
    if (failures > 0) {
      --failures;
      response.result(http::status::service_unavailable);
    } else if (target.find("/api/models/org/name/tree/") == 0) {
      response.body() = Listing();
    } else if (redirect && target.find("/elsewhere") == std::string::npos) {
      response.result(http::status::found);
      response.set(http::field::location, "/elsewhere" + target);
    } else if (target.find("/org/name/resolve/main/") != std::string::npos &&
               files.contains(target.substr(slash + 1))) {
      response.body() = files[target.substr(slash + 1)];
      if (ranges && range.starts_with("bytes=")) {
        const size_t from = std::stoul(range.substr(6));
        response.result(http::status::partial_content);
        response.set(http::field::content_range, "bytes " + std::to_string(from) + "-" +
                                                     std::to_string(response.body().size() - 1) +
                                                     "/" + std::to_string(response.body().size()));
        response.body().erase(0, from);
      }
    } else {
      response.result(http::status::not_found);
    }
    response.prepare_payload();
    std::ostringstream text;
    text << response;
    std::string bytes = text.str();
    if (cut_after > 0 && target.find("safetensors") != std::string::npos) {
      bytes.resize(
          std::min(bytes.size(), bytes.find("\r\n\r\n") + 4 + static_cast<size_t>(cut_after)));
    }
    boost::asio::write(socket, boost::asio::buffer(bytes), error);
    socket.shutdown(tcp::socket::shutdown_both, error);
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  std::thread thread_;
  std::atomic<bool> stop_{false};
};

class DownloadTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(testing::TempDir()) /
        (std::string("pull_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    hub_.files = {{"config.json", "{}"},
                  {"tokenizer.json", "{\"a\":1}"},
                  {"model.safetensors", std::string(100000, 'w')},
                  {"pytorch_model.bin", "pickle"}};
    options_.endpoint = hub_.endpoint();
    options_.pause_s = 0.001;
  }
  void TearDown() override { fs::remove_all(folder_); }
  Result<fs::path> Pull(const std::string& name = "org/name") {
    return DownloadModel(name, folder_, options_);
  }
  std::string ErrorOf(const std::string& name = "org/name") {
    const Result<fs::path> path = Pull(name);
    EXPECT_FALSE(path.ok());
    return path.ok() ? "" : path.status().message();
  }
  Hub hub_;
  DownloadOptions options_;
  fs::path folder_;
};

TEST_F(DownloadTest, FetchesWhatAModelNeedsAndNothingElse) {
  const Result<fs::path> path = Pull();
  ASSERT_TRUE(path.ok()) << path.status().message();
  EXPECT_EQ(*path, folder_ / "name");
  EXPECT_EQ(ReadFile(*path / "model.safetensors")->size(), 100000);
  EXPECT_EQ(*ReadFile(*path / "config.json"), "{}");
  EXPECT_FALSE(fs::exists(*path / "pytorch_model.bin"));
  const size_t requests = hub_.log.size();
  ASSERT_TRUE(Pull().ok());
  EXPECT_EQ(hub_.log.size(), requests + 1);  // the listing only: all is there
}

TEST_F(DownloadTest, GoesOnWhereItWasCut) {
  hub_.cut_after = 30000;
  options_.attempts = 10;
  ASSERT_TRUE(Pull().ok());
  EXPECT_EQ(*ReadFile(folder_ / "name/model.safetensors"), std::string(100000, 'w'));
  int ranges = 0;
  for (const std::string& line : hub_.log) ranges += line.find("bytes=30000-") != std::string::npos;
  EXPECT_EQ(ranges, 1);
}

TEST_F(DownloadTest, ALaterRunGoesOnToo) {
  hub_.cut_after = 40000;
  options_.attempts = 1;
  EXPECT_FALSE(Pull().ok());
  EXPECT_FALSE(fs::exists(folder_ / "name/config.json"));  // not yet a model
  hub_.cut_after = 0;
  ASSERT_TRUE(Pull().ok());
  EXPECT_NE(hub_.log[hub_.log.size() - 3].find("bytes=40000-") + 1 +
                hub_.log[hub_.log.size() - 2].find("bytes=40000-") + 1,
            0);
  EXPECT_EQ(*ReadFile(folder_ / "name/model.safetensors"), std::string(100000, 'w'));
}

TEST_F(DownloadTest, StartsOverWithoutRanges) {
  hub_.ranges = false;
  hub_.cut_after = 40000;
  options_.attempts = 1;
  EXPECT_FALSE(Pull().ok());
  hub_.cut_after = 0;
  ASSERT_TRUE(Pull().ok());
  EXPECT_EQ(*ReadFile(folder_ / "name/model.safetensors"), std::string(100000, 'w'));
}

TEST_F(DownloadTest, AWrongHashIsThrownAway) {
  hub_.wrong_hash_of = "model.safetensors";
  EXPECT_NE(ErrorOf().find("SHA-256"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "name/model.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "name/model.safetensors.partial"));
}

TEST_F(DownloadTest, TriesAgainWhenTheServerIsBusyAndFollowsRedirects) {
  hub_.redirect = true;
  ASSERT_TRUE(Pull().ok());
  fs::remove_all(folder_);
  options_.progress = [&](const std::string&, uint64_t, uint64_t) {};
  hub_.files["model.safetensors"] = "short";
  ASSERT_TRUE(Pull().ok());
  fs::remove(folder_ / "name/model.safetensors");
  options_.cancelled = [&, first = true]() mutable {
    if (first) hub_.failures = 2;  // the listing succeeds, then two refusals
    first = false;
    return false;
  };
  const Result<fs::path> path = Pull();
  EXPECT_TRUE(path.ok() || path.status().message().find("503") != std::string::npos);
}

TEST_F(DownloadTest, RefusalsAreNamed) {
  EXPECT_NE(ErrorOf("org/other").find("no model 'org/other'"), std::string::npos);
  hub_.files.erase("model.safetensors");
  EXPECT_NE(ErrorOf().find("no .safetensors"), std::string::npos);
  EXPECT_NE(ErrorOf("org/name:x.gguf").find("x.gguf"), std::string::npos);
  for (const char* bad : {"", "name", "org/", "/name", "../name", "org/..", "org/name/more",
                          "org/na me", "org/name:../x.gguf", "org/name:x.bin", "org/.hidden"}) {
    EXPECT_NE(ErrorOf(bad).find(" not "), std::string::npos) << bad;
  }
}

TEST_F(DownloadTest, AListingCannotLeadOutOfTheFolder) {
  hub_.listing_override = R"([{"type":"file","path":"../evil.safetensors","size":4},)"
                          R"({"type":"file","path":"/etc/x.safetensors","size":4},)"
                          R"({"type":"file","path":"a/b.safetensors","size":4}])";
  EXPECT_NE(ErrorOf().find("no .safetensors"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "evil.safetensors"));
  for (const char* broken :
       {"", "{}", "[", R"([{"type":"file","path":"config.json","size":-1}])"}) {
    hub_.listing_override = broken;
    if (*broken != '\0') EXPECT_FALSE(Pull().ok()) << broken;
  }
}

TEST_F(DownloadTest, MoreBytesThanListedAreRefused) {
  hub_.listing_override = R"([{"type":"file","path":"model.safetensors","size":10}])";
  EXPECT_NE(ErrorOf().find("10 bytes"), std::string::npos);
}

TEST_F(DownloadTest, OneGgufByName) {
  hub_.files["m-q8.gguf"] = "GGUF";
  const Result<fs::path> path = Pull("org/name:m-q8.gguf");
  ASSERT_TRUE(path.ok()) << path.status().message();
  EXPECT_EQ(*ReadFile(folder_ / "m-q8.gguf"), "GGUF");
}

TEST_F(DownloadTest, Cancel) {
  options_.cancelled = [] { return true; };
  EXPECT_EQ(Pull().status().code(), StatusCode::kCancelled);
}

TEST_F(DownloadTest, NobodyListens) {
  options_.endpoint = "http://127.0.0.1:1";
  options_.attempts = 2;
  EXPECT_NE(ErrorOf().find("127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace aha
