// aha serve: the web app and the APIs, on this machine.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "base/files.h"
#include "cli/command.h"
#include "cli/session.h"
#include "library/library.h"
#include "server/app_server.h"
#include "server/random_id.h"

namespace aha::cli {
namespace {

namespace fs = std::filesystem;

struct ServeFlags {
  SessionFlags session;
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string data;
  std::string runs = "runs";
  std::string recipes = "recipes";
  std::vector<std::string> keys;
  bool make_key = false;
  bool no_sandbox = false;
  bool open = false;
  std::vector<std::string> readable;
  std::vector<std::string> host_names;
  int64_t memory_mb = 0;
  double idle_minutes = 10;
};

// The key that --make-key made, or a new one; said once, kept in DATA/api_key for its owner alone.
Result<std::string> KeyIn(const fs::path& data) {
  const fs::path file = data / "api_key";
  std::error_code error;
  if (fs::exists(file, error)) {
    AHA_ASSIGN_OR_RETURN(std::string key, ReadFile(file, 4096));
    while (!key.empty() && key.back() == '\n') key.pop_back();
    return key;
  }
  fs::create_directories(data, error);
  if (error) return IoError("{}: {}", data.string(), error.message());
  fs::permissions(data, fs::perms::owner_all, error);
  const std::string key = RandomId("aha-");
  // Private from its first byte on.
  const mode_t mask = umask(077);
  const Status written = WriteFileAtomic(file, key + "\n");
  umask(mask);
  if (!written.ok()) return written;
  fmt::print(stderr, "A new key, kept in {}: {}\n", file.string(), key);
  return key;
}

Result<AppOptions> OptionsOf(const ServeFlags& flags) {
  AppOptions o;
  AHA_ASSIGN_OR_RETURN(o.models.backend, ChooseBackend());
  o.models.default_model = flags.session.model;
  o.models.runs = fs::absolute(flags.runs);
  o.models.threads = flags.session.threads > 0 ? flags.session.threads : Cores();
  o.models.numerics = flags.session.Numerics();
  o.models.cache_dtype = flags.session.CacheDtype();
  o.models.context = flags.session.context;
  o.models.cache_tokens = flags.session.cache_tokens;
  o.models.prefill_chunk = flags.session.prefill_chunk;
  o.models.prefix_cache = !flags.session.no_prefix_cache;
  o.models.memory_bytes = flags.memory_mb << 20;
  o.models.idle_seconds = flags.idle_minutes * 60;
  o.host = flags.host;
  o.port = static_cast<uint16_t>(flags.port);
  o.data = flags.data.empty() ? DataFolder() : fs::path(flags.data);
  std::error_code error;
  o.trainer = fs::read_symlink("/proc/self/exe", error);
  o.recipes = {fs::absolute(flags.recipes)};
  o.api_keys = flags.keys;
  o.host_names = flags.host_names;
  if (const char* key = std::getenv("AHA_API_KEY"); key != nullptr && *key != 0) {
    o.api_keys.emplace_back(key);
  }
  if (flags.make_key) {
    AHA_ASSIGN_OR_RETURN(o.api_keys.emplace_back(), KeyIn(o.data));
  }
  o.version = AHA_VERSION;
  o.sandbox = !flags.no_sandbox;
  for (const std::string& folder : flags.readable) o.readable.push_back(fs::absolute(folder));
  // The model's own place, whatever folder it lies in.
  if (const Result<fs::path> model = ResolveModel(flags.session.model); model.ok()) {
    o.readable.push_back(fs::absolute(*model));
  }
  return o;
}

// SIGINT and SIGTERM end the server in order; a second one at once.
class StopOnSignal {
 public:
  explicit StopOnSignal(AppServer& server) {
    sigemptyset(&signals_);
    for (const int s : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals_, s);
    thread_ = std::thread([this, &server] {
      int signal = 0;
      while (sigwait(&signals_, &signal) == 0 && signal != SIGUSR1) server.Stop();
    });
  }
  ~StopOnSignal() {
    pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }
  // Before any thread starts, so that all have them blocked.
  static void Block() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals, s);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }

 private:
  sigset_t signals_;
  std::thread thread_;
};

// Opens the page by what the desktop has for that. A process of its own from the start, before the
// server gives up connections: a browser needs them.
class BrowserOpener {
 public:
  BrowserOpener() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    const pid_t pid = fork();
    if (pid == 0) {
      // The grandchild waits for the address; nobody has to wait for it.
      if (fork() != 0) _exit(0);
      close(ends[1]);
      char address[256] = {};
      if (read(ends[0], address, sizeof address - 1) <= 0) _exit(0);
      sigset_t none;
      sigemptyset(&none);
      pthread_sigmask(SIG_SETMASK, &none, nullptr);
      execlp("xdg-open", "xdg-open", address, nullptr);
      static constexpr char kSorry[] = "aha: there is no xdg-open here to open a browser with\n";
      (void)!write(STDERR_FILENO, kSorry, sizeof kSorry - 1);
      _exit(0);
    }
    close(ends[0]);
    to_ = ends[1];
    if (pid > 0) waitpid(pid, nullptr, 0);
  }
  ~BrowserOpener() {
    if (to_ >= 0) close(to_);
  }
  void Open(const std::string& address) {
    (void)!write(to_, address.data(), address.size());
    close(std::exchange(to_, -1));
  }

 private:
  int to_ = -1;
};

Status RunServe(const ServeFlags& flags) {
  StopOnSignal::Block();
  AHA_ASSIGN_OR_RETURN(AppOptions options, OptionsOf(flags));
  std::optional<BrowserOpener> browser;
  if (flags.open) browser.emplace();
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<AppServer> server,
                       AppServer::Create(std::move(options)));
  const StopOnSignal stop(*server);
  for (const std::string& warning : server->warnings()) fmt::print(stderr, "aha: {}\n", warning);
  fmt::print("{}\n", server->address());
  std::fflush(stdout);
  if (browser) browser->Open(server->address());
  server->Run();
  return OkStatus();
}

}  // namespace

void AddServe(CLI::App& app, Command* run) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* serve = app.add_subcommand("serve", "The web app and an API, on this machine.");
  flags->session.AddTo(*serve);
  serve->add_option("--host", flags->host,
                    "address to listen on; wider than this machine needs a key");
  serve->add_option("--port", flags->port, "0: any free one")->check(CLI::Range(0, 65535));
  serve->add_option("--data", flags->data, "folder of conversations and keys");
  serve->add_option("--runs", flags->runs, "folder of training runs");
  serve->add_option("--recipes", flags->recipes, "folder of recipes that the app may start");
  serve->add_option("--api-key", flags->keys,
                    "asked of every client; may be given several times, or once as AHA_API_KEY");
  serve->add_flag("--make-key", flags->make_key, "ask for a key that is made and kept in the data");
  serve->add_option("--host-name", flags->host_names,
                    "a name that the server is reached by, besides localhost and addresses");
  serve->add_option(
      "--read", flags->readable,
      "a further folder that may be read, for recipes that name data; may be repeated");
  serve->add_flag("--open", flags->open, "open the web app in the browser");
  serve->add_flag("--no-sandbox", flags->no_sandbox,
                  "keep the right to open connections and files anywhere");
  serve->add_option("--memory", flags->memory_mb, "MB for all open models together")
      ->check(CLI::Range(int64_t{64}, int64_t{1} << 30));
  serve->add_option("--idle", flags->idle_minutes, "minutes until an unused model is closed")
      ->check(CLI::Range(0.0, 1e6));
  serve->callback([flags, run] { *run = [flags] { return RunServe(*flags); }; });
}

}  // namespace aha::cli
