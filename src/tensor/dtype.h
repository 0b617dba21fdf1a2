// Element types of stored tensors. Quantised types come in blocks: `block_elements` values share
// `block_bytes` bytes (their layouts are ggml's). Layout only, no arithmetic.
#ifndef AHA_TENSOR_DTYPE_H_
#define AHA_TENSOR_DTYPE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace aha {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};
inline constexpr int kDTypeCount = 11;

struct DTypeInfo {
  std::string_view name;  // "f32", "bf16", "q4_k", ...
  int block_elements;     // 1 for the float types
  int block_bytes;
  bool quantized;
};

const DTypeInfo& Info(DType dtype);

// By name, any case ("F32", "q4_K"); nullopt for a name that is not in the list.
std::optional<DType> DTypeFromName(std::string_view name);

// Bytes of `elements` consecutive values, which must fill whole blocks.
int64_t BytesFor(DType dtype, int64_t elements);

}  // namespace aha

#endif  // AHA_TENSOR_DTYPE_H_
