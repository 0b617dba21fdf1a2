// Included by int8_avx2.cc, int8_vnni.cc and int8_amx.cc inside an anonymous namespace and target
// attributes, after `Isa` is defined there:
//   V (integer register), F (float register), kRows (lanes of 32 bits), what a panel is
//   (kPanelGroups, kPanelTokens), kSignedCodes, kPairSums, and the operations below.
// No include guard and no includes: see those files.

// What is stored differs; what is multiplied is always eight registers of unsigned or signed codes.
// kOffsetShift: stored codes are unsigned and 1 << kOffsetShift too large (-1: they are not).
// kBits: of the unsigned code (AVX2 sums several products in 16 bits when they fit).
template <DType kDType>
struct Format;

struct Group {
  const std::byte* p;  // base + bytes of the storage block
  const int32_t* offset;
};

inline V Rows16(const Group& g, int i, int bytes) {
  return Isa::Load16OfEach(g.p + bytes, g.offset, i);
}

// One block of 32 of every row, before and after the transposition. lo: values 0..15 of rows
// i, 4 + i, 8 + i, ..., hi: values 16..31.
struct Codes {
  V lo[4], hi[4];
};
struct Scales {
  F ws, wm;
  V half[2];  // Q6_K's integer scales, as HalfScale gives them
};

struct Quads {
  V v[8];  // v[j]: codes 4j..4j+3 of row r in 32-bit lane r
};

inline void Transpose4(const V (&in)[4], V* out) {
  const V ab_low = Isa::UnpackLow32(in[0], in[1]);
  const V ab_high = Isa::UnpackHigh32(in[0], in[1]);
  const V cd_low = Isa::UnpackLow32(in[2], in[3]);
  const V cd_high = Isa::UnpackHigh32(in[2], in[3]);
  out[0] = Isa::UnpackLow64(ab_low, cd_low);
  out[1] = Isa::UnpackHigh64(ab_low, cd_low);
  out[2] = Isa::UnpackLow64(ab_high, cd_high);
  out[3] = Isa::UnpackHigh64(ab_high, cd_high);
}

// 32-bit words of every row, row r in lane r: the one at `bytes`, or four from there on. Sixteen
// loads and a few shuffles; gather instructions take longer.
inline V Dword(const Group& g, int bytes) {
  const V ab = Isa::UnpackLow32(Rows16(g, 0, bytes), Rows16(g, 1, bytes));
  const V cd = Isa::UnpackLow32(Rows16(g, 2, bytes), Rows16(g, 3, bytes));
  return Isa::UnpackLow64(ab, cd);
}
inline void FourDwords(const Group& g, int bytes, V* out) {
  const V rows[4] = {Rows16(g, 0, bytes), Rows16(g, 1, bytes), Rows16(g, 2, bytes),
                     Rows16(g, 3, bytes)};
  Transpose4(rows, out);
}

inline V LowNibbles(V v) { return Isa::And(v, Isa::Set8(15)); }
inline V HighNibbles(V v) { return Isa::And(Isa::template ShiftRight16<4>(v), Isa::Set8(15)); }

// Values 0..15 in low nibbles, 16..31 in high ones: Q4_0, Q4_1, Q5_0, Q5_1.
inline Codes NibblesOf(const Group& g, int bytes) {
  Codes c;
  for (int i = 0; i < 4; ++i) {
    const V raw = Rows16(g, i, bytes);
    c.lo[i] = LowNibbles(raw);
    c.hi[i] = HighNibbles(raw);
  }
  return c;
}

// Bit k of each row's 32-bit word becomes bit 4 of its value k.
inline void AddFifthBits(V words, Codes* c) {
  for (int i = 0; i < 4; ++i) {
    const V low = Isa::And(Isa::SpreadBits(words, 4 * i), Isa::BitMask());
    const V high = Isa::And(Isa::SpreadBits(words, 4 * i + 2), Isa::BitMask());
    c->lo[i] = Isa::Or(c->lo[i], Isa::template ShiftLeft16<4>(Isa::MinU8(low, Isa::Set8(1))));
    c->hi[i] = Isa::Or(c->hi[i], Isa::template ShiftLeft16<4>(Isa::MinU8(high, Isa::Set8(1))));
  }
}

// A format: kBlocks blocks of 32 in a storage block of kBytes; LoadShared once a storage block,
// then CodesOf(j), ScalesOf(j).
template <DType kDType>
struct SmallFormat {
  static constexpr int kBlocks = 1;
  static constexpr bool kHalves = false;
  struct Shared {
    V first;  // the first four bytes: d and, in formats with one, m
  };
  static Shared LoadShared(const Group& g) { return {Dword(g, 0)}; }
};

template <>
struct Format<DType::kQ8_0> : SmallFormat<DType::kQ8_0> {
  static constexpr int kBytes = 34, kBits = 8, kOffsetShift = 7;
  static constexpr bool kMinimum = false;
  static Codes CodesOf(const Group& g, const Shared&, int) {
    Codes c;
    for (int i = 0; i < 4; ++i) {
      c.lo[i] = Isa::StoreSigned(Rows16(g, i, 2));
      c.hi[i] = Isa::StoreSigned(Rows16(g, i, 18));
    }
    return c;
  }
  static Scales ScalesOf(const Shared& s, int) { return {.ws = Isa::HalfToFloat(s.first)}; }
};

template <>
struct Format<DType::kQ4_0> : SmallFormat<DType::kQ4_0> {
  static constexpr int kBytes = 18, kBits = 4, kOffsetShift = 3;
  static constexpr bool kMinimum = false;
  static Codes CodesOf(const Group& g, const Shared&, int) { return NibblesOf(g, 2); }
  static Scales ScalesOf(const Shared& s, int) { return {.ws = Isa::HalfToFloat(s.first)}; }
};

template <>
struct Format<DType::kQ4_1> : SmallFormat<DType::kQ4_1> {
  static constexpr int kBytes = 20, kBits = 4, kOffsetShift = -1;
  static constexpr bool kMinimum = true;
  static Codes CodesOf(const Group& g, const Shared&, int) { return NibblesOf(g, 4); }
  static Scales ScalesOf(const Shared& s, int) {
    return {.ws = Isa::HalfToFloat(s.first),
            .wm = Isa::HalfToFloat(Isa::template ShiftRight32<16>(s.first))};
  }
};

template <>
struct Format<DType::kQ5_0> : SmallFormat<DType::kQ5_0> {
  static constexpr int kBytes = 22, kBits = 5, kOffsetShift = 4;
  static constexpr bool kMinimum = false;
  static Codes CodesOf(const Group& g, const Shared&, int) {
    Codes c = NibblesOf(g, 6);
    AddFifthBits(Dword(g, 2), &c);
    return c;
  }
  static Scales ScalesOf(const Shared& s, int) { return {.ws = Isa::HalfToFloat(s.first)}; }
};

template <>
struct Format<DType::kQ5_1> : SmallFormat<DType::kQ5_1> {
  static constexpr int kBytes = 24, kBits = 5, kOffsetShift = -1;
  static constexpr bool kMinimum = true;
  static Codes CodesOf(const Group& g, const Shared&, int) {
    Codes c = NibblesOf(g, 8);
    AddFifthBits(Dword(g, 4), &c);
    return c;
  }
  static Scales ScalesOf(const Shared& s, int) {
    return {.ws = Isa::HalfToFloat(s.first),
            .wm = Isa::HalfToFloat(Isa::template ShiftRight32<16>(s.first))};
  }
};

// Q4_K and Q5_K: d, dmin, then 12 bytes with eight 6-bit scales and minima.
struct KFormat {
  static constexpr int kBlocks = 8, kOffsetShift = -1;
  static constexpr bool kMinimum = true, kHalves = false;
  struct Shared {
    F d, dmin;
    V packed[3];
  };
  static Shared LoadShared(const Group& g) {
    V words[4];
    FourDwords(g, 0, words);
    return {Isa::HalfToFloat(words[0]),
            Isa::HalfToFloat(Isa::template ShiftRight32<16>(words[0])),
            {words[1], words[2], words[3]}};
  }
  static V Field(V v, int shift, int mask) {
    return Isa::And(Isa::ShiftRight32By(v, shift), Isa::Set32(mask));
  }
  static Scales ScalesOf(const Shared& s, int j) {
    V scale, minimum;
    if (j < 4) {
      scale = Field(s.packed[0], 8 * j, 63);
      minimum = Field(s.packed[1], 8 * j, 63);
    } else {
      const int k = 8 * (j - 4);
      scale = Isa::Or(Field(s.packed[2], k, 15),
                      Isa::template ShiftLeft32<4>(Field(s.packed[0], k + 6, 3)));
      minimum = Isa::Or(Field(s.packed[2], k + 4, 15),
                        Isa::template ShiftLeft32<4>(Field(s.packed[1], k + 6, 3)));
    }
    return {.ws = Isa::Mul(s.d, Isa::ToFloat(scale)),
            .wm = Isa::Negate(Isa::Mul(s.dmin, Isa::ToFloat(minimum)))};
  }
  static Codes KNibbles(const Group& g, int bytes, int j) {
    Codes c;
    for (int i = 0; i < 4; ++i) {
      const V lo = Rows16(g, i, bytes + 32 * (j / 2));
      const V hi = Rows16(g, i, bytes + 32 * (j / 2) + 16);
      c.lo[i] = j % 2 == 0 ? LowNibbles(lo) : HighNibbles(lo);
      c.hi[i] = j % 2 == 0 ? LowNibbles(hi) : HighNibbles(hi);
    }
    return c;
  }
};

template <>
struct Format<DType::kQ4_K> : KFormat {
  static constexpr int kBytes = 144, kBits = 4;
  static Codes CodesOf(const Group& g, const Shared&, int j) { return KNibbles(g, 16, j); }
};

template <>
struct Format<DType::kQ5_K> : KFormat {
  static constexpr int kBytes = 176, kBits = 5;
  static Codes CodesOf(const Group& g, const Shared&, int j) {
    Codes c = KNibbles(g, 48, j);
    const V one = Isa::Set8(1);
    for (int i = 0; i < 4; ++i) {
      // Bit j of each byte: bits that the 16-bit shift drags in from the neighbour are masked off.
      const V lo = Isa::And(Isa::ShiftRight16By(Rows16(g, i, 16), j), one);
      const V hi = Isa::And(Isa::ShiftRight16By(Rows16(g, i, 32), j), one);
      c.lo[i] = Isa::Or(c.lo[i], Isa::template ShiftLeft16<4>(lo));
      c.hi[i] = Isa::Or(c.hi[i], Isa::template ShiftLeft16<4>(hi));
    }
    return c;
  }
};

template <>
struct Format<DType::kQ6_K> {
  static constexpr int kBlocks = 8, kBytes = 210, kBits = 6, kOffsetShift = 5;
  static constexpr bool kMinimum = false, kHalves = true;
  struct Shared {
    F d;
    V scales[4];  // 16 signed bytes
  };
  static Shared LoadShared(const Group& g) {
    // d is the block's last half: the last word that ends with it.
    V end[4];
    FourDwords(g, 194, end);
    Shared s;
    s.d = Isa::HalfToFloat(Isa::template ShiftRight32<16>(end[3]));
    FourDwords(g, 192, s.scales);
    return s;
  }
  static Codes CodesOf(const Group& g, const Shared&, int j) {
    const int half = j / 4;
    const int run = j % 4;
    Codes c;
    const V two_bits = Isa::Set8(3);
    for (int i = 0; i < 4; ++i) {
      for (int part = 0; part < 2; ++part) {
        const V low = Rows16(g, i, 64 * half + 32 * (run % 2) + 16 * part);
        const V high = Rows16(g, i, 128 + 32 * half + 16 * part);
        const V top = Isa::And(Isa::ShiftRight16By(high, 2 * run), two_bits);
        const V code = Isa::Or(run < 2 ? LowNibbles(low) : HighNibbles(low),
                               Isa::template ShiftLeft16<4>(top));
        (part == 0 ? c.lo : c.hi)[i] = code;
      }
    }
    return c;
  }
  static Scales ScalesOf(const Shared& s, int j) {
    // Scale 2j and 2j + 1: neighbouring bytes of word j / 2.
    const V word = s.scales[j / 2];
    return {.ws = s.d,
            .half = {Isa::HalfScale(word, 16 * (j % 2)), Isa::HalfScale(word, 16 * (j % 2) + 8)}};
  }
};

template <typename F_, int G, int W, typename ScalesOf>
AHA_INT8_INLINE void AddScaled(const V (&sum)[G][W], const ScalesOf& scales,
                               const ActivationTile& x, int64_t b, F (&acc)[G][W]) {
  const float* scale = x.scale + b * W;
  const float* scaled_sum = x.scaled_sum + b * W;
  for (int t = 0; t < W; ++t) {
    for (int g = 0; g < G; ++g) {
      const Scales s = scales(g);
      acc[g][t] = Isa::Fma(Isa::ToFloat(sum[g][t]), Isa::Mul(s.ws, Isa::BroadcastFloat(scale + t)),
                           acc[g][t]);
      if constexpr (F_::kMinimum) {
        acc[g][t] = Isa::Fma(s.wm, Isa::BroadcastFloat(scaled_sum + t), acc[g][t]);
      }
    }
  }
}

// Isa, but looked up late: for operations that one Isa lacks, under `if constexpr`.
template <typename F_>
struct LateIsa {
  using T = Isa;
};

// One block against W tokens: of G groups of rows, code(g, 0) to code(g, 7) are the codes and
// scales(g) what they are scaled by. acc[g][t] gains fma(isum, ws * d, .) and, with a minimum,
// fma(wm, d * xsum, .).
template <typename F_, int G, int W, typename Code, typename ScalesOf>
AHA_INT8_INLINE void BlockDot(const Code& code, const ScalesOf& scales, const ActivationTile& x,
                              int64_t b, F (&acc)[G][W]) {
  const int8_t* q = x.q + b * W * 32;
  const int32_t* minus_sum = x.minus_sum + b * 2 * W;
  V sum[G][W];
  if constexpr (F_::kHalves && Isa::kPairSums) {
    using PairIsa = typename LateIsa<F_>::T;
    const auto start = [&](int g, int t) {
      const V minus =
          PairIsa::LowAndHigh16(Isa::Broadcast32(minus_sum + t),
                                Isa::template ShiftLeft32<16>(Isa::Broadcast32(minus_sum + W + t)));
      const V half = PairIsa::LowAndHigh16(scales(g).half[0], scales(g).half[1]);
      return Isa::template ShiftLeft32<F_::kOffsetShift>(PairIsa::MultiplyAddPairs16(minus, half));
    };
    PairIsa::template DotWeighted<F_::kBits, 4>(
        sum, start, code, [&](int g) { return scales(g).half[0]; }, q);
    PairIsa::template DotWeighted<F_::kBits, 4>(
        sum, [&](int g, int t) { return sum[g][t]; }, [&](int g, int j) { return code(g, 4 + j); },
        [&](int g) { return scales(g).half[1]; }, q + 16);
  } else if constexpr (F_::kHalves) {
    V half[G][W];
    for (int h = 0; h < 2; ++h) {
      Isa::template DotTokens<F_::kBits, 4>(
          half,
          [&](int, int t) {
            return Isa::template ShiftLeft32<F_::kOffsetShift>(
                Isa::Broadcast32(minus_sum + h * W + t));
          },
          [&](int g, int j) { return code(g, 4 * h + j); }, q + 16 * h);
      for (int g = 0; g < G; ++g) {
        for (int t = 0; t < W; ++t) {
          const V scaled = Isa::Mul32(half[g][t], scales(g).half[h]);
          sum[g][t] = h == 0 ? scaled : Isa::Add32(sum[g][t], scaled);
        }
      }
    }
  } else {
    Isa::template DotTokens<F_::kBits, 8>(
        sum,
        [&](int, int t) {
          if constexpr (F_::kOffsetShift < 0 || (Isa::kSignedCodes && F_::kBits == 8)) {
            return Isa::Zero();
          } else {
            return Isa::template ShiftLeft32<F_::kOffsetShift>(
                Isa::Add32(Isa::Broadcast32(minus_sum + t), Isa::Broadcast32(minus_sum + W + t)));
          }
        },
        code, q);
  }
  AddScaled<F_>(sum, scales, x, b, acc);
}

template <int G, int W>
inline void StoreOutputs(const F (&acc)[G][W], const ActivationTile& x, const OutputTile& out) {
  for (int t = 0; t < x.tokens; ++t) {
    float* y = out.y + t * out.stride;
    if (out.rows == G * Isa::kRows) {
      for (int g = 0; g < G; ++g) {
        const F v = out.bias != nullptr
                        ? Isa::AddF(acc[g][t], Isa::LoadFloats(out.bias + g * Isa::kRows))
                        : acc[g][t];
        Isa::StoreFloats(v, y + g * Isa::kRows);
      }
      continue;
    }
    alignas(64) float lanes[G * Isa::kRows];
    for (int g = 0; g < G; ++g) Isa::StoreFloats(acc[g][t], lanes + g * Isa::kRows);
    for (int r = 0; r < out.rows; ++r)
      y[r] = out.bias != nullptr ? lanes[r] + out.bias[r] : lanes[r];
  }
}

template <typename F_>
inline Quads LoadQuads(const Group& g, const typename F_::Shared& shared, int j) {
  const Codes codes = F_::CodesOf(g, shared, j);
  Quads quads;
  Transpose4(codes.lo, quads.v);
  Transpose4(codes.hi, quads.v + 4);
  return quads;
}

// Asks for the bytes that the next group of rows has where this one is: rows follow each other, so
// the two groups are one stretch of memory, read once in step with this group's blocks.
inline void Prefetch(const RowGroup& rows, int64_t b, int bytes) {
  const int64_t step = int64_t{bytes} * Isa::kRows;
  const std::byte* p = rows.base + rows.row_bytes * Isa::kRows + step * b;
  for (int64_t i = 0; i < step; i += 64) __builtin_prefetch(p + i, 0, 2);
}

template <typename F_, int W>
void DotStored(const RowGroup& rows, const ActivationTile& x, const OutputTile& out) {
  F acc[1][W];
  for (F& a : acc[0]) a = Isa::ZeroF();
  Group g{rows.base, rows.offset};
  for (int64_t b = 0; b < rows.blocks; b += F_::kBlocks, g.p += F_::kBytes) {
    const typename F_::Shared shared = F_::LoadShared(g);
    Prefetch(rows, b / F_::kBlocks, F_::kBytes);
#pragma GCC unroll 8
    for (int j = 0; j < F_::kBlocks; ++j) {
      const Quads quads = LoadQuads<F_>(g, shared, j);
      const Scales s = F_::ScalesOf(shared, j);
      BlockDot<F_>([&](int, int i) { return quads.v[i]; }, [&](int) { return s; }, x, b + j, acc);
    }
  }
  StoreOutputs(acc, x, out);
}

// One unpacked block of a group of rows: 8 registers of codes; of signed ones the magnitudes, then
// the signs and what is lost to them; ws; wm, or two integer scales. A panel is
// [blocks][kPanelGroups] of them.
constexpr int64_t kRegister = sizeof(V);
template <typename F_>
struct Panel {
  static constexpr bool kSigned = Isa::kSignedCodes && F_::kBits == 8;
  static constexpr int64_t kSigns = 8 * kRegister, kLost = 16 * kRegister;
  static constexpr int64_t kScales = (kSigned ? 17 : 8) * kRegister;
  static constexpr int64_t kFactors = F_::kMinimum ? 2 : F_::kHalves ? 3 : 1;
  static constexpr int64_t kGroup = kScales + kFactors * kRegister;
  static constexpr int64_t kBlock = Isa::kPanelGroups * kGroup;
};

template <typename F_>
inline void StoreCodes(const Quads& quads, std::byte* to) {
  using P = Panel<F_>;
  for (int i = 0; i < 8; ++i) {
    if constexpr (P::kSigned) {
      Isa::Store(LateIsa<F_>::T::Magnitude(quads.v[i]), to + i * kRegister);
      Isa::Store(LateIsa<F_>::T::Sign(quads.v[i]), to + P::kSigns + i * kRegister);
    } else {
      Isa::Store(quads.v[i], to + i * kRegister);
    }
  }
  if constexpr (P::kSigned) Isa::Store(LateIsa<F_>::T::Lost(quads.v), to + P::kLost);
}

template <typename F_>
void Unpack(const RowGroup& rows, std::byte* panel) {
  using P = Panel<F_>;
  for (int group = 0; group < Isa::kPanelGroups; ++group) {
    Group g{rows.base, rows.offset + group * Isa::kRows};
    std::byte* to = panel + group * P::kGroup;
    for (int64_t b = 0; b < rows.blocks; b += F_::kBlocks, g.p += F_::kBytes) {
      const typename F_::Shared shared = F_::LoadShared(g);
      for (int j = 0; j < F_::kBlocks; ++j, to += P::kBlock) {
        const Quads quads = LoadQuads<F_>(g, shared, j);
        const Scales s = F_::ScalesOf(shared, j);
        StoreCodes<F_>(quads, to);
        std::byte* scales = to + P::kScales;
        Isa::StoreFloats(s.ws, reinterpret_cast<float*>(scales));
        if constexpr (F_::kMinimum) {
          Isa::StoreFloats(s.wm, reinterpret_cast<float*>(scales + kRegister));
        }
        if constexpr (F_::kHalves) {
          Isa::Store(s.half[0], scales + kRegister);
          Isa::Store(s.half[1], scales + 2 * kRegister);
        }
      }
    }
  }
}

template <typename F_, int W>
void DotPanel(const std::byte* panel, const ActivationTile& x, const OutputTile& out,
              const NextBytes& next) {
  using P = Panel<F_>;
  constexpr int G = Isa::kPanelGroups;
  F acc[G][W];
  for (auto& group : acc) {
    for (F& a : group) a = Isa::ZeroF();
  }
  const std::byte* ahead = next.begin;
  for (int64_t b = 0; b < x.blocks; ++b, panel += P::kBlock) {
    for (int64_t i = 0; i < next.each; i += 64) __builtin_prefetch(ahead + i, 0, 2);
    ahead += next.each;
    const auto code = [&](int g, int i) {
      V codes = Isa::Load(panel + g * P::kGroup + i * kRegister);
      Isa::KeepInRegister(codes);
      return codes;
    };
    const auto scales = [&](int g) {
      const std::byte* at = panel + g * P::kGroup + P::kScales;
      Scales s;
      s.ws = Isa::LoadFloats(reinterpret_cast<const float*>(at));
      if constexpr (F_::kMinimum) {
        s.wm = Isa::LoadFloats(reinterpret_cast<const float*>(at + kRegister));
      }
      if constexpr (F_::kHalves) {
        s.half[0] = Isa::Load(at + kRegister);
        s.half[1] = Isa::Load(at + 2 * kRegister);
      }
      return s;
    };
    if constexpr (P::kSigned) {
      const auto at = [&](int g, int64_t bytes) {
        return Isa::Load(panel + g * P::kGroup + bytes);
      };
      V sum[G][W];
      LateIsa<F_>::T::template DotSigned<8>(
          sum, [&](int g, int) { return at(g, P::kLost); }, code,
          [&](int g, int i) { return at(g, P::kSigns + i * kRegister); }, x.q + b * W * 32);
      AddScaled<F_>(sum, scales, x, b, acc);
    } else {
      BlockDot<F_>(code, scales, x, b, acc);
    }
  }
  StoreOutputs(acc, x, out);
}

// Calls f with the Format of a dtype.
template <typename Call>
constexpr auto WithFormat(DType dtype, const Call& call) {
  switch (dtype) {
    case DType::kQ8_0:
      return call(Format<DType::kQ8_0>());
    case DType::kQ4_0:
      return call(Format<DType::kQ4_0>());
    case DType::kQ4_1:
      return call(Format<DType::kQ4_1>());
    case DType::kQ5_0:
      return call(Format<DType::kQ5_0>());
    case DType::kQ5_1:
      return call(Format<DType::kQ5_1>());
    case DType::kQ4_K:
      return call(Format<DType::kQ4_K>());
    case DType::kQ5_K:
      return call(Format<DType::kQ5_K>());
    default:
      return call(Format<DType::kQ6_K>());
  }
}

void DotStoredAny(const RowGroup& rows, const ActivationTile& x, const OutputTile& out) {
  WithFormat(rows.dtype, [&](auto format) {
    using F_ = decltype(format);
    switch (x.width) {
      case 1:
        return DotStored<F_, 1>(rows, x, out);
      case 2:
        return DotStored<F_, 2>(rows, x, out);
      case 4:
        return DotStored<F_, 4>(rows, x, out);
      default:
        return DotStored<F_, kTileTokens>(rows, x, out);
    }
  });
}

void UnpackAny(const RowGroup& rows, std::byte* panel) {
  WithFormat(rows.dtype, [&](auto format) { Unpack<decltype(format)>(rows, panel); });
}

void DotPanelAny(DType dtype, const std::byte* panel, const ActivationTile& x,
                 const OutputTile& out, const NextBytes& next) {
  WithFormat(dtype, [&](auto format) {
    using F_ = decltype(format);
    switch (x.width) {
      case 1:
        return DotPanel<F_, 1>(panel, x, out, next);
      case 2:
        return DotPanel<F_, 2>(panel, x, out, next);
      case 4:
        return DotPanel<F_, 4>(panel, x, out, next);
      default:
        return DotPanel<F_, Isa::kPanelTokens>(panel, x, out, next);
    }
  });
}

int64_t PanelBlockBytes(DType dtype) {
  return WithFormat(dtype, [](auto format) { return Panel<decltype(format)>::kBlock; });
}

double ExerciseDot(int64_t rounds) {
  constexpr int kChains = 12;
  V acc[kChains];
  for (int j = 0; j < kChains; ++j) acc[j] = Isa::Set32(j);
  V codes = Isa::Set8(3);
  alignas(4) const int8_t q[4] = {1, -2, 3, -4};
  for (int64_t r = 0; r < rounds; ++r) {
    for (V& a : acc) {
      // The codes may not look constant to the compiler, which would share their products.
      Isa::KeepInRegister(codes);
      V sum[1][1];
      Isa::template DotTokens<4, 1>(
          sum, [&](int, int) { return a; }, [&](int, int) { return codes; }, q);
      a = sum[0][0];
    }
  }
  V sum = acc[0];
  for (int j = 1; j < kChains; ++j) sum = Isa::Add32(sum, acc[j]);
  alignas(64) std::byte out[sizeof(V)];
  Isa::Store(sum, out);
  volatile std::byte sink = out[0];
  static_cast<void>(sink);
  return 2.0 * 4 * kChains * Isa::kRows * static_cast<double>(rounds);
}

constexpr Int8Kernels KernelTable(const char* name) {
  return {.name = name,
          .group_rows = Isa::kRows,
          .stored_tokens = kTileTokens,
          .panel_rows = Isa::kPanelGroups * Isa::kRows,
          .panel_tokens = Isa::kPanelTokens,
          .interleaved_from = std::numeric_limits<int64_t>::max(),
          .panel_block_bytes = PanelBlockBytes,
          .dot_stored = DotStoredAny,
          .unpack = UnpackAny,
          .dot_panel = DotPanelAny,
          .exercise = ExerciseDot};
}
