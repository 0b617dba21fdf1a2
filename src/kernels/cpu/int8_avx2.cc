// int8_kernels-inl.h for AVX2: 8 rows a register, vpmaddubsw.
#include <immintrin.h>

#include <algorithm>
#include <limits>

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
  // Products are summed in 16 bits first, and may be widened times a half's scale instead of one.
  static constexpr bool kPairSums = true;
  // Two groups by six tokens: their accumulators take most registers, and two products share a
  // broadcast, which on Zen 3 takes a port as they do.
  static constexpr int kPanelGroups = 2, kPanelTokens = 6;

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
  // The signed byte at `shift` of each lane, as 16 bits, twice.
  static V HalfScale(V v, int shift) {
    const V high = _mm256_srai_epi16(_mm256_sll_epi32(v, _mm_cvtsi32_si128(24 - shift)), 8);
    return _mm256_blend_epi16(_mm256_srli_epi32(high, 16), high, 0xAA);
  }
  // a's lower and b's upper 16 bits of each lane.
  static V LowAndHigh16(V a, V b) { return _mm256_blend_epi16(a, b, 0xAA); }
  static V MultiplyAddPairs16(V a, V b) { return _mm256_madd_epi16(a, b); }
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

  // Signed bytes as what vpmaddubsw takes: magnitudes, and bits that turn activations the same way:
  // x ^ -1 is -x - 1, so a product comes out too small by the magnitudes of the negative codes,
  // whose sums `lost` are.
  static V Magnitude(V codes) { return _mm256_abs_epi8(codes); }
  static V Sign(V codes) { return _mm256_cmpgt_epi8(_mm256_setzero_si256(), codes); }
  static V Lost(const V (&codes)[8]) {
    V pairs = Zero();
    for (const V c : codes) {
      const V negative = _mm256_and_si256(Magnitude(c), Sign(c));
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(negative, Set8(1)));
    }
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }

  // sum[g][t] = start(g, t) and the products of N registers of group g's codes, code(g, 0) on, with
  // four activations each of token t. The tokens side by side: the codes are loaded once, and
  // chains do not wait. product(codes, g, i, x) gives sums of two in 16 bits, of which kRun
  // registers can be added before they are widened, times weight(g).
  template <int kRun, int N, int G, int W, typename Start, typename Code, typename Product,
            typename Weight>
  static AHA_INT8_INLINE void DotPairs(V (&sum)[G][W], const Start& start, const Code& code,
                                       const Product& product, const Weight& weight,
                                       const int8_t* q) {
    // Short runs are widened at once, into sums that have begun; long ones together at their end.
    constexpr bool kAtOnce = G == 2 && kRun <= 2;
    for (int t = 0; kAtOnce && t < W; ++t) {
      for (int g = 0; g < G; ++g) sum[g][t] = start(g, t);
    }
    const auto activations = [&](int t, int i) {
      int32_t four;
      __builtin_memcpy(&four, q + 32 * t + 4 * i, 4);
      return _mm256_set1_epi32(four);
    };
    const auto widen = [&](int j, int g, int t, V pairs) {
      sum[g][t] = _mm256_add_epi32(!kAtOnce && j == 0 ? start(g, t) : sum[g][t],
                                   _mm256_madd_epi16(pairs, weight(g)));
    };
#pragma GCC unroll 8
    for (int j = 0; j < N; j += kRun) {
      if constexpr (kAtOnce) {
        V codes[G][kRun];
        for (int g = 0; g < G; ++g) {
          for (int i = 0; i < kRun; ++i) codes[g][i] = code(g, j + i);
        }
        for (int t = 0; t < W; ++t) {
          V x[kRun];
          for (int i = 0; i < kRun; ++i) x[i] = activations(t, j + i);
          for (int g = 0; g < G; ++g) {
            V pairs = product(codes[g][0], g, j, x[0]);
            if constexpr (kRun == 2) {
              pairs = _mm256_add_epi16(pairs, product(codes[g][1], g, j + 1, x[1]));
            }
            widen(j, g, t, pairs);
            KeepInRegister(sum[g][t]);
          }
        }
      } else {
        V pairs[G][W];
        for (int i = j; i < j + kRun; ++i) {
          V codes[G];
          for (int g = 0; g < G; ++g) codes[g] = code(g, i);
          for (int t = 0; t < W; ++t) {
            const V x = activations(t, i);
            for (int g = 0; g < G; ++g) {
              const V p = product(codes[g], g, i, x);
              pairs[g][t] = i == j ? p : _mm256_add_epi16(pairs[g][t], p);
              // Or the compiler adds in another order, for which many tokens have too few
              // registers.
              if constexpr (G * W > (kRun == 1 ? 2 : 4)) KeepInRegister(pairs[g][t]);
            }
          }
        }
        for (int t = 0; t < W; ++t) {
          for (int g = 0; g < G; ++g) widen(j, g, t, pairs[g][t]);
        }
      }
    }
  }

  template <int kBits, int N, int G, int W, typename Start, typename Code, typename Weight>
  static AHA_INT8_INLINE void DotWeighted(V (&sum)[G][W], const Start& start, const Code& code,
                                          const Weight& weight, const int8_t* q) {
    // Registers whose 16-bit pair sums fit together: 2 * code * 127 each, below 32768.
    constexpr int kRun = std::min(N, kBits <= 4 ? 8 : kBits == 5 ? 4 : kBits == 6 ? 2 : 1);
    const auto product = [](V codes, int, int, V x) {
      return kBits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes))
                        : _mm256_maddubs_epi16(codes, x);
    };
    DotPairs<kRun, N>(sum, start, code, product, weight, q);
  }

  template <int kBits, int N, int G, int W, typename Start, typename Code>
  static AHA_INT8_INLINE void DotTokens(V (&sum)[G][W], const Start& start, const Code& code,
                                        const int8_t* q) {
    const V ones = _mm256_set1_epi16(1);
    DotWeighted<kBits, N>(
        sum, start, code, [&](int) { return ones; }, q);
  }

  // The same of magnitudes and signs.
  template <int N, int G, int W, typename Start, typename Code, typename SignOf>
  static AHA_INT8_INLINE void DotSigned(V (&sum)[G][W], const Start& start, const Code& magnitude,
                                        const SignOf& sign, const int8_t* q) {
    const V ones = _mm256_set1_epi16(1);
    const auto product = [&](V codes, int g, int i, V x) {
      return _mm256_maddubs_epi16(codes, _mm256_xor_si256(x, sign(g, i)));
    };
    DotPairs<1, N>(
        sum, start, magnitude, product, [&](int) { return ones; }, q);
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
