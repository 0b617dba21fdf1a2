#include "tensor/dtype.h"

#include <array>
#include <cctype>

#include "base/check.h"

namespace aha {
namespace {

// Block sizes: ggml-common.h's block_q* structs.
constexpr std::array<DTypeInfo, kDTypeCount> kInfos = {{
    {"f32", 1, 4, false},
    {"f16", 1, 2, false},
    {"bf16", 1, 2, false},
    {"q4_0", 32, 18, true},
    {"q4_1", 32, 20, true},
    {"q5_0", 32, 22, true},
    {"q5_1", 32, 24, true},
    {"q8_0", 32, 34, true},
    {"q4_k", 256, 144, true},
    {"q5_k", 256, 176, true},
    {"q6_k", 256, 210, true},
}};

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

}  // namespace

const DTypeInfo& Info(DType dtype) { return kInfos[static_cast<size_t>(dtype)]; }

std::optional<DType> DTypeFromName(std::string_view name) {
  for (size_t i = 0; i < kInfos.size(); ++i) {
    if (EqualIgnoringCase(kInfos[i].name, name)) return static_cast<DType>(i);
  }
  return std::nullopt;
}

int64_t BytesFor(DType dtype, int64_t elements) {
  const DTypeInfo& info = Info(dtype);
  CHECK(elements % info.block_elements == 0, "elements must fill whole blocks");
  return elements / info.block_elements * info.block_bytes;
}

}  // namespace aha
