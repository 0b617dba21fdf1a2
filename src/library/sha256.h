// SHA-256, in lower-case hex.
#ifndef AHA_LIBRARY_SHA256_H_
#define AHA_LIBRARY_SHA256_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

struct evp_md_ctx_st;

namespace aha {

class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  std::string Hex();  // ends it

 private:
  struct Free {
    void operator()(evp_md_ctx_st* c) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Result<std::string> Sha256OfFile(const std::filesystem::path& path);

}  // namespace aha

#endif  // AHA_LIBRARY_SHA256_H_
