// What the server gives up before it answers anybody: files outside its folders (Landlock), and new
// connections (seccomp). What it starts afterwards, trainers and the checkers of their recipes,
// keeps both. docs/security.md says what this holds against.
//
//   const SandboxState files = RestrictFiles({.read = {"/usr"}, .write = {data}});  // before
//   threads
//   ... listen ...
//   const SandboxState calls = RestrictCalls();                                      // all threads
#ifndef AHA_SERVER_SANDBOX_H_
#define AHA_SERVER_SANDBOX_H_

#include <filesystem>
#include <string>
#include <vector>

namespace aha {

struct SandboxFolders {
  // Both with all below them; a file stands for itself. What is not there is left out.
  std::vector<std::filesystem::path> read;   // and execute
  std::vector<std::filesystem::path> write;  // and read, make, remove
};

struct SandboxState {
  bool on = false;
  std::string text;  // a sentence: what holds, or why nothing does
};

// Of this thread and those it starts: call it before there are others.
SandboxState RestrictFiles(const SandboxFolders& folders);

// Of all threads: no sockets but those that are open, none of the calls that only an attacker would
// make here (other processes' memory, mounts, kernel modules, ...). They fail with EPERM.
SandboxState RestrictCalls();

// The kernel's Landlock version, 0 where it has none.
int LandlockVersion();

}  // namespace aha

#endif  // AHA_SERVER_SANDBOX_H_
