#include "server/app_server.h"

#include <atomic>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "kernels/machine_limits.h"
#include "library/library.h"
#include "server/anthropic_messages.h"
#include "server/anthropic_sink.h"
#include "server/api_context.h"
#include "server/app_routes.h"
#include "server/conversation_api.h"
#include "server/conversation_store.h"
#include "server/gate.h"
#include "server/models_api.h"
#include "server/openai_chat.h"
#include "server/openai_completions.h"
#include "server/openai_responses.h"
#include "server/runs_routes.h"
#include "server/sandbox.h"
#include "server/turn_routes.h"
#include "server/ui_routes.h"

namespace aha {
namespace {

// Of every answer: nothing is loaded from elsewhere, framed, sniffed or told to other sites.
const std::vector<std::pair<std::string, std::string>>& CommonHeaders() {
  static const std::vector<std::pair<std::string, std::string>> headers = {
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"X-Frame-Options", "DENY"},
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
       "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
       "frame-ancestors 'none'"}};
  return headers;
}

// The system's own, which programs are run from and machines described by, and what was asked for.
SandboxFolders FoldersOf(const AppOptions& options) {
  SandboxFolders f;
  f.read = {"/usr",
            "/lib",
            "/lib64",
            "/bin",
            "/etc",
            "/proc",
            "/sys",
            "/opt",
            "/dev/urandom",
            ModelsFolder(),
            ShippedModelsFolder()};
  // Its folder: a program that was built anew is another file.
  if (!options.trainer.empty()) f.read.push_back(options.trainer.parent_path());
  f.read.insert(f.read.end(), options.recipes.begin(), options.recipes.end());
  f.read.insert(f.read.end(), options.readable.begin(), options.readable.end());
  f.write = {options.data, options.models.runs, "/dev/null"};
  return f;
}

class Server : public AppServer {
 public:
  Server(AppOptions options, const SandboxState& files)
      : files_(files), options_(std::move(options)), cards_(options_.models.runs), workers_(2) {}
  ~Server() override { workers_.join(); }

  Status Open() {
    AHA_ASSIGN_OR_RETURN(
        http_, HttpServer::Listen(
                   {.host = options_.host, .port = options_.port, .headers = CommonHeaders()},
                   [this](HttpRequest request, std::shared_ptr<Exchange> exchange) {
                     Handle(std::move(request), std::move(exchange));
                   }));
    AHA_ASSIGN_OR_RETURN(gate_, Gate::Create({.host = http_->host(),
                                              .keys = options_.api_keys,
                                              .names = options_.host_names}));
    if (!IsLoopback(http_->host())) {
      warnings_.push_back(fmt::format(
          "other machines can reach this server at {}; what they say and hear is not encrypted on "
          "the way: use it in a network you trust, or behind TLS or ssh -L",
          http_->host()));
    }
    const auto post = [this](std::function<void()> work) { http_->Post(std::move(work)); };
    host_ = std::make_unique<ModelHost>(options_.models, post);
    context_.host = host_.get();
    context_.post = post;
    context_.prepare = [this](std::function<void()> work) {
      boost::asio::post(workers_, std::move(work));
    };
    context_.after = [this](double seconds, std::function<void()> work) {
      http_->After(seconds, std::move(work));
    };
    context_.stopping = [this] { return stopping_.load(); };
    context_.version = options_.version;
    const Result<std::shared_ptr<ServedModel>> model = host_->Acquire("");
    if (!model.ok()) return model.status();
    AddUiRoutes(router_);
    AddModelsApi(router_, context_);
    AddOpenAiChat(router_, context_);
    AddOpenAiCompletions(router_, context_);
    AddOpenAiResponses(router_, context_, responses_);
    AddAnthropicMessages(router_, context_);
    runs_ = std::make_unique<RunsApi>(RunsApiOptions{
        .runs = options_.models.runs, .recipes = options_.recipes, .program = options_.trainer});
    AddRunsRoutes(router_, context_, *runs_);
    AHA_ASSIGN_OR_RETURN(store_, ConversationStore::Open(options_.data / "conversations"));
    context_.store = store_.get();
    if (!store_->notice().empty()) warnings_.push_back(store_->notice());
    AddConversationRoutes(router_, context_, *store_);
    turns_.AddRoutes(router_);
    MakeFacts();
    AddAppRoutes(router_, context_, cards_, facts_);
    GiveUp();
    return OkStatus();
  }

  void Run() override {
    http_->Run();
    host_ = nullptr;  // the last events go to nobody
    workers_.join();
    runs_ = nullptr;  // runs in the making write a checkpoint and end
  }
  void Stop() override {
    stopping_ = true;
    // Turns first: what they have is kept before the loop ends.
    http_->Post([this] { turns_.StopAll([this] { http_->Stop(options_.stop_grace_s); }); });
  }
  const std::vector<Router::Route>& routes() const override { return router_.routes(); }
  std::vector<std::string> warnings() const override { return warnings_; }
  std::string address() const override {
    const std::string host = http_->host();
    return fmt::format("http://{}:{}",
                       host.find(':') != std::string::npos ? "[" + host + "]" : host,
                       http_->port());
  }

 private:
  void MakeFacts() {
    facts_.key_required = gate_.key_required();
    facts_.cores = options_.models.threads;
    facts_.code_path = options_.models.backend->description();
    facts_.can_train = !options_.trainer.empty();
    ThreadPool pool(options_.models.threads);
    facts_.read_bytes_per_s =
        kernels::MeasureMachineLimits(pool, *options_.models.backend, 0.2).read_bytes_per_s;
  }

  // All is open that will be needed: from here on there is less that can be done.
  void GiveUp() {
    if (!options_.sandbox) return;
    const SandboxState calls = RestrictCalls();
    facts_.sandbox = {{"network", calls.text}, {"files", files_.text}};
    if (!calls.on) warnings_.push_back("connections of this server are " + calls.text);
    if (!files_.on) warnings_.push_back("files of this server are " + files_.text);
  }

  void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) {
    Router::Match match = router_.Find(request.method, request.path);
    const auto refuse = [&](const ApiError& error) {
      exchange->Send(IsAnthropicPath(request.path) ? AnthropicError(error, request.id)
                                                   : error.ToResponse());
    };
    if (auto refused = gate_.Check(&request, match.route)) return refuse(*refused);
    if (match.route == nullptr) {
      ApiError error = NotFoundError(fmt::format("there is no {} {}", request.method, request.path),
                                     "not_found");
      if (match.path_known) error.status = 405;
      return refuse(error);
    }
    match.route->handler(request, std::move(match.parts), std::move(exchange));
  }

  SandboxState files_;
  std::vector<std::string> warnings_;
  AppOptions options_;
  Gate gate_;
  ApiContext context_;
  Router router_;
  Turns turns_{context_};
  ResponseStore responses_;
  ModelCards cards_;
  AppFacts facts_;
  std::unique_ptr<ConversationStore> store_;
  std::unique_ptr<HttpServer> http_;
  boost::asio::thread_pool workers_;
  std::unique_ptr<ModelHost> host_;
  std::unique_ptr<RunsApi> runs_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace

Result<std::unique_ptr<AppServer>> AppServer::Create(AppOptions options) {
  SandboxState files;
  if (options.sandbox) {
    // Only what is there can be named to the kernel.
    std::error_code error;
    std::filesystem::create_directories(options.data, error);
    if (error) return IoError("{}: {}", options.data.string(), error.message());
    // Where no runs can be made the server still serves.
    std::filesystem::create_directories(options.models.runs, error);
    files = RestrictFiles(FoldersOf(options));
  }
  auto server = std::make_unique<Server>(std::move(options), files);
  AHA_RETURN_IF_ERROR(server->Open());
  return std::unique_ptr<AppServer>(std::move(server));
}

}  // namespace aha
