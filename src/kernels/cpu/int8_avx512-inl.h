// The instructions of int8_kernels-inl.h for AVX-512 with VNNI: 16 rows a register, vpdpbusd.
// Included by int8_vnni.cc and int8_amx.cc inside an anonymous namespace and target attributes.
// No include guard and no includes: see those files.

using V = __m512i;
using F = __m512;

struct Isa {
  static constexpr int kRows = 16;
  static constexpr int kPanelGroups = 1, kPanelTokens = 8;
  static constexpr bool kSignedCodes = false;  // vpdpbusd wants unsigned codes
  static constexpr bool kPairSums = false;     // and sums in 32 bits

  static V Load16OfEach(const std::byte* p, const int32_t* offset, int i) {
    const auto row = [&](int r) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + offset[r]));
    };
    V v = _mm512_castsi128_si512(row(i));
    v = _mm512_inserti32x4(v, row(4 + i), 1);
    v = _mm512_inserti32x4(v, row(8 + i), 2);
    return _mm512_inserti32x4(v, row(12 + i), 3);
  }
  static V Zero() { return _mm512_setzero_si512(); }
  static F ZeroF() { return _mm512_setzero_ps(); }
  static V Set8(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static V Set32(int x) { return _mm512_set1_epi32(x); }
  static V And(V a, V b) { return _mm512_and_si512(a, b); }
  static V Or(V a, V b) { return _mm512_or_si512(a, b); }
  static V MinU8(V a, V b) { return _mm512_min_epu8(a, b); }
  static V StoreSigned(V codes) { return _mm512_xor_si512(codes, Set8(0x80)); }
  template <int N>
  static V ShiftRight16(V v) {
    return _mm512_srli_epi16(v, N);
  }
  template <int N>
  static V ShiftLeft16(V v) {
    return _mm512_slli_epi16(v, N);
  }
  template <int N>
  static V ShiftRight32(V v) {
    return _mm512_srli_epi32(v, N);
  }
  template <int N>
  static V ShiftLeft32(V v) {
    return _mm512_slli_epi32(v, N);
  }
  static V ShiftRight16By(V v, int n) { return _mm512_srl_epi16(v, _mm_cvtsi32_si128(n)); }
  static V ShiftRight32By(V v, int n) { return _mm512_srl_epi32(v, _mm_cvtsi32_si128(n)); }
  // The signed byte at `shift` of each lane.
  static V HalfScale(V v, int shift) {
    return _mm512_srai_epi32(_mm512_sll_epi32(v, _mm_cvtsi32_si128(24 - shift)), 24);
  }
  static V UnpackLow32(V a, V b) { return _mm512_unpacklo_epi32(a, b); }
  static V UnpackHigh32(V a, V b) { return _mm512_unpackhi_epi32(a, b); }
  static V UnpackLow64(V a, V b) { return _mm512_unpacklo_epi64(a, b); }
  static V UnpackHigh64(V a, V b) { return _mm512_unpackhi_epi64(a, b); }
  // Byte k of each 128-bit part: byte first + k / 8 of that part.
  static V SpreadBits(V v, int first) {
    const __m128i pattern = _mm_add_epi8(_mm_set1_epi8(static_cast<char>(first)),
                                         _mm_set_epi64x(0x0101010101010101, 0));
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(pattern));
  }
  static V BitMask() { return _mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201ULL)); }
  static V Add32(V a, V b) { return _mm512_add_epi32(a, b); }
  static V Mul32(V a, V b) { return _mm512_mullo_epi32(a, b); }
  static V Broadcast32(const int32_t* p) { return _mm512_set1_epi32(*p); }
  static F BroadcastFloat(const float* p) { return _mm512_set1_ps(*p); }
  static F ToFloat(V v) { return _mm512_cvtepi32_ps(v); }
  // The low 16 bits of each lane as an IEEE half.
  static F HalfToFloat(V v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F AddF(F a, F b) { return _mm512_add_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F Negate(F a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static V Load(const std::byte* p) { return _mm512_load_si512(p); }
  // Or the compiler loads it anew for each token.
  static void KeepInRegister(V& v) { asm volatile("" : "+v"(v)); }
  static void Store(V v, std::byte* p) { _mm512_store_si512(p, v); }
  static F LoadFloats(const float* p) { return _mm512_loadu_ps(p); }
  static void StoreFloats(F v, float* p) { _mm512_storeu_ps(p, v); }

  // sum[g][t] = start(g, t) and the products of N registers of group g's codes, code(g, 0) on, with
  // four activations each of token t. The tokens side by side: a chain alone waits for its own last
  // product.
  template <int kBits, int N, int G, int W, typename Start, typename Code>
  static AHA_INT8_INLINE void DotTokens(V (&sum)[G][W], const Start& start, const Code& code,
                                        const int8_t* q) {
    static_assert(G == 1);
    for (int t = 0; t < W; ++t) sum[0][t] = start(0, t);
    for (int j = 0; j < N; ++j) {
      const V codes = code(0, j);
      for (int t = 0; t < W; ++t) {
        int32_t four;
        __builtin_memcpy(&four, q + 32 * t + 4 * j, 4);
        sum[0][t] = _mm512_dpbusd_epi32(sum[0][t], codes, _mm512_set1_epi32(four));
      }
    }
  }
};
