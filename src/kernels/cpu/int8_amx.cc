// More than eight tokens by AMX (docs/adr/0010-amx-tiles.md): a tile of 16 rows of weights, 32
// codes each, times one of 16 tokens gives all 256 integer sums of a block at once. Scaling them is
// left to the vector units and takes as long. Fewer tokens are int8_vnni.cc's. The sums are exact
// and scaled in the same order, so the bits are the same.
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include <hwy/base.h>

#include "kernels/cpu/int8_kernels.h"

HWY_PUSH_ATTRIBUTES("amx-tile,amx-int8,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
namespace aha::kernels::cpu {
namespace {

// In this order: the second is written in terms of the first.
#include "kernels/cpu/int8_avx512-inl.h"

#include "kernels/cpu/int8_kernels-inl.h"

constexpr int kRows = 16, kTokens = 16;
constexpr int kCodeBytes = 32 * kRows;
constexpr int64_t kQuantBytes = 32 * kTokens;  // of a block of a token tile
// Vector units and tile units slow each other down (512-bit multiply-adds have one port while a
// tile instruction is in flight), so they take turns: so many sums, a few that leave the first
// cache to what is multiplied, and then their scales.
constexpr int kTurnSums = 10;

using Sums = int32_t[kRows][kTokens];

// Tiles 0 and 5: sums. 1: codes, [16 rows][32]. 2: activations, [8][16 tokens][4]. 3 and 4: the two
// of half a block. 6 and 7: whole tiles, to be exercised. A tile that is loaded anew does not wait
// for its old use: the CPU renames them.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 32, 64, 16, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 8, 16, 4, 16, 16, 16};
};

// A thread's tiles stay as they are once it has them: configuring takes as long as several blocks.
void ConfigureTiles() {
  static constexpr TileConfig kConfig;
  static thread_local bool configured = false;
  if (configured) return;
  _tile_loadconfig(&kConfig);
  configured = true;
}

// Row p of a tile of codes is this row of the group, so that codes are stored as they are loaded.
constexpr int RowOf(int p) { return p % 4 * 4 + p / 4; }

// One unpacked block: signed codes [16][32], then for each row ws; wm, or two integer scales as
// floats.
template <typename F_>
struct TilePanel {
  static constexpr int64_t kFactors = F_::kMinimum ? 2 : F_::kHalves ? 3 : 1;
  static constexpr int64_t kBlock = kCodeBytes + kFactors * kRegister;
  static constexpr int64_t kParts = F_::kHalves ? 2 : 1;  // sums
  // Blocks of a turn, at most: whole storage blocks.
  static constexpr int64_t kTurn =
      std::max<int64_t>(F_::kBlocks, kTurnSums / kParts / F_::kBlocks * F_::kBlocks);
};

// Codes less what they are too large by.
template <typename F_>
V SignedCodes(V codes) {
  if constexpr (F_::kOffsetShift == 7) return Isa::StoreSigned(codes);
  if constexpr (F_::kOffsetShift < 0) return codes;
  return _mm512_sub_epi8(codes, Isa::Set8(1 << F_::kOffsetShift));
}

// Storage block `s` of every row to kBlocks blocks of a panel.
template <typename F_>
AHA_INT8_INLINE void UnpackStored(const RowGroup& rows, int64_t s, std::byte* to) {
  const V low_rows = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const V high_rows = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const Group g{rows.base + s * F_::kBytes, rows.offset};
  const typename F_::Shared shared = F_::LoadShared(g);
  for (int j = 0; j < F_::kBlocks; ++j, to += TilePanel<F_>::kBlock) {
    const Codes codes = F_::CodesOf(g, shared, j);
    for (int i = 0; i < 4; ++i) {
      const V lo = SignedCodes<F_>(codes.lo[i]);
      const V hi = SignedCodes<F_>(codes.hi[i]);
      Isa::Store(_mm512_permutex2var_epi64(lo, low_rows, hi), to + 2 * i * kRegister);
      Isa::Store(_mm512_permutex2var_epi64(lo, high_rows, hi), to + (2 * i + 1) * kRegister);
    }
    const Scales scales = F_::ScalesOf(shared, j);
    auto* factors = reinterpret_cast<float*>(to + kCodeBytes);
    Isa::StoreFloats(scales.ws, factors);
    if constexpr (F_::kMinimum) Isa::StoreFloats(scales.wm, factors + kRows);
    if constexpr (F_::kHalves) {
      Isa::StoreFloats(Isa::ToFloat(scales.half[0]), factors + kRows);
      Isa::StoreFloats(Isa::ToFloat(scales.half[1]), factors + 2 * kRows);
    }
  }
}

// Products of blocks, one after the other. The sums of one are stored when the next one is asked
// for: until then they are on their way, and other work should stand in between.
template <typename F_>
class Multiplier {
 public:
  HWY_INLINE void Multiply(const std::byte* codes, const int8_t* q, Sums* sums) {
    Finish();
    if constexpr (F_::kHalves) {
      _tile_loadd(3, codes, 32);
      _tile_loadd(4, q, 64);
      _tile_zero(0);
      _tile_dpbssd(0, 3, 4);
      _tile_loadd(3, codes + 16, 32);
      _tile_loadd(4, q + kQuantBytes / 2, 64);
      _tile_zero(5);
      _tile_dpbssd(5, 3, 4);
    } else {
      _tile_loadd(1, codes, 32);
      _tile_loadd(2, q, 64);
      _tile_zero(0);
      _tile_dpbssd(0, 1, 2);
    }
    sums_ = sums;
  }
  HWY_INLINE void Finish() {
    if (sums_ == nullptr) return;
    _tile_stored(0, sums_[0], 64);
    if constexpr (F_::kHalves) _tile_stored(5, sums_[1], 64);
    sums_ = nullptr;
  }

 private:
  Sums* sums_ = nullptr;
};

// acc[r] over tokens gains fma(isum, ws * d, .) and, with a minimum, fma(wm, d * xsum, .). A
// half's sum times its scale, and the two together, are whole numbers below 2^24: exact as floats.
template <typename F_>
HWY_INLINE void AddScaledTile(const Sums* sums, const float* factors, const ActivationTile& x,
                              int64_t b, F (&acc)[kRows]) {
  const F d = Isa::LoadFloats(x.scale + b * kTokens);
  const F scaled_sum = Isa::LoadFloats(x.scaled_sum + b * kTokens);
  const auto sum = [&](int half, int row) {
    return Isa::ToFloat(Isa::Load(reinterpret_cast<const std::byte*>(sums[half][RowOf(row)])));
  };
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    F isum = sum(0, r);
    if constexpr (F_::kHalves) {
      isum = Isa::Mul(isum, Isa::BroadcastFloat(factors + kRows + r));
      isum = Isa::Fma(sum(1, r), Isa::BroadcastFloat(factors + 2 * kRows + r), isum);
    }
    acc[r] = Isa::Fma(isum, Isa::Mul(Isa::BroadcastFloat(factors + r), d), acc[r]);
    if constexpr (F_::kMinimum) {
      acc[r] = Isa::Fma(Isa::BroadcastFloat(factors + kRows + r), scaled_sum, acc[r]);
    }
  }
}

// y[t, r] = acc[r] lane t (+ bias).
AHA_INT8_INLINE void StoreTile(const F (&acc)[kRows], const ActivationTile& x,
                               const OutputTile& out) {
  const auto rows = static_cast<__mmask16>((1u << out.rows) - 1);
  const F bias = out.bias == nullptr ? Isa::ZeroF() : _mm512_maskz_loadu_ps(rows, out.bias);
  V quads[4][4];  // [g][j]: of token 4 l + j the rows 4 g to 4 g + 3, in 128-bit part l
  for (int g = 0; g < 4; ++g) {
    V in[4];
    for (int i = 0; i < 4; ++i) in[i] = _mm512_castps_si512(acc[4 * g + i]);
    Transpose4(in, quads[g]);
  }
  for (int j = 0; j < 4; ++j) {
    const V low01 = _mm512_shuffle_i32x4(quads[0][j], quads[1][j], 0x44);
    const V high01 = _mm512_shuffle_i32x4(quads[0][j], quads[1][j], 0xEE);
    const V low23 = _mm512_shuffle_i32x4(quads[2][j], quads[3][j], 0x44);
    const V high23 = _mm512_shuffle_i32x4(quads[2][j], quads[3][j], 0xEE);
    const V token[4] = {
        _mm512_shuffle_i32x4(low01, low23, 0x88), _mm512_shuffle_i32x4(low01, low23, 0xDD),
        _mm512_shuffle_i32x4(high01, high23, 0x88), _mm512_shuffle_i32x4(high01, high23, 0xDD)};
    for (int l = 0; l < 4; ++l) {
      const int t = 4 * l + j;
      if (t >= x.tokens) continue;
      F v = _mm512_castsi512_ps(token[l]);
      if (out.bias != nullptr) v = Isa::AddF(v, bias);
      _mm512_mask_storeu_ps(out.y + t * out.stride, rows, v);
    }
  }
}

// Asks memory for what is read next, evenly: the machine keeps few such requests, and work waits
// when there are more. Twice a block: when it is multiplied and when it is scaled.
class Ahead {
 public:
  explicit Ahead(const NextBytes& next) : at_(next.begin), each_(next.each / 2) {}
  void Ask() {
    for (int64_t i = 0; i < each_; i += 64) __builtin_prefetch(at_ + i, 0, 2);
    at_ += each_;
  }

 private:
  const std::byte* at_;
  int64_t each_;
};

// Blocks of one turn: turns as equal as can be.
template <typename F_>
int64_t TurnOf(int64_t blocks) {
  const int64_t turns = (blocks + TilePanel<F_>::kTurn - 1) / TilePanel<F_>::kTurn;
  const int64_t even = (blocks + turns - 1) / turns;
  return (even + F_::kBlocks - 1) / F_::kBlocks * F_::kBlocks;
}

template <typename F_>
AHA_INT8_INLINE void AddTurn(const Sums* sums, const std::byte* panel, const ActivationTile& x,
                             int64_t first, int64_t count, Ahead* ahead, F (&acc)[kRows]) {
  for (int64_t b = 0; b < count; ++b, panel += TilePanel<F_>::kBlock) {
    ahead->Ask();
    AddScaledTile<F_>(sums + b * TilePanel<F_>::kParts,
                      reinterpret_cast<const float*>(panel + kCodeBytes), x, first + b, acc);
  }
}

template <typename F_>
void DotTilePanel(const std::byte* panel, const ActivationTile& x, const OutputTile& out,
                  const NextBytes& next) {
  using P = TilePanel<F_>;
  alignas(64) Sums sums[P::kTurn * P::kParts];
  F acc[kRows];
  for (F& a : acc) a = Isa::ZeroF();
  Ahead ahead(next);
  const int64_t turn = TurnOf<F_>(x.blocks);
  for (int64_t first = 0; first < x.blocks; first += turn, panel += turn * P::kBlock) {
    const int64_t count = std::min(turn, x.blocks - first);
    Multiplier<F_> multiplier;
    for (int64_t b = 0; b < count; ++b) {
      ahead.Ask();
      multiplier.Multiply(panel + b * P::kBlock, x.q + (first + b) * kQuantBytes,
                          sums + b * P::kParts);
    }
    multiplier.Finish();
    AddTurn<F_>(sums, panel, x, first, count, &ahead, acc);
  }
  StoreTile(acc, x, out);
}

// One tile of tokens. The blocks of the next turn are unpacked between the products of this one:
// what they wait for from memory is hidden so (Q8_0, 1536 columns: 57 -> 53 ns a block).
template <typename F_>
void DotTileStored(const RowGroup& rows, const ActivationTile& x, const OutputTile& out) {
  using P = TilePanel<F_>;
  alignas(64) Sums sums[P::kTurn * P::kParts];
  alignas(64) std::byte panels[2][P::kTurn * P::kBlock];
  F acc[kRows];
  for (F& a : acc) a = Isa::ZeroF();
  const int64_t turn = TurnOf<F_>(x.blocks);
  const int64_t step = int64_t{F_::kBytes} * kRows;  // bytes of a storage block's 16 rows
  Ahead ahead({rows.base + 2 * rows.row_bytes * kRows, step / F_::kBlocks});
  for (int64_t b = 0; b < std::min(turn, x.blocks); b += F_::kBlocks) {
    UnpackStored<F_>(rows, b / F_::kBlocks, panels[0] + b * P::kBlock);
  }
  int which = 0;
  for (int64_t first = 0; first < x.blocks; first += turn, which ^= 1) {
    const int64_t count = std::min(turn, x.blocks - first);
    const std::byte* panel = panels[which];
    std::byte* unpacked = panels[which ^ 1];
    Multiplier<F_> multiplier;
    for (int64_t b = 0; b < turn; b += F_::kBlocks) {
      for (int64_t j = b; j < std::min(count, b + F_::kBlocks); ++j) {
        ahead.Ask();
        multiplier.Multiply(panel + j * P::kBlock, x.q + (first + j) * kQuantBytes,
                            sums + j * P::kParts);
      }
      if (first + turn + b < x.blocks) {
        UnpackStored<F_>(rows, (first + turn + b) / F_::kBlocks, unpacked + b * P::kBlock);
      }
    }
    multiplier.Finish();
    AddTurn<F_>(sums, panel, x, first, count, &ahead, acc);
  }
  StoreTile(acc, x, out);
}

void DotTileStoredAny(const RowGroup& rows, const ActivationTile& x, const OutputTile& out) {
  static const Int8Kernels& vnni = *VnniInt8Kernels();  // asks the CPU each time
  if (x.width < kTokens) return vnni.dot_stored(rows, x, out);
  ConfigureTiles();
  WithFormat(rows.dtype, [&](auto format) { DotTileStored<decltype(format)>(rows, x, out); });
}

void UnpackTileAny(const RowGroup& rows, std::byte* panel) {
  WithFormat(rows.dtype, [&](auto format) {
    using F_ = decltype(format);
    for (int64_t b = 0; b < rows.blocks; b += F_::kBlocks) {
      UnpackStored<F_>(rows, b / F_::kBlocks, panel + b * TilePanel<F_>::kBlock);
    }
  });
}

void DotTilePanelAny(DType dtype, const std::byte* panel, const ActivationTile& x,
                     const OutputTile& out, const NextBytes& next) {
  ConfigureTiles();
  WithFormat(dtype, [&](auto format) { DotTilePanel<decltype(format)>(panel, x, out, next); });
}

// Whole tiles, 64 codes deep: a block of weights has 32, so that no product of them gets here.
double ExerciseTiles(int64_t rounds) {
  ConfigureTiles();
  for (int64_t r = 0; r < rounds; ++r) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(5, 6, 7);
  }
  return 2.0 * 2 * kRows * kTokens * 64 * static_cast<double>(rounds);
}

int64_t TilePanelBlockBytes(DType dtype) {
  return WithFormat(dtype, [](auto format) { return TilePanel<decltype(format)>::kBlock; });
}

}  // namespace
}  // namespace aha::kernels::cpu
HWY_POP_ATTRIBUTES

namespace aha::kernels::cpu {
namespace {

bool CpuHasAmxInt8() {
  unsigned a, b, c, d;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTile) != 0 && (d & kInt8) != 0;
}

// Linux keeps the tiles' 8 kB of each thread only for programs that ask.
bool SystemLetsUs() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h, of newer kernels
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

const Int8Kernels* AmxInt8Kernels() {
  const Int8Kernels* vnni = VnniInt8Kernels();
  if (vnni == nullptr || !CpuHasAmxInt8() || !SystemLetsUs()) return nullptr;
  static const Int8Kernels kTable = {.name = "amx",
                                     .group_rows = vnni->group_rows,
                                     .stored_tokens = kTokens,
                                     .panel_rows = kRows,
                                     .panel_tokens = kTokens,
                                     .interleaved_from = kTileTokens + 1,
                                     .panel_block_bytes = TilePanelBlockBytes,
                                     .dot_stored = DotTileStoredAny,
                                     .unpack = UnpackTileAny,
                                     .dot_panel = DotTilePanelAny,
                                     .exercise = vnni->exercise,
                                     .exercise_tiles = ExerciseTiles};
  return &kTable;
}

}  // namespace aha::kernels::cpu
