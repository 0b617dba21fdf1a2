// Who may ask: looked at before any handler sees a request.
//
//   AHA_ASSIGN_OR_RETURN(Gate gate, Gate::Create({.host = "127.0.0.1", .keys = keys}));
//   if (auto refused = gate.Check(&request, match.route)) return
//   exchange->Send(refused->ToResponse());
//
// A page of another site can make a browser ask this server for things. What gives it away is the
// Host that it was reached by (DNS rebinding), its Origin, what the browser says of the site
// (Sec-Fetch-Site), and a body that is no JSON: a form cannot send JSON without asking first, and
// there is nobody here who says yes. docs/security.md has the cases.
#ifndef AHA_SERVER_GATE_H_
#define AHA_SERVER_GATE_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "server/api_error.h"
#include "server/http_types.h"
#include "server/router.h"

namespace aha {

struct GateOptions {
  std::string host = "127.0.0.1";  // the address that is listened on
  std::vector<std::string> keys;   // none: whoever reaches the address may ask
  std::vector<std::string> names;  // that the server may be reached by, besides addresses
};

class Gate {
 public:
  // Errors: an address wider than this machine without a key; a key too short to keep anybody out,
  // or with characters that no header can carry.
  static Result<Gate> Create(GateOptions options);
  Gate() = default;  // lets nobody in: it knows no Host

  // The answer to a request that may not go on, or none. `route` is where it would go, or null.
  // Sets request->owner: who asks, as the key tells ("" when none is asked for).
  std::optional<ApiError> Check(HttpRequest* request, const Router::Route* route) const;

  bool key_required() const { return !keys_.empty(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  std::optional<ApiError> CheckSite(const HttpRequest& request, const Router::Route* route) const;
  std::optional<ApiError> CheckKey(HttpRequest* request) const;
  bool KnownHost(std::string_view host) const;
  static Digest DigestOf(std::string_view key);

  std::vector<std::string> names_;
  std::vector<Digest> keys_;
  bool any_address_ = false;  // reached by other machines, by whatever address
};

// True for an address of this machine alone, "127.0.0.1" or "::1".
bool IsLoopback(const std::string& address);

}  // namespace aha

#endif  // AHA_SERVER_GATE_H_
