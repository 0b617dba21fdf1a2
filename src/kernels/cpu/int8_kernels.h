// Quantised weights times quantised activations, as integers (docs/numerics.md). One table for each
// instruction set; the code is int8_kernels-inl.h, compiled once for AVX2 and once for AVX-512
// VNNI; with AMX many tokens meet tiles, int8_amx.cc.
//
// Weights are taken in groups of `group_rows` rows, one row a lane. A block of 32 values of a group
// becomes eight registers, each with four codes of every row, which is what the dot-product
// instructions eat; the activations are broadcast, four codes at a time. Many tokens meet a panel:
// one or two groups, unpacked once, which share each broadcast.
#ifndef AHA_KERNELS_CPU_INT8_KERNELS_H_
#define AHA_KERNELS_CPU_INT8_KERNELS_H_

#include <cstdint>

#include <hwy/base.h>

#include "tensor/view.h"

// Inlined, so that sums, codes and accumulators stay in registers. Not with sanitizers, whose
// checks of so much code in one place take the compiler many minutes.
#if HWY_IS_ASAN || HWY_IS_TSAN
#define AHA_INT8_INLINE inline
#else
#define AHA_INT8_INLINE HWY_INLINE
#endif

namespace aha::kernels::cpu {

constexpr int kTileTokens = 8;  // most tokens of a tile that meets stored blocks, not interleaved

// Quantised activations of a few tokens: W is their padded number.
struct ActivationTile {
  int width = 0;                 // W: 1, 2, 4, or the most that a tile may have
  int tokens = 0;                // used
  int64_t blocks = 0;            // of 32 values
  int8_t* q = nullptr;           // [blocks][W][32], or interleaved: [blocks][8][W][4]
  float* scale = nullptr;        // [blocks][W]
  float* scaled_sum = nullptr;   // [blocks][W] scale * sum of q: what a minimum is multiplied by
  int32_t* minus_sum = nullptr;  // [blocks][2][W] minus the sums of q's two halves
};

// Rows of one weight matrix that share the lanes of a register.
struct RowGroup {
  const std::byte* base = nullptr;
  const int32_t* offset =
      nullptr;  // [group_rows] bytes of each row from base; spare lanes repeat a row
  DType dtype = DType::kQ8_0;
  int64_t row_bytes = 0;
  int64_t blocks = 0;  // of 32 values in a row
};

struct OutputTile {
  float* y = nullptr;  // [tokens, rows] at y[t * stride + r]
  int64_t stride = 0;
  int rows = 0;                 // <= group_rows; of a panel, <= panel_rows
  const float* bias = nullptr;  // [rows] or null
};

// Memory that is read next: asked for in step with the blocks that are multiplied.
struct NextBytes {
  const std::byte* begin = nullptr;
  int64_t each = 0;  // bytes a block; 0: nothing
};

struct Int8Kernels {
  const char* name;  // "avx2", "vnni", "amx"
  int group_rows;
  int stored_tokens;                    // most tokens that meet stored blocks: more meet panels
  int panel_rows;                       // a multiple of group_rows
  int panel_tokens;                     // most tokens of a tile that meets a panel
  int64_t interleaved_from;             // of so many tokens q is interleaved, W always the most
  int64_t (*panel_block_bytes)(DType);  // one block of panel_rows, unpacked
  // Straight from the stored blocks: for few tokens.
  void (*dot_stored)(const RowGroup&, const ActivationTile&, const OutputTile&);
  // Unpacked once, for many: panel [blocks][panel_block_bytes], of panel_rows offsets.
  void (*unpack)(const RowGroup&, std::byte* panel);
  void (*dot_panel)(DType, const std::byte* panel, const ActivationTile&, const OutputTile&,
                    const NextBytes&);
  double (*exercise)(int64_t rounds);                  // Backend::Run's kInt8Dot
  double (*exercise_tiles)(int64_t rounds) = nullptr;  // and kInt8Tile, where there are tiles
};

const Int8Kernels& Avx2Int8Kernels();
// Null where the CPU lacks AVX-512 VNNI.
const Int8Kernels* VnniInt8Kernels();
// Null where the CPU lacks AMX for bytes, or AVX-512 VNNI, or the system does not let us use it.
// Asks the system for it, so call it before threads start.
const Int8Kernels* AmxInt8Kernels();

}  // namespace aha::kernels::cpu

#endif  // AHA_KERNELS_CPU_INT8_KERNELS_H_
