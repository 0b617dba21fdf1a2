#include "server/gate.h"

#include <sodium.h>

#include <boost/asio/ip/address.hpp>
#include <cctype>

namespace aha {
namespace {

constexpr size_t kShortestWideKey = 16;  // what other machines may try has to be hard to guess
constexpr size_t kLongestKey = 512;

std::optional<boost::asio::ip::address> AddressOf(const std::string& text) {
  boost::system::error_code error;
  auto address = boost::asio::ip::make_address(text, error);
  if (error) return std::nullopt;
  return address;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "LOCALHOST:8080" -> "localhost", "[::1]:80" -> "::1"; "" for what is no host.
std::string HostName(std::string_view header) {
  std::string_view name = header, rest;
  if (header.starts_with('[')) {
    const size_t end = header.find(']');
    if (end == std::string_view::npos) return "";
    name = header.substr(1, end - 1);
    rest = header.substr(end + 1);
    if (name.find(':') == std::string_view::npos) return "";
  } else if (const size_t colon = header.find(':'); colon != std::string_view::npos) {
    name = header.substr(0, colon);
    rest = header.substr(colon);
  }
  if (!rest.empty()) {
    if (rest.size() < 2 || rest.size() > 6 || rest[0] != ':') return "";
    if (rest.find_first_not_of("0123456789", 1) != std::string_view::npos) return "";
  }
  return Lower(name);
}

ApiError Forbidden(std::string message, std::string code) {
  return {.status = 403,
          .message = std::move(message),
          .type = "permission_error",
          .code = std::move(code)};
}

ApiError Unauthorized(std::string message) {
  return {.status = 401,
          .message = std::move(message),
          .type = "authentication_error",
          .code = "invalid_api_key"};
}

}  // namespace

bool IsLoopback(const std::string& address) {
  const auto parsed = AddressOf(address);
  return parsed && parsed->is_loopback();
}

Gate::Digest Gate::DigestOf(std::string_view key) {
  Digest digest;
  crypto_generichash(digest.data(), digest.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size(), nullptr, 0);
  return digest;
}

Result<Gate> Gate::Create(GateOptions options) {
  Gate gate;
  gate.any_address_ = !IsLoopback(options.host);
  if (gate.any_address_ && options.keys.empty()) {
    return InvalidArgument(
        "{} can be reached from other machines, so a key is needed: --make-key makes one, "
        "--api-key K takes yours",
        options.host);
  }
  if (sodium_init() < 0) return IoError("libsodium cannot be set up");
  const size_t shortest = gate.any_address_ ? kShortestWideKey : 1;
  for (const std::string& key : options.keys) {
    if (key.size() < shortest || key.size() > kLongestKey) {
      return InvalidArgument("an API key has {} characters: {} to {} are needed", key.size(),
                             shortest, kLongestKey);
    }
    for (const char c : key) {
      if (c <= ' ' || c > '~') {
        return InvalidArgument("an API key holds a space or a character that is not ASCII");
      }
    }
    gate.keys_.push_back(DigestOf(key));
  }
  gate.names_ = {"localhost"};
  for (const std::string& name : options.names) gate.names_.push_back(Lower(name));
  return gate;
}

// An address in digits cannot be rebound: only a name leads where its owner likes.
bool Gate::KnownHost(std::string_view host) const {
  const std::string name = HostName(host);
  for (const std::string& known : names_) {
    if (name == known) return true;
  }
  const auto address = AddressOf(name);
  return address && (any_address_ || address->is_loopback());
}

std::optional<ApiError> Gate::CheckSite(const HttpRequest& request,
                                        const Router::Route* route) const {
  if (request.count("host") != 1) {
    return BadField("", "a request names one Host, this one {}", request.count("host"));
  }
  const std::string_view host = request.header("host");
  if (!KnownHost(host)) {
    return Forbidden("this server is not known by the Host of the request", "host_not_allowed");
  }
  if (request.count("origin") > 0) {
    const std::string origin = Lower(request.header("origin"));
    const std::string own = Lower(host);
    if (request.count("origin") != 1 || (origin != "http://" + own && origin != "https://" + own)) {
      return Forbidden("pages of other sites may not ask this server", "origin_not_allowed");
    }
  }
  const std::string_view site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") {
    // A link from elsewhere may lead to the page.
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const bool link = reads && route != nullptr && route->open &&
                      request.header("sec-fetch-mode") == "navigate" &&
                      request.header("sec-fetch-dest") == "document";
    if (!link) {
      return Forbidden("pages of other sites may not ask this server", "origin_not_allowed");
    }
  }
  return std::nullopt;
}

std::optional<ApiError> Gate::CheckKey(HttpRequest* request) const {
  const std::string_view bearer = request->header("authorization");
  std::string_view key = request->header("x-api-key");
  if (request->count("authorization") + request->count("x-api-key") > 2 ||
      request->count("authorization") > 1 || request->count("x-api-key") > 1) {
    return Unauthorized("the key is given several times");
  }
  if (!bearer.empty()) {
    if (Lower(bearer.substr(0, 7)) != "bearer ") {
      return Unauthorized("Authorization is not of the form 'Bearer KEY'");
    }
    const std::string_view second = bearer.substr(7);
    // Clients of Anthropic's may send both.
    if (!key.empty() && key != second) return Unauthorized("two different keys are given");
    key = second;
  }
  if (key.empty()) {
    return Unauthorized("this server asks for its key: 'Authorization: Bearer KEY' or 'x-api-key'");
  }
  // Digests of equal length, all of them compared, whichever fits: time tells nothing.
  const Digest digest = DigestOf(key);
  bool known = false;
  for (const Digest& one : keys_) {
    known |= sodium_memcmp(digest.data(), one.data(), digest.size()) == 0;
  }
  if (!known) return Unauthorized("the key is not this server's");
  constexpr size_t kOwnerBytes = 12;
  std::array<char, kOwnerBytes * 2 + 1> hex;
  sodium_bin2hex(hex.data(), hex.size(), digest.data(), kOwnerBytes);
  request->owner = hex.data();
  return std::nullopt;
}

std::optional<ApiError> Gate::Check(HttpRequest* request, const Router::Route* route) const {
  if (auto error = CheckSite(*request, route)) return error;
  const bool open = route != nullptr && route->open;
  if (!open && key_required()) {
    if (auto error = CheckKey(request)) return error;
  }
  if (!request->body.empty()) {
    const std::string type = Lower(request->header("content-type"));
    const std::string media = type.substr(0, type.find_first_of("; \t"));
    if (media != "application/json" || request->count("content-type") != 1) {
      return ApiError{.status = 415,
                      .message = "a body must be JSON and say so: Content-Type: application/json",
                      .code = "unsupported_media_type"};
    }
    if (!request->header("content-encoding").empty() &&
        request->header("content-encoding") != "identity") {
      return ApiError{.status = 415,
                      .message = "a body must not be compressed",
                      .code = "unsupported_media_type"};
    }
  }
  return std::nullopt;
}

}  // namespace aha
