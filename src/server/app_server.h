// The server whole: models, APIs, gate and page behind one port.
//
//   AHA_ASSIGN_OR_RETURN(auto server, AppServer::Create(options));
//   fmt::print("{}\n", server->address());
//   server->Run();                      // until Stop
#ifndef AHA_SERVER_APP_SERVER_H_
#define AHA_SERVER_APP_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "server/http_server.h"
#include "server/model_host.h"
#include "server/router.h"

namespace aha {

struct AppOptions {
  ModelHostOptions models;
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  std::filesystem::path data;           // conversations, keys; made if it is not there
  std::vector<std::string> api_keys;    // without one, only this machine may be listened on
  std::vector<std::string> host_names;  // that the server is reached by, besides addresses
  std::string version;
  std::filesystem::path trainer;               // this binary's file; empty: no runs are started
  std::vector<std::filesystem::path> recipes;  // folders of what may be started
  double stop_grace_s = 20;
  // Give up files outside these folders and those of the options, and new connections; of the whole
  // process, for good.
  bool sandbox = false;
  std::vector<std::filesystem::path> readable;
};

class AppServer {
 public:
  // Binds the port and opens the default model. Errors name the address, folder or model.
  static Result<std::unique_ptr<AppServer>> Create(AppOptions options);
  virtual ~AppServer() = default;
  virtual void Run() = 0;
  virtual void Stop() = 0;  // from any thread; answers being made have a while to end
  virtual const std::vector<Router::Route>& routes() const = 0;
  // Sentences for the user on what the server does not hold back from; none: all is as it should
  // be.
  virtual std::vector<std::string> warnings() const = 0;
  virtual std::string address() const = 0;  // "http://127.0.0.1:8080"
};

}  // namespace aha

#endif  // AHA_SERVER_APP_SERVER_H_
