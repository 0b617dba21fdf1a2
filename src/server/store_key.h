// The key that a store's contents are encrypted with, and its wrapping under a passphrase.
//
//   AHA_ASSIGN_OR_RETURN(StoreKey key, StoreKey::Random());
//   const std::string box = key.Encrypt("a chat", "conversation.title/c1");
//   AHA_ASSIGN_OR_RETURN(const std::string text, key.Decrypt(box, "conversation.title/c1"));
//   AHA_ASSIGN_OR_RETURN(WrappedKey wrapped, key.Wrap("a passphrase", {}));   // to be stored
//   Result<StoreKey> again = StoreKey::Unwrap(wrapped, "a passphrase");
//
// The key is random; the passphrase only wraps it, so that it can be changed without touching the
// contents. All of it is libsodium's: Argon2id from passphrase to wrapping key, and
// XChaCha20-Poly1305 with a random 192-bit nonce for each value. Keys live in guarded memory that
// is locked where the system lets us, kept out of core dumps, and wiped when it goes.
#ifndef AHA_SERVER_STORE_KEY_H_
#define AHA_SERVER_STORE_KEY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace aha {

// What one guess at a passphrase costs. The default is libsodium's "moderate": 256 MiB and about a
// second of one core.
struct PassphraseCost {
  uint64_t passes = 3;
  uint64_t memory_bytes = uint64_t{256} << 20;
};

// What is stored of a key; worthless without the passphrase.
struct WrappedKey {
  std::string salt;
  std::string box;
  PassphraseCost cost;
};

class StoreKey {
 public:
  static Result<StoreKey> Random();
  // Errors: InvalidArgument when the passphrase is wrong (or `wrapped` was tampered with);
  // ResourceExhausted when there is no memory for the cost.
  static Result<StoreKey> Unwrap(const WrappedKey& wrapped, std::string_view passphrase);
  Result<WrappedKey> Wrap(std::string_view passphrase, PassphraseCost cost) const;

  // `place` says where the value stands; it is authenticated, not stored, so that a value moved to
  // another place does not open.
  std::string Encrypt(std::string_view plain, std::string_view place) const;
  // InvalidArgument: the box was not made by this key for this place, or was changed.
  Result<std::string> Decrypt(std::string_view box, std::string_view place) const;

 private:
  struct Wipe {
    void operator()(unsigned char* key) const;
  };
  using Secret = std::unique_ptr<unsigned char, Wipe>;
  explicit StoreKey(Secret key) : key_(std::move(key)) {}
  static Result<Secret> NewSecret();
  static Result<Secret> FromPassphrase(std::string_view passphrase, const std::string& salt,
                                       PassphraseCost cost);

  Secret key_;
};

// Overwrites a passphrase that is no longer needed.
void WipeText(std::string* text);

}  // namespace aha

#endif  // AHA_SERVER_STORE_KEY_H_
