// int8_kernels-inl.h for AVX2: 8 rows a register, vpmaddubsw.
#include <immintrin.h>

#include <algorithm>

#include <hwy/base.h>

#include "kernels/cpu/int8_kernels.h"

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c")
namespace aha::kernels::cpu {
namespace {

using V = __m256i;
using F = __m256;

struct Isa {
  static constexpr int kRows = 8;
  static constexpr bool kSignedCodes = true;  // 8-bit codes stay signed: vpmaddubsw would saturate
  // Two groups by six tokens: their accumulators take most registers, and two products share a
  // broadcast, which on Zen 3 takes a port as they do.
  static constexpr int kPanelGroups = 2, kPanelTokens = 6;
  static constexpr bool kWide = true;

  static V Load16OfEach(const std::byte* p, const int32_t* offset, int i) {
    const auto row = [&](int r) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + offset[r]));
    };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(row(i)), row(4 + i), 1);
  }
  static V Zero() { return _mm256_setzero_si256(); }
  static F ZeroF() { return _mm256_setzero_ps(); }
  static V Set8(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static V Set32(int x) { return _mm256_set1_epi32(x); }
  static V And(V a, V b) { return _mm256_and_si256(a, b); }
  static V Or(V a, V b) { return _mm256_or_si256(a, b); }
  static V MinU8(V a, V b) { return _mm256_min_epu8(a, b); }
  static V StoreSigned(V codes) { return codes; }
  template <int N>
  static V ShiftRight16(V v) {
    return _mm256_srli_epi16(v, N);
  }
  template <int N>
  static V ShiftLeft16(V v) {
    return _mm256_slli_epi16(v, N);
  }
  template <int N>
  static V ShiftRight32(V v) {
    return _mm256_srli_epi32(v, N);
  }
  template <int N>
  static V ShiftLeft32(V v) {
    return _mm256_slli_epi32(v, N);
  }
  static V ShiftRight16By(V v, int n) { return _mm256_srl_epi16(v, _mm_cvtsi32_si128(n)); }
  static V ShiftRight32By(V v, int n) { return _mm256_srl_epi32(v, _mm_cvtsi32_si128(n)); }
  static V SignedByte(V v, int shift) {
    return _mm256_srai_epi32(_mm256_sll_epi32(v, _mm_cvtsi32_si128(24 - shift)), 24);
  }
  static V UnpackLow32(V a, V b) { return _mm256_unpacklo_epi32(a, b); }
  static V UnpackHigh32(V a, V b) { return _mm256_unpackhi_epi32(a, b); }
  static V UnpackLow64(V a, V b) { return _mm256_unpacklo_epi64(a, b); }
  static V UnpackHigh64(V a, V b) { return _mm256_unpackhi_epi64(a, b); }
  // Byte k of each 128-bit part: byte first + k / 8 of that part.
  static V SpreadBits(V v, int first) {
    const __m128i pattern = _mm_add_epi8(_mm_set1_epi8(static_cast<char>(first)),
                                         _mm_set_epi64x(0x0101010101010101, 0));
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(pattern));
  }
  static V BitMask() { return _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL)); }
  static V Add32(V a, V b) { return _mm256_add_epi32(a, b); }
  static V Mul32(V a, V b) { return _mm256_mullo_epi32(a, b); }
  static V Broadcast32(const int32_t* p) { return _mm256_set1_epi32(*p); }
  static F BroadcastFloat(const float* p) { return _mm256_broadcast_ss(p); }
  static F ToFloat(V v) { return _mm256_cvtepi32_ps(v); }
  // The low 16 bits of each lane as an IEEE half.
  static F HalfToFloat(V v) {
    const V low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF));
    const V packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0xD8);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }
  static F Mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F AddF(F a, F b) { return _mm256_add_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F Negate(F a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
  static V Load(const std::byte* p) { return _mm256_load_si256(reinterpret_cast<const V*>(p)); }
  static void KeepInRegister(V& v) { asm volatile("" : "+x"(v)); }
  static void Store(V v, std::byte* p) { _mm256_store_si256(reinterpret_cast<V*>(p), v); }
  static F LoadFloats(const float* p) { return _mm256_loadu_ps(p); }
  static void StoreFloats(F v, float* p) { _mm256_storeu_ps(p, v); }

  // Four bytes as 16-bit numbers: the lower two of each lane, or the upper two.
  template <int kPart>
  static V WidenPair(V v) {
    constexpr int64_t kLow = kPart == 0 ? 0x0580048001800080 : 0x0780068003800280;
    constexpr int64_t kHigh = kPart == 0 ? 0x0D800C8009800880 : 0x0F800E800B800A80;
    const V upper = _mm256_shuffle_epi8(v, _mm256_setr_epi64x(kLow, kHigh, kLow, kHigh));
    return _mm256_srai_epi16(upper, 8);
  }
  static V Set16(int x) { return _mm256_set1_epi16(static_cast<int16_t>(x)); }
  static V Add16(V a, V b) { return _mm256_add_epi16(a, b); }
  static V Mul16(V a, V b) { return _mm256_mullo_epi16(a, b); }

  // sum[g][t] = the products of 16 registers of group g's 16-bit codes, code(g, 0) on, with two
  // activations each of token t.
  template <int G, int W, typename Code>
  static AHA_INT8_INLINE void DotWide(V (&sum)[G][W], const Code& code, const int16_t* q) {
    for (int i = 0; i < 16; ++i) {
      V codes[G];
      for (int g = 0; g < G; ++g) codes[g] = code(g, i);
      for (int t = 0; t < W; ++t) {
        int32_t two;
        __builtin_memcpy(&two, q + 32 * t + 2 * i, 4);
        const V x = _mm256_set1_epi32(two);
        for (int g = 0; g < G; ++g) {
          const V product = _mm256_madd_epi16(codes[g], x);
          sum[g][t] = i == 0 ? product : _mm256_add_epi32(sum[g][t], product);
          KeepInRegister(sum[g][t]);
        }
      }
    }
  }

  // sum[g][t] = start(t) and the products of N registers of group g's codes, code(g, 0) on, with
  // four activations each of token t. The tokens side by side: the codes are loaded once, and
  // chains do not wait.
  template <int kBits, int N, int G, int W, typename Start, typename Code>
  static AHA_INT8_INLINE void DotTokens(V (&sum)[G][W], const Start& start, const Code& code,
                                        const int8_t* q) {
    // Registers whose 16-bit pair sums fit together: 2 * code * 127 each, below 32768.
    constexpr int kRun = std::min(N, kBits <= 4 ? 8 : kBits == 5 ? 4 : kBits == 6 ? 2 : 1);
    const V ones = _mm256_set1_epi16(1);
    for (int j = 0; j < N; j += kRun) {
      V pairs[G][W];
      for (int i = j; i < j + kRun; ++i) {
        V codes[G];
        for (int g = 0; g < G; ++g) codes[g] = code(g, i);
        for (int t = 0; t < W; ++t) {
          int32_t four;
          __builtin_memcpy(&four, q + 32 * t + 4 * i, 4);
          const V x = _mm256_set1_epi32(four);
          for (int g = 0; g < G; ++g) {
            const V product = kBits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes[g]),
                                                                _mm256_sign_epi8(x, codes[g]))
                                         : _mm256_maddubs_epi16(codes[g], x);
            pairs[g][t] = i == j ? product : _mm256_add_epi16(pairs[g][t], product);
            // Or the compiler adds in another order, for which many tokens have too few registers.
            if constexpr (G * W > (kBits == 8 ? 2 : 4)) KeepInRegister(pairs[g][t]);
          }
        }
      }
      for (int t = 0; t < W; ++t) {
        for (int g = 0; g < G; ++g) {
          sum[g][t] =
              _mm256_add_epi32(j == 0 ? start(t) : sum[g][t], _mm256_madd_epi16(pairs[g][t], ones));
        }
      }
    }
  }
};

#include "kernels/cpu/int8_kernels-inl.h"

}  // namespace
}  // namespace aha::kernels::cpu
HWY_POP_ATTRIBUTES

namespace aha::kernels::cpu {

const Int8Kernels& Avx2Int8Kernels() {
  static constexpr Int8Kernels kTable = KernelTable("avx2");
  return kTable;
}

}  // namespace aha::kernels::cpu
