#include "library/sha256.h"

#include <openssl/evp.h>

#include "base/files.h"

namespace aha {

void Sha256::Free::operator()(evp_md_ctx_st* c) const { EVP_MD_CTX_free(c); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
        "OpenSSL has no SHA-256");
}

void Sha256::Add(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "SHA-256");
}

std::string Sha256::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1, "SHA-256");
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Result<std::string> Sha256OfFile(const std::filesystem::path& path) {
  AHA_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  Sha256 sha;
  file.ForEachPiece([&](std::span<const std::byte> piece) {
    sha.Add({reinterpret_cast<const char*>(piece.data()), piece.size()});
  });
  return sha.Hex();
}

}  // namespace aha
