// aha doctor: what the servers of this user can reach, who can reach them, and what is wrong.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/session.h"
#include "library/http_get.h"
#include "library/library.h"
#include "server/sandbox.h"

namespace aha::cli {
namespace {

namespace fs = std::filesystem;

enum class Mark { kOk, kNote, kWrong };

struct Finding {
  Mark mark;
  std::string about, text;
};

class Report {
 public:
  void Add(Mark mark, std::string about, std::string text) {
    findings_.push_back({mark, std::move(about), std::move(text)});
  }
  bool wrong() const {
    return std::ranges::any_of(findings_, [](const Finding& f) { return f.mark == Mark::kWrong; });
  }
  static const char* Name(Mark mark) {
    return mark == Mark::kOk ? "ok" : mark == Mark::kNote ? "note" : "wrong";
  }
  void Print(bool json) const {
    if (!json) {
      for (const Finding& f : findings_) {
        fmt::print("{:<6} {}: {}\n", Name(f.mark), f.about, f.text);
      }
      return;
    }
    Json list = Json::array();
    for (const Finding& f : findings_) {
      list.push_back({{"mark", Name(f.mark)}, {"about", f.about}, {"text", f.text}});
    }
    fmt::print("{}\n", DumpJson({{"findings", std::move(list)}, {"wrong", wrong()}}));
  }

 private:
  std::vector<Finding> findings_;
};

// --- /proc ---

std::string Slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The value of "Name:\t1" in a file of such lines.
std::string FieldOf(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const size_t at = line.find_first_not_of(" \t:", name.size());
    return at == std::string::npos ? "" : line.substr(at);
  }
  return "";
}

std::vector<std::string> ArgumentsOf(const fs::path& process) {
  std::vector<std::string> words;
  std::istringstream in(Slurp(process / "cmdline"));
  for (std::string word; std::getline(in, word, '\0');) words.push_back(word);
  return words;
}

struct SocketLine {
  std::string address;  // "127.0.0.1", "::1", "0.0.0.0"
  int port = 0;
  std::string remote;
  bool listens = false;
  std::string inode;
};

// "0100007F" -> "127.0.0.1"; 32 digits -> an IPv6 address, in its groups.
std::string AddressText(const std::string& hex) {
  const auto byte = [&](size_t i) { return std::stoi(hex.substr(i * 2, 2), nullptr, 16); };
  if (hex.size() == 8) return fmt::format("{}.{}.{}.{}", byte(3), byte(2), byte(1), byte(0));
  std::string digits;  // network order: each word of four bytes was written backwards
  for (size_t word = 0; word + 8 <= hex.size(); word += 8) {
    for (size_t i = 4; i-- > 0;) digits += hex.substr(word + i * 2, 2);
  }
  if (digits == std::string(32, '0')) return "::";
  if (digits == std::string(31, '0') + "1") return "::1";
  std::string out;
  for (size_t i = 0; i < digits.size(); i += 4) out += (i > 0 ? ":" : "") + digits.substr(i, 4);
  return out;
}

bool OfThisMachine(const std::string& address) {
  return address.starts_with("127.") || address == "::1" ||
         address.starts_with("0000:0000:0000:0000:0000:FFFF:7F");
}

std::vector<SocketLine> Sockets() {
  std::vector<SocketLine> out;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string slot, local, remote, state, skip;
      SocketLine s;
      words >> slot >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skip;
      words >> s.inode;
      const size_t colon = local.find(':');
      if (colon == std::string::npos) continue;
      s.address = AddressText(local.substr(0, colon));
      s.port = std::stoi(local.substr(colon + 1), nullptr, 16);
      s.remote = AddressText(remote.substr(0, remote.find(':')));
      s.listens = state == "0A";
      out.push_back(s);
    }
  }
  return out;
}

std::set<std::string> SocketsOf(const fs::path& process) {
  std::set<std::string> inodes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(process / "fd", error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
  }
  return inodes;
}

// --- what is looked at ---

// A server that needs no key answers this without one.
bool AnswersWithoutKey(const std::string& address, int port) {
  const bool six = address.find(':') != std::string::npos;
  const std::string host = address == "0.0.0.0" ? "127.0.0.1"
                           : address == "::"    ? "[::1]"
                           : six                ? "[" + address + "]"
                                                : address;
  return GetText({.url = fmt::format("http://{}:{}/v1/models", host, port),
                  .token = {},
                  .on_bytes = {}},
                 1 << 20)
      .ok();
}

void LookAtServer(const fs::path& process, const std::vector<SocketLine>& sockets, Report* report) {
  const std::string about = "server " + process.filename().string();
  const std::set<std::string> own = SocketsOf(process);
  for (const SocketLine& s : sockets) {
    if (!own.contains(s.inode)) continue;
    if (!s.listens) {
      const bool local = OfThisMachine(s.remote);
      report->Add(
          local ? Mark::kOk : Mark::kNote, about,
          fmt::format("has a connection with {}", local ? std::string("this machine") : s.remote));
      continue;
    }
    const bool local = OfThisMachine(s.address), open = AnswersWithoutKey(s.address, s.port);
    report->Add(local  ? Mark::kOk
                : open ? Mark::kWrong
                       : Mark::kNote,
                about,
                fmt::format("listens on {} port {}: {} can reach it; {}", s.address, s.port,
                            local ? "this machine alone" : "other machines",
                            open ? "it asks for no key" : "it asks for a key"));
  }
  const std::string status = Slurp(process / "status");
  const bool calls = FieldOf(status, "Seccomp") == "2";
  report->Add(calls ? Mark::kOk : Mark::kNote, about,
              calls
                  ? "has given up new connections (seccomp)"
                  : "can open connections: it runs with --no-sandbox, or the kernel lacks seccomp");
  const bool privileges = FieldOf(status, "NoNewPrivs") == "1";
  report->Add(privileges ? Mark::kOk : Mark::kNote, about,
              privileges ? "can gain no rights by what it starts"
                         : "could gain rights by programs that it starts");
  const std::string core = FieldOf(Slurp(process / "limits"), "Max core file size");
  if (!core.starts_with("0")) {
    report->Add(Mark::kNote, about,
                "would write a core with its memory, chats in it, if it crashed (ulimit -c 0)");
  }
}

void LookAtServers(Report* report) {
  const std::vector<SocketLine> sockets = Sockets();
  int found = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    struct stat info {};
    if (stat(entry.path().c_str(), &info) != 0 || info.st_uid != getuid()) continue;
    const std::vector<std::string> words = ArgumentsOf(entry.path());
    if (words.size() < 2 || fs::path(words[0]).filename() != "aha" || words[1] != "serve") continue;
    ++found;
    LookAtServer(entry.path(), sockets, report);
  }
  if (found == 0) report->Add(Mark::kOk, "servers", "none of yours runs now");
}

std::string Rights(mode_t mode) { return fmt::format("{:03o}", mode & 0777); }

// Chats and keys are their owner's alone.
void LookAtData(const fs::path& data, Report* report) {
  const std::string about = "data " + data.string();
  struct stat info {};
  if (stat(data.c_str(), &info) != 0) {
    return report->Add(Mark::kOk, about, "is not there yet");
  }
  if (info.st_uid != getuid()) {
    report->Add(Mark::kWrong, about, fmt::format("belongs to another user ({})", info.st_uid));
  }
  bool private_all = true;
  const auto look = [&](const fs::path& path) {
    struct stat one {};
    if (lstat(path.c_str(), &one) != 0 || S_ISLNK(one.st_mode) || (one.st_mode & 077) == 0) return;
    private_all = false;
    report->Add(Mark::kWrong, path.string(),
                fmt::format("others have rights to it ({}): chmod go= '{}'", Rights(one.st_mode),
                            path.string()));
  };
  std::error_code error;
  for (const char* inside : {"conversations", "api_key"}) {
    const fs::path path = data / inside;
    if (!fs::exists(path, error)) continue;
    look(path);
    if (!fs::is_directory(path, error)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(path, error)) look(entry.path());
  }
  if (private_all) report->Add(Mark::kOk, about, "chats and keys are yours alone to read");
}

void LookAtModels(Report* report) {
  for (const fs::path& folder : {ModelsFolder(), ShippedModelsFolder()}) {
    struct stat info {};
    if (folder.empty() || stat(folder.c_str(), &info) != 0) continue;
    const bool open = (info.st_mode & 002) != 0;
    report->Add(open ? Mark::kWrong : Mark::kOk, "models " + folder.string(),
                open ? fmt::format("anybody may put models there ({})", Rights(info.st_mode))
                     : "only their owner changes them");
  }
}

void LookAtMachine(Report* report) {
  const int landlock = LandlockVersion();
  report->Add(landlock > 0 ? Mark::kOk : Mark::kNote, "kernel",
              landlock > 0 ? fmt::format("can keep a server to its folders (Landlock {})", landlock)
                           : "cannot keep a server to its folders: it has no Landlock");
  if (getuid() == 0) {
    report->Add(Mark::kNote, "you",
                "are root: a server needs no rights of root; start it as a user");
  }
  std::istringstream swaps(Slurp("/proc/swaps"));
  std::string line;
  std::getline(swaps, line);
  while (std::getline(swaps, line)) {
    const std::string device = line.substr(0, line.find_first_of(" \t"));
    if (device.find("zram") != std::string::npos || device.find("dm-") != std::string::npos)
      continue;
    report->Add(Mark::kNote, "swap " + device, "may keep parts of chats, if it is not encrypted");
  }
}

struct DoctorFlags {
  std::string data;
  bool json = false;
};

Status RunDoctor(const DoctorFlags& flags) {
  Report report;
  LookAtServers(&report);
  LookAtData(flags.data.empty() ? DataFolder() : fs::path(flags.data), &report);
  LookAtModels(&report);
  LookAtMachine(&report);
  report.Print(flags.json);
  if (report.wrong()) return InvalidArgument("something is wrong: see above");
  return OkStatus();
}

}  // namespace

void AddDoctor(CLI::App& app, Command* run) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* doctor = app.add_subcommand(
      "doctor", "What servers of yours can reach, who can reach them, and what is wrong.");
  doctor->add_option("--data", flags->data, "folder of conversations and keys");
  doctor->add_flag("--json", flags->json, "the findings as JSON");
  doctor->callback([flags, run] { *run = [flags] { return RunDoctor(*flags); }; });
}

}  // namespace aha::cli
