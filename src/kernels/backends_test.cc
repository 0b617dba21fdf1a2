// Every backend of this machine against the scalar reference: with ==, not within a tolerance,
// because the contract (docs/numerics.md) fixes every operation.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "tensor/block_codes.h"
#include "tensor/storage.h"

namespace aha::kernels {
namespace {

// Deterministic values in about [-2, 2], some of them zero or large.
std::vector<float> RandomFloats(int64_t n, uint64_t seed) {
  const Rng rng(seed, 0);
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(rng.Uniform(i) * 4 - 2);
    if (i % 97 == 5) values[i] = 0;
    if (i % 101 == 7) values[i] *= 40;
  }
  return values;
}

uint16_t HalfBits(double value) {  // normal halves only: enough for scales
  const float f = static_cast<float>(value);
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  return static_cast<uint16_t>(((bits >> 16) & 0x8000) | ((((bits >> 23) & 255) - 112) << 10) |
                               ((bits >> 13) & 0x3FF));
}

// Quantised blocks get float scales of ordinary size.
void SetFloatScales(Storage* storage, const Rng& rng) {
  const DType dtype = storage->view().dtype;
  const DTypeInfo& info = Info(dtype);
  const bool at_end = dtype == DType::kQ6_K;
  const bool two = dtype == DType::kQ4_1 || dtype == DType::kQ5_1 || dtype == DType::kQ4_K ||
                   dtype == DType::kQ5_K;
  for (int64_t block = 0; block * info.block_bytes < storage->view().bytes(); ++block) {
    std::byte* p = storage->data() + block * info.block_bytes + (at_end ? 208 : 0);
    for (int i = 0; i < (two ? 2 : 1); ++i) {
      const double u = rng.Uniform(static_cast<uint64_t>(2 * block + i), 9);
      const uint16_t half = HalfBits((u < 0.5 ? -1 : 1) * (0.001 + u * 0.05));
      std::memcpy(p + 2 * i, &half, 2);
    }
  }
}

// Random stored weights: every bit pattern of codes and integer scales, float scales of ordinary
// size.
Storage RandomWeights(DType dtype, int64_t rows, int64_t cols, uint64_t seed) {
  Storage storage(dtype, {rows, cols});
  const Rng rng(seed, 1);
  const DTypeInfo& info = Info(dtype);
  const int64_t bytes = storage.view().bytes();
  if (!info.quantized) {
    for (int64_t i = 0; i < rows * cols; ++i) {
      const float value = static_cast<float>(rng.Uniform(static_cast<uint64_t>(i)) - 0.5);
      const uint32_t bits = std::bit_cast<uint32_t>(value);
      const auto bf16 = static_cast<uint16_t>(bits >> 16);
      const uint16_t half = HalfBits(value + (value >= 0 ? 0.01 : -0.01));
      if (dtype == DType::kF32) std::memcpy(storage.data() + 4 * i, &value, 4);
      if (dtype == DType::kF16) std::memcpy(storage.data() + 2 * i, &half, 2);
      if (dtype == DType::kBF16) std::memcpy(storage.data() + 2 * i, &bf16, 2);
    }
    return storage;
  }
  for (int64_t i = 0; i < bytes; ++i) {
    storage.data()[i] = static_cast<std::byte>(rng.Bits(static_cast<uint64_t>(i)) & 255);
  }
  SetFloatScales(&storage, rng);
  return storage;
}

// Equal bits, any NaN equal to any NaN.
void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& want,
                    const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(got[i]) && std::isnan(want[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want[i]))
        << what << ": element " << i << " is " << got[i] << ", reference " << want[i];
  }
}

std::vector<const Backend*> SimdBackends() {
  std::vector<const Backend*> all = AvailableBackends();
  all.pop_back();
  return all;
}

std::vector<float> RunMatMul(const Backend& backend, int threads, const ConstView& w,
                             const std::vector<float>& x, int64_t x_stride, int64_t m,
                             const float* bias, Numerics numerics = Numerics::kPortable) {
  ThreadPool pool(threads);
  Context cx(&backend, &pool, numerics);
  std::vector<float> y(static_cast<size_t>(m * w.rows()), -1.0f);
  const MatMulJob job = {.x = x.data(),
                         .x_stride = x_stride,
                         .m = m,
                         .w = w,
                         .bias = bias,
                         .y = y.data(),
                         .y_stride = w.rows()};
  backend.MatMul(cx, {&job, 1});
  return y;
}

class MatMulOf : public testing::TestWithParam<DType> {};

TEST_P(MatMulOf, EqualsTheReference) {
  const DType dtype = GetParam();
  const int64_t unit = Info(dtype).block_elements;
  std::vector<int64_t> depths = {unit, 3 * unit};
  if (unit == 1) depths = {1, 5, 15, 16, 17, 31, 33, 64, 100};
  for (const int64_t k : depths) {
    for (const int64_t n : {1, 2, 7, 16, 17, 35}) {
      const Storage w = RandomWeights(dtype, n, k, static_cast<uint64_t>(k * 100 + n));
      const std::vector<float> bias = RandomFloats(n, 5);
      for (const int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 13, 19, 24, 29, 35}) {
        const int64_t stride = k + 3;
        const std::vector<float> x = RandomFloats(m * stride, static_cast<uint64_t>(m));
        const float* b = m % 2 == 0 ? bias.data() : nullptr;
        const auto want = RunMatMul(RefBackend(), 1, w.view(), x, stride, m, b);
        for (const Backend* backend : SimdBackends()) {
          const auto got = RunMatMul(*backend, 2, w.view(), x, stride, m, b);
          ExpectSameBits(got, want, fmt::format("{} k={} n={} m={}", backend->name(), k, n, m));
        }
      }
    }
  }
}

TEST_P(MatMulOf, RowsDoNotDependOnTheirNeighbours) {
  const DType dtype = GetParam();
  const int64_t k = 256;
  const int64_t n = 40;
  const int64_t m = 70;
  const Storage w = RandomWeights(dtype, n, k, 3);
  const std::vector<float> x = RandomFloats(m * k, 4);
  for (const Numerics numerics : {Numerics::kPortable, Numerics::kFast}) {
    for (const Backend* backend : SimdBackends()) {
      const auto all = RunMatMul(*backend, 3, w.view(), x, k, m, nullptr, numerics);
      for (const int64_t row : {0, 1, 33, 69}) {
        const std::vector<float> one(x.begin() + row * k, x.begin() + (row + 1) * k);
        const auto alone = RunMatMul(*backend, 1, w.view(), one, k, 1, nullptr, numerics);
        const std::vector<float> together(all.begin() + row * n, all.begin() + (row + 1) * n);
        ExpectSameBits(together, alone, fmt::format("{} row {}", backend->name(), row));
      }
    }
  }
}

TEST_P(MatMulOf, ZeroInfinityAndNaNActivations) {
  const DType dtype = GetParam();
  const int64_t k = 256;
  const Storage w = RandomWeights(dtype, 20, k, 3);
  for (const float bad : {0.0f, 1e-42f, 1e38f, INFINITY, -INFINITY, NAN}) {
    for (const int64_t m : {2, 26}) {
      std::vector<float> x = RandomFloats(m * k, 4);
      std::fill(x.begin(), x.begin() + 32, bad);
      const auto want = RunMatMul(RefBackend(), 1, w.view(), x, k, m, nullptr);
      for (const Backend* backend : SimdBackends()) {
        ExpectSameBits(RunMatMul(*backend, 1, w.view(), x, k, m, nullptr), want,
                       fmt::format("{} with {}, m={}", backend->name(), bad, m));
      }
    }
  }
}

// More than are met at once, and jobs of different lengths.
TEST_P(MatMulOf, ManyTokens) {
  const int64_t k = Info(GetParam()).block_elements == 1 ? 40 : 256;
  const Storage w = RandomWeights(GetParam(), 19, k, 3);
  const Storage v = RandomWeights(GetParam(), 3, k, 4);
  const int64_t m = 1030;
  const std::vector<float> x = RandomFloats(m * k, 5);
  const auto run = [&](const Backend& backend) {
    ThreadPool pool(2);
    Context cx(&backend, &pool, Numerics::kPortable);
    std::vector<float> y(static_cast<size_t>(m * 24 + 530 * 3), -1.0f);
    const MatMulJob jobs[] = {
        {.x = x.data(), .x_stride = k, .m = m, .w = w.view(), .y = y.data(), .y_stride = 24},
        {.x = x.data(),
         .x_stride = k,
         .m = 530,
         .w = v.view(),
         .y = y.data() + m * 24,
         .y_stride = 3}};
    backend.MatMul(cx, jobs);
    return y;
  };
  for (const Backend* backend : SimdBackends()) {
    ExpectSameBits(run(*backend), run(RefBackend()), std::string(backend->name()));
  }
}

std::string NameOf(const testing::TestParamInfo<DType>& info) {
  return std::string(Info(info.param).name);
}

INSTANTIATE_TEST_SUITE_P(DTypes, MatMulOf,
                         testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0,
                                         DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                                         DType::kQ4_K, DType::kQ5_K, DType::kQ6_K),
                         NameOf);

// The largest sums that a block can have, of both signs: none may overflow on the way.
class QuantizedMatMul : public testing::TestWithParam<DType> {};

TEST_P(QuantizedMatMul, ExtremeCodes) {
  const DType dtype = GetParam();
  const int64_t k = 256;
  const int64_t n = 16;
  for (const int byte : {0x00, 0x7F, 0x80, 0x81, 0xFF}) {
    Storage w(dtype, {n, k});
    std::fill_n(w.data(), w.view().bytes(), static_cast<std::byte>(byte));
    SetFloatScales(&w, Rng(1, 2));
    for (const int64_t m : {1, 4, 8, 16}) {
      std::vector<float> x(static_cast<size_t>(m * k));
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t token = i / static_cast<size_t>(k);
        x[i] = token % 4 == 3 ? (i % 2 == 0 ? 1.0f : -1.0f) : token % 2 == 0 ? 1.0f : -1.0f;
      }
      const auto want = RunMatMul(RefBackend(), 1, w.view(), x, k, m, nullptr);
      for (const Backend* backend : SimdBackends()) {
        const auto got = RunMatMul(*backend, 1, w.view(), x, k, m, nullptr);
        ExpectSameBits(got, want, fmt::format("{} byte {:#x} m={}", backend->name(), byte, m));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, QuantizedMatMul,
                         testing::Values(DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                         DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K),
                         NameOf);

TEST(MatMul, SeveralJobsAtOnce) {
  const int64_t k = 64;
  const std::vector<float> x = RandomFloats(12 * k, 1);
  const std::vector<float> other = RandomFloats(3 * k, 2);
  const Storage a = RandomWeights(DType::kQ8_0, 33, k, 1);
  const Storage b = RandomWeights(DType::kF32, 5, k, 2);
  const Storage c = RandomWeights(DType::kQ4_1, 16, k, 3);
  const auto run = [&](const Backend& backend) {
    ThreadPool pool(2);
    Context cx(&backend, &pool, Numerics::kPortable);
    std::vector<float> y(12 * 33 + 12 * 5 + 3 * 16 + 12 * 16);
    const MatMulJob jobs[] = {
        {.x = x.data(), .x_stride = k, .m = 12, .w = a.view(), .y = y.data(), .y_stride = 33},
        {.x = x.data(), .x_stride = k, .m = 12, .w = b.view(), .y = y.data() + 396, .y_stride = 5},
        {.x = other.data(), .x_stride = k, .m = 0, .w = c.view(), .y = nullptr, .y_stride = 16},
        {.x = other.data(),
         .x_stride = k,
         .m = 3,
         .w = c.view(),
         .y = y.data() + 456,
         .y_stride = 16},
        {.x = x.data(),
         .x_stride = k,
         .m = 12,
         .w = c.view(),
         .y = y.data() + 504,
         .y_stride = 16}};
    backend.MatMul(cx, jobs);
    return y;
  };
  for (const Backend* backend : SimdBackends()) {
    ExpectSameBits(run(*backend), run(RefBackend()), std::string(backend->name()));
  }
}

TEST(MatMul, FastBf16IsCloseToPortable) {
  const int64_t k = 500;
  const Storage w = RandomWeights(DType::kBF16, 37, k, 3);
  const std::vector<float> x = RandomFloats(9 * k, 4);
  const auto want = RunMatMul(RefBackend(), 1, w.view(), x, k, 9, nullptr);
  for (const Backend* backend : SimdBackends()) {
    const auto got = RunMatMul(*backend, 2, w.view(), x, k, 9, nullptr, Numerics::kFast);
    for (size_t i = 0; i < got.size(); ++i) {
      // x loses 8 of 24 bits: 2^-9 relative for each of 500 terms of size about 0.25 * 2.
      EXPECT_NEAR(got[i], want[i], 0.25);
    }
  }
}

struct AttentionCase {
  int64_t n_heads, n_kv_heads, qk_dim, v_dim;
  bool latent, paged;
  bool in_units = false;  // the same keys, laid out so
  bool half = false;      // the same keys, rounded
};

std::vector<uint16_t> Halfs(const std::vector<float>& x) {
  std::vector<uint16_t> y(x.size());
  ThreadPool pool(1);
  Context cx(&RefBackend(), &pool, Numerics::kPortable);
  RefBackend().Narrow(cx, x.data(), y.data(), static_cast<int64_t>(x.size()));
  return y;
}

std::vector<float> RunAttention(const Backend& backend, int threads, const AttentionCase& c,
                                const std::vector<std::pair<int64_t, int64_t>>& queries) {
  const int64_t rows = 2048;
  const int64_t k_width = c.n_kv_heads * c.qk_dim;
  const int64_t v_width = c.n_kv_heads * c.v_dim;
  std::vector<float> k = RandomFloats(rows * k_width, 1);
  std::vector<float> v = RandomFloats(rows * v_width, 2);
  if (c.in_units) {
    const std::vector<float> k_rows = k;
    const std::vector<float> v_rows = v;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t unit = r / 16 * 16;
      for (int64_t i = 0; i < k_width; ++i) {
        k[static_cast<size_t>(unit * k_width + i * 16 + r % 16)] =
            k_rows[static_cast<size_t>(r * k_width + i)];
      }
      for (int64_t i = 0; i < v_width; ++i) {
        const int64_t head = i / c.v_dim;
        v[static_cast<size_t>(unit * v_width + (head * 16 + r % 16) * c.v_dim + i % c.v_dim)] =
            v_rows[static_cast<size_t>(r * v_width + i)];
      }
    }
  }
  const std::vector<uint16_t> k_half = Halfs(k);
  const std::vector<uint16_t> v_half = Halfs(v);
  const auto* k_data = c.half ? static_cast<const void*>(k_half.data()) : k.data();
  const auto* v_data = c.half ? static_cast<const void*>(v_half.data()) : v.data();
  std::vector<int32_t> pages(64);
  for (int32_t i = 0; i < 64; ++i) pages[static_cast<size_t>(i)] = i * 37 % 64;  // 32 rows each
  std::vector<AttentionSequence> sequences;
  int64_t tokens = 0;
  for (const auto& [first, count] : queries) {
    sequences.push_back({.first_query = tokens,
                         .queries = count,
                         .first_position = first,
                         .pages = c.paged ? pages.data() : nullptr,
                         .first_row = 0});
    tokens += count;
  }
  const std::vector<float> q = RandomFloats(tokens * c.n_heads * c.qk_dim, 3);
  std::vector<float> out(static_cast<size_t>(tokens * c.n_heads * c.v_dim), -1.0f);
  ThreadPool pool(threads);
  Context cx(&backend, &pool, Numerics::kPortable);
  AttentionArgs args = {.q = q.data(),
                        .out = out.data(),
                        .n_heads = c.n_heads,
                        .n_kv_heads = c.n_kv_heads,
                        .qk_dim = c.qk_dim,
                        .v_dim = c.v_dim,
                        .scale = 0.11f,
                        .kv = {.k = k_data,
                               .k_row_stride = k_width,
                               .k_head_stride = c.qk_dim,
                               .v = c.latent ? k_data : v_data,
                               .v_row_stride = c.latent ? k_width : v_width,
                               .v_head_stride = c.latent ? c.qk_dim : c.v_dim,
                               .dtype = c.half ? DType::kF16 : DType::kF32,
                               .page_tokens = c.paged ? 32 : 0,
                               .in_units = c.in_units},
                        .sequences = sequences};
  backend.Attention(cx, args);
  return out;
}

TEST(Attention, EqualsTheReference) {
  const AttentionCase cases[] = {{9, 3, 64, 64, false, true},   {4, 4, 20, 12, false, false},
                                 {2, 1, 128, 128, false, true}, {6, 1, 72, 64, true, true},
                                 {3, 3, 7, 5, false, false},    {70, 1, 24, 16, true, false}};
  const std::vector<std::vector<std::pair<int64_t, int64_t>>> batches = {
      {{0, 1}}, {{0, 40}}, {{255, 3}}, {{600, 1}, {3, 1}}, {{250, 30}, {0, 2}, {1023, 1}}};
  for (AttentionCase c : cases) {
    for (size_t i = 0; i < 2 * batches.size(); ++i) {
      const auto& batch = batches[i / 2];
      c.half = i % 2 == 1;
      c.in_units = false;
      const auto want = RunAttention(RefBackend(), 1, c, batch);
      c.in_units = c.paged && !c.latent;
      ExpectSameBits(RunAttention(RefBackend(), 1, c, batch), want, "ref");
      for (const Backend* backend : SimdBackends()) {
        for (const int threads : {1, 3}) {
          ExpectSameBits(RunAttention(*backend, threads, c, batch), want,
                         fmt::format("{} heads {} dim {}", backend->name(), c.n_heads, c.qk_dim));
        }
      }
    }
  }
}

TEST(Attention, ChunksGiveTheSameBits) {
  const AttentionCase c = {9, 3, 64, 64, false, true};
  for (const Backend* backend : SimdBackends()) {
    const auto whole = RunAttention(*backend, 2, c, {{0, 700}});
    // RandomFloats(q) starts alike, so the first query rows are those of the whole.
    const auto part = RunAttention(*backend, 1, c, {{0, 300}});
    const std::vector<float> head(whole.begin(), whole.begin() + static_cast<int64_t>(part.size()));
    ExpectSameBits(part, head, std::string(backend->name()));
  }
}

TEST(Narrow, EqualsTheReference) {
  std::vector<float> x = RandomFloats(1000, 5);
  for (size_t i = 0; i < 200; ++i) x[i] = std::ldexp(x[i], static_cast<int>(i) - 130);
  const float odd[] = {65504.0f, 65519.9f, 65520.0f, -1e30f, INFINITY, -INFINITY, -0.0f, 1e-45f};
  std::copy(std::begin(odd), std::end(odd), x.begin() + 300);
  const std::vector<uint16_t> want = Halfs(x);
  EXPECT_EQ(want[301], 0x7BFF);
  EXPECT_EQ(want[302], 0x7BFF);
  EXPECT_EQ(want[303], 0xFBFF);
  EXPECT_EQ(want[304], 0x7C00);
  x[400] = NAN;
  for (const Backend* backend : SimdBackends()) {
    for (const int64_t n : {1, 7, 16, 37, 1000}) {
      ThreadPool pool(2);
      Context cx(backend, &pool, Numerics::kPortable);
      std::vector<uint16_t> got(static_cast<size_t>(n));
      backend->Narrow(cx, x.data(), got.data(), n);
      for (size_t i = 0; i < got.size(); ++i) {
        if (i == 400) {
          EXPECT_TRUE(std::isnan(HalfToFloat(got[i])));
          continue;
        }
        EXPECT_EQ(got[i], want[i]) << backend->name() << " " << x[i];
      }
    }
  }
}

TEST(Elementwise, EqualsTheReference) {
  for (const int64_t n : {1, 3, 8, 15, 16, 17, 40, 1000}) {
    std::vector<float> x = RandomFloats(3 * n, 1);
    const std::vector<float> w = RandomFloats(3 * n, 2);
    x[0] = 100;
    if (n > 3) {
      x[1] = -100;
      x[2] = INFINITY;
      x[3] = NAN;
    }
    const auto run = [&](const Backend& backend, int which) {
      ThreadPool pool(2);
      Context cx(&backend, &pool, Numerics::kPortable);
      std::vector<float> y = w;
      switch (which) {
        case 0:
          backend.SiluMul(cx, x.data(), w.data(), y.data(), 3 * n);
          break;
        case 1:
          backend.Add(cx, x.data(), y.data(), 3 * n);
          break;
        case 2:
          backend.Sigmoid(cx, x.data(), y.data(), 3 * n);
          break;
        case 3:
          backend.RmsNorm(cx, {.x = w.data(),
                               .x_stride = n,
                               .weight = w.data() + n,
                               .eps = 1e-5f,
                               .rows = 3,
                               .cols = n,
                               .y = y.data(),
                               .y_stride = n});
          break;
        case 4: {
          const int32_t rows[] = {2, 0, -1, 1, 1, 2};
          const std::vector<float> weights = RandomFloats(6, 3);
          backend.AddWeightedRows(cx, w.data(), rows, weights.data(), 3, 2, y.data(), n);
          break;
        }
        default:
          y.resize(3);
          backend.LogSumExp(cx, w.data(), 3, n, y.data());
      }
      return y;
    };
    for (const Backend* backend : SimdBackends()) {
      for (int which = 0; which < 6; ++which) {
        ExpectSameBits(run(*backend, which), run(RefBackend(), which),
                       fmt::format("{} function {} n {}", backend->name(), which, n));
      }
    }
  }
}

TEST(Rope, EqualsTheReference) {
  for (const int64_t dim : {2, 6, 16, 34, 64, 128}) {
    const std::vector<float> start = RandomFloats(4 * 3 * dim, 1);
    const std::vector<float> cos = RandomFloats(10 * dim / 2, 2);
    const std::vector<float> sin = RandomFloats(10 * dim / 2, 3);
    const int32_t positions[] = {0, 9, 4, 4};
    for (const RopeLayout layout : {RopeLayout::kHalf, RopeLayout::kInterleaved}) {
      const auto run = [&](const Backend& backend) {
        ThreadPool pool(1);
        Context cx(&backend, &pool, Numerics::kPortable);
        std::vector<float> x = start;
        backend.Rope(cx, {.x = x.data(),
                          .rows = 4,
                          .row_stride = 3 * dim,
                          .heads = 3,
                          .head_stride = dim,
                          .dim = dim,
                          .layout = layout,
                          .cos = cos.data(),
                          .sin = sin.data(),
                          .positions = positions});
        return x;
      };
      for (const Backend* backend : SimdBackends()) {
        ExpectSameBits(run(*backend), run(RefBackend()), fmt::format("dim {}", dim));
      }
    }
  }
}

TEST(Embed, EqualsTheReference) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    const Storage table = RandomWeights(dtype, 9, 256, 1);
    const std::vector<int32_t> ids = {8, 0, 3, 3};
    const auto run = [&](const Backend& backend) {
      ThreadPool pool(2);
      Context cx(&backend, &pool, Numerics::kPortable);
      std::vector<float> y(4 * 256);
      backend.Embed(cx, table.view(), ids, y.data());
      return y;
    };
    for (const Backend* backend : SimdBackends()) {
      ExpectSameBits(run(*backend), run(RefBackend()), std::string(Info(dtype).name));
    }
  }
}

// The reference itself against plain arithmetic in double.
TEST(Reference, MatMulIsAProduct) {
  const int64_t k = 256;
  const std::vector<float> x = RandomFloats(k, 4);
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    const Storage w = RandomWeights(dtype, 6, k, 3);
    ThreadPool pool(1);
    Context cx(&RefBackend(), &pool, Numerics::kPortable);
    std::vector<float> dense(6 * 256);
    const std::vector<int32_t> all = {0, 1, 2, 3, 4, 5};
    RefBackend().Embed(cx, w.view(), all, dense.data());
    const auto got = RunMatMul(RefBackend(), 1, w.view(), x, k, 1, nullptr);
    for (size_t r = 0; r < 6; ++r) {
      double exact = 0;
      double size = 0;
      for (size_t j = 0; j < 256; ++j) {
        const double term = double{dense[r * 256 + j]} * x[j];
        exact += term;
        size += std::abs(dense[r * 256 + j]);
      }
      // Quantised activations: at most half a step of 80 / 127 for each.
      const double bound = Info(dtype).quantized ? size * 80 / 127 / 2 : 1e-3;
      EXPECT_NEAR(got[r], exact, bound) << Info(dtype).name;
    }
  }
}

TEST(ChooseBackend, NamesWhatThisMachineHas) {
  EXPECT_EQ((*ChooseBackend("ref"))->name(), "ref");
  EXPECT_EQ(*ChooseBackend(""), AvailableBackends().front());
  const auto bad = ChooseBackend("sse9");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.status().message().find("sse9"), std::string::npos);
  EXPECT_NE(bad.status().message().find("ref"), std::string::npos);
}

}  // namespace
}  // namespace aha::kernels
