#include "server/store_key.h"

#include <sodium.h>

#include <utility>

#include "base/check.h"

namespace aha {
namespace {

constexpr size_t kKeyBytes = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::string_view kKeyPlace = "aha store key";
// A stored cost beyond these is a file that would have us spend hours or all memory.
constexpr uint64_t kMostPasses = 64;
constexpr uint64_t kMostMemory = uint64_t{4} << 30;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Box(const unsigned char* key, std::string_view plain, std::string_view place) {
  std::string box(kNonceBytes + plain.size() + kTagBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(box.data());
  randombytes_buf(out, kNonceBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out + kNonceBytes, nullptr, Bytes(plain), plain.size(),
                                             Bytes(place), place.size(), nullptr, out, key);
  return box;
}

// False when it does not open. `out` has box.size() - kNonceBytes - kTagBytes bytes.
bool Unbox(const unsigned char* key, std::string_view box, std::string_view place,
           unsigned char* out) {
  const unsigned char* in = Bytes(box);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(out, nullptr, nullptr, in + kNonceBytes,
                                                    box.size() - kNonceBytes, Bytes(place),
                                                    place.size(), in, key) == 0;
}

}  // namespace

void StoreKey::Wipe::operator()(unsigned char* key) const { sodium_free(key); }

// sodium_free wipes; sodium_malloc asks for locked memory and does without where it is refused.
Result<StoreKey::Secret> StoreKey::NewSecret() {
  if (sodium_init() < 0) return IoError("libsodium has no source of random numbers");
  Secret secret(static_cast<unsigned char*>(sodium_malloc(kKeyBytes)));
  if (secret == nullptr) return ResourceExhausted("there is no memory for a key");
  return secret;
}

Result<StoreKey> StoreKey::Random() {
  AHA_ASSIGN_OR_RETURN(Secret key, NewSecret());
  randombytes_buf(key.get(), kKeyBytes);
  return StoreKey(std::move(key));
}

Result<StoreKey::Secret> StoreKey::FromPassphrase(std::string_view passphrase,
                                                  const std::string& salt, PassphraseCost cost) {
  if (salt.size() != crypto_pwhash_SALTBYTES || cost.passes < crypto_pwhash_OPSLIMIT_MIN ||
      cost.passes > kMostPasses || cost.memory_bytes < crypto_pwhash_MEMLIMIT_MIN ||
      cost.memory_bytes > kMostMemory) {
    return IoError(
        "the store's key has a salt of {} bytes, {} passes and {} bytes of memory: not what this "
        "program writes",
        salt.size(), cost.passes, cost.memory_bytes);
  }
  AHA_ASSIGN_OR_RETURN(Secret key, NewSecret());
  if (crypto_pwhash(key.get(), kKeyBytes, passphrase.data(), passphrase.size(), Bytes(salt),
                    cost.passes, cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return ResourceExhausted("there are no {} MiB of memory to check the passphrase with",
                             cost.memory_bytes >> 20);
  }
  return key;
}

Result<WrappedKey> StoreKey::Wrap(std::string_view passphrase, PassphraseCost cost) const {
  WrappedKey wrapped{.salt = std::string(crypto_pwhash_SALTBYTES, '\0'), .box = {}, .cost = cost};
  randombytes_buf(wrapped.salt.data(), wrapped.salt.size());
  AHA_ASSIGN_OR_RETURN(const Secret wrapping, FromPassphrase(passphrase, wrapped.salt, cost));
  const std::string_view key(reinterpret_cast<const char*>(key_.get()), kKeyBytes);
  wrapped.box = Box(wrapping.get(), key, kKeyPlace);
  return wrapped;
}

Result<StoreKey> StoreKey::Unwrap(const WrappedKey& wrapped, std::string_view passphrase) {
  if (wrapped.box.size() != kNonceBytes + kKeyBytes + kTagBytes) {
    return IoError("the store's wrapped key has {} bytes instead of {}", wrapped.box.size(),
                   kNonceBytes + kKeyBytes + kTagBytes);
  }
  AHA_ASSIGN_OR_RETURN(const Secret wrapping,
                       FromPassphrase(passphrase, wrapped.salt, wrapped.cost));
  AHA_ASSIGN_OR_RETURN(Secret key, NewSecret());
  if (!Unbox(wrapping.get(), wrapped.box, kKeyPlace, key.get())) {
    return InvalidArgument("the passphrase is wrong");
  }
  return StoreKey(std::move(key));
}

std::string StoreKey::Encrypt(std::string_view plain, std::string_view place) const {
  return Box(key_.get(), plain, place);
}

Result<std::string> StoreKey::Decrypt(std::string_view box, std::string_view place) const {
  if (box.size() < kNonceBytes + kTagBytes) {
    return InvalidArgument("an encrypted value has only {} bytes", box.size());
  }
  std::string plain(box.size() - kNonceBytes - kTagBytes, '\0');
  if (!Unbox(key_.get(), box, place, reinterpret_cast<unsigned char*>(plain.data()))) {
    return InvalidArgument("an encrypted value does not open: the file was changed");
  }
  return plain;
}

void WipeText(std::string* text) {
  sodium_memzero(text->data(), text->size());
  text->clear();
}

}  // namespace aha
