// Backward functions: the reference against finite differences in double, every other backend
// against the reference with ==.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "tensor/storage.h"

namespace aha::kernels {
namespace {

using Floats = std::vector<float>;

Floats Random(int64_t n, uint64_t seed, double scale = 1) {
  const Rng rng(seed, 3);
  Floats values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((rng.Uniform(i) * 2 - 1) * scale);
  }
  return values;
}

void ExpectSame(const Floats& got, const Floats& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want[i]))
        << what << ": element " << i << " is " << got[i] << ", reference " << want[i];
  }
}

// What `run` gives on the reference, then the same on each backend with 1 to 4 threads.
void ExpectSameOnAll(const std::function<Floats(const Backend&, Context&)>& run,
                     const std::string& what) {
  ThreadPool one(1);
  Context ref_cx(&RefBackend(), &one, Numerics::kPortable);
  const Floats want = run(RefBackend(), ref_cx);
  for (const Backend* backend : AvailableBackends()) {
    for (const int threads : {1, 2, 4}) {
      ThreadPool pool(threads);
      Context cx(backend, &pool, Numerics::kPortable);
      ExpectSame(run(*backend, cx), want,
                 what + " on " + std::string(backend->name()) + " x" + std::to_string(threads));
    }
  }
}

// d f / d x[i] by central differences, against `gradient`. f is a sum of O(1) terms computed in
// float, so its own rounding (about 1e-6 of it) over the step bounds the error.
void ExpectGradient(const std::function<double()>& f, Floats& x, const Floats& gradient,
                    double tolerance, const std::string& what) {
  constexpr float kStep = 1e-2f;
  for (size_t i = 0; i < x.size(); i += 1 + x.size() / 40) {
    const float at = x[i];
    // Two steps (Richardson): the error of the difference falls to the fourth order.
    const auto slope = [&](float step) {
      x[i] = at + step;
      const float high = x[i];
      const double up = f();
      x[i] = at - step;
      const double down = f();
      const double width = double{high} - double{x[i]};
      x[i] = at;
      return (up - down) / width;
    };
    const double d = (4 * slope(kStep / 2) - slope(kStep)) / 3;
    EXPECT_NEAR(d, gradient[i], tolerance) << what << "[" << i << "]";
  }
}

TEST(Product, EqualsTheReferenceAtEverySizeAndCut) {
  for (const int64_t m : {1, 2, 5, 6, 7, 13, 40}) {
    for (const int64_t n : {1, 15, 16, 17, 63, 64, 65, 130}) {
      for (const int64_t k : {1, 3, 17, 300}) {
        for (const bool transposed : {false, true}) {
          const Floats a = Random(m * k + 7, 1);
          const Floats b = Random(k * n + 7, 2);
          const Floats start = Random(m * (n + 3), 3);
          ExpectSameOnAll(
              [&](const Backend& backend, Context& cx) {
                Floats c = start;
                ProductJob job = {.a = a.data() + 1,
                                  .a_row_stride = transposed ? 1 : k,
                                  .a_col_stride = transposed ? m : 1,
                                  .b = reinterpret_cast<const std::byte*>(b.data() + 3),
                                  .b_row_bytes = n * 4,
                                  .m = m,
                                  .n = n,
                                  .k = k,
                                  .c = c.data(),
                                  .c_row_stride = n + 3,
                                  .accumulate = transposed};
                backend.Product(cx, {&job, 1});
                return c;
              },
              fmt::format("product {} {} {} {}", m, n, k, transposed));
        }
      }
    }
  }
}

// Several blocks of rows, runs of panels and depths, and an a with no stride of one.
TEST(Product, EqualsTheReferenceInBlocks) {
  const int64_t m = 205, n = 333, k = 270;
  const Floats a = Random(2 * m * k, 1);
  const Floats b = Random(k * n, 2);
  for (const auto& [row, col] : {std::pair{k, int64_t{1}}, {int64_t{1}, m}, {int64_t{2}, 2 * m}}) {
    ExpectSameOnAll(
        [&, row = row, col = col](const Backend& backend, Context& cx) {
          Floats c(static_cast<size_t>(m * n), 0.5f);
          ProductJob job = {.a = a.data(),
                            .a_row_stride = row,
                            .a_col_stride = col,
                            .b = reinterpret_cast<const std::byte*>(b.data()),
                            .b_row_bytes = n * 4,
                            .m = m,
                            .n = n,
                            .k = k,
                            .c = c.data(),
                            .c_row_stride = n,
                            .accumulate = row == 1};
          backend.Product(cx, {&job, 1});
          job.n = 17;  // and again, shallow: k = 0 is a sum of nothing
          job.k = 0;
          backend.Product(cx, {&job, 1});
          return c;
        },
        fmt::format("strides {} {}", row, col));
  }
}

TEST(Product, ASumCutInTwoHasTheSameBits) {
  const int64_t m = 20, n = 70, k = 90;
  const Floats a = Random(m * k, 1);
  const Floats b = Random(k * n, 2);
  for (const Backend* backend : AvailableBackends()) {
    ThreadPool pool(2);
    Context cx(backend, &pool, Numerics::kPortable);
    const auto run = [&](std::initializer_list<int64_t> cuts) {
      Floats c(static_cast<size_t>(m * n));
      int64_t from = 0;
      for (const int64_t to : cuts) {
        const ProductJob job = {.a = a.data() + from * m,
                                .a_row_stride = 1,
                                .a_col_stride = m,
                                .b = reinterpret_cast<const std::byte*>(b.data() + from * n),
                                .b_row_bytes = n * 4,
                                .m = m,
                                .n = n,
                                .k = to - from,
                                .c = c.data(),
                                .c_row_stride = n,
                                .accumulate = true};
        backend->Product(cx, {&job, 1});
        from = to;
      }
      return c;
    };
    ExpectSame(run({1, 34, 90}), run({90}), std::string(backend->name()));
  }
}

TEST(Product, WidensStoredWeights) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_K}) {
    const int64_t m = 9, n = dtype == DType::kQ4_K ? 512 : 96, k = 20;
    Storage w(dtype, {k, n});
    const Rng rng(5, 5);
    for (int64_t i = 0; i < w.view().bytes(); ++i) {
      // Exponents of scales and halves kept small: no infinities.
      w.data()[i] = static_cast<std::byte>(rng.Bits(static_cast<uint64_t>(i)) & 0x3B);
    }
    const Floats a = Random(m * k, 1);
    ExpectSameOnAll(
        [&](const Backend& backend, Context& cx) {
          Floats c(static_cast<size_t>(m * n));
          const ProductJob job = {.a = a.data(),
                                  .a_row_stride = k,
                                  .a_col_stride = 1,
                                  .b = w.view().data,
                                  .b_dtype = dtype,
                                  .b_row_bytes = w.view().row_bytes(),
                                  .m = m,
                                  .n = n,
                                  .k = k,
                                  .c = c.data(),
                                  .c_row_stride = n};
          backend.Product(cx, {&job, 1});
          return c;
        },
        std::string(Info(dtype).name));
  }
}

TEST(RmsNormBackward, IsTheSlopeAndTheSameEverywhere) {
  for (const int64_t cols : {1, 7, 16, 50, 64}) {
    const int64_t rows = 5;
    Floats x = Random(rows * cols, 1);
    Floats w = Random(cols, 2);
    const Floats dy = Random(rows * cols, 4);
    const auto run = [&](const Backend& backend, Context& cx) {
      Floats out = Random(rows * cols + cols, 9, cols == 7 ? 1 : 0);  // it adds
      RmsNormBackwardArgs args;
      args.forward = {.x = x.data(),
                      .x_stride = cols,
                      .weight = w.data(),
                      .eps = 1e-2f,
                      .rows = rows,
                      .cols = cols};
      args.dy = dy.data();
      args.dx = out.data();
      args.dw = out.data() + rows * cols;
      backend.RmsNormBackward(cx, args);
      return out;
    };
    ExpectSameOnAll(run, "rms_norm " + std::to_string(cols));
    if (cols == 7) continue;
    ThreadPool pool(1);
    Context cx(&RefBackend(), &pool, Numerics::kPortable);
    const Floats gradient = run(RefBackend(), cx);
    const auto f = [&] {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r) {
        double squares = 0;
        for (int64_t i = 0; i < cols; ++i) squares += std::pow(double{x[r * cols + i]}, 2);
        const double scale = 1 / std::sqrt(squares / static_cast<double>(cols) + double{1e-2f});
        for (int64_t i = 0; i < cols; ++i) {
          sum += double{dy[r * cols + i]} * double{x[r * cols + i]} * scale * double{w[i]};
        }
      }
      return sum;
    };
    ExpectGradient(f, x, {gradient.begin(), gradient.begin() + rows * cols}, 2e-4, "dx");
    ExpectGradient(f, w, {gradient.begin() + rows * cols, gradient.end()}, 2e-4, "dw");
  }
}

TEST(SiluMulBackward, IsTheSlopeAndTheSameEverywhere) {
  const int64_t n = 53;
  Floats gate = Random(n, 1, 4);
  Floats up = Random(n, 2);
  const Floats dy = Random(n, 3);
  const auto run = [&](const Backend& backend, Context& cx) {
    Floats out(2 * n);
    backend.SiluMulBackward(cx, gate.data(), up.data(), dy.data(), out.data(), out.data() + n, n);
    return out;
  };
  ExpectSameOnAll(run, "silu_mul");
  ThreadPool pool(1);
  Context cx(&RefBackend(), &pool, Numerics::kPortable);
  const Floats gradient = run(RefBackend(), cx);
  const auto f = [&] {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double g = gate[i];
      sum += double{dy[i]} * g / (1 + std::exp(-g)) * double{up[i]};
    }
    return sum;
  };
  ExpectGradient(f, gate, {gradient.begin(), gradient.begin() + n}, 1e-5, "dgate");
  ExpectGradient(f, up, {gradient.begin() + n, gradient.end()}, 1e-5, "dup");
}

TEST(LogProbsBackward, IsTheSlopeAndTheSameEverywhere) {
  for (const float inverse_temperature : {1.0f, 1.25f}) {
    const int64_t rows = 3, cols = 37;
    Floats x = Random(rows * cols, 1, 3);
    const std::vector<int32_t> targets = {0, 36, 20};
    const Floats dlogprob = Random(rows, 2);
    const Floats dentropy = Random(rows, 3);
    const auto run = [&](const Backend& backend, Context& cx) {
      Floats out = x;
      Floats row(3 * rows);
      backend.LogProbs(cx, x.data(), rows, cols, targets.data(), inverse_temperature, row.data(),
                       row.data() + rows, row.data() + 2 * rows);
      backend.LogProbsBackward(cx, out.data(), rows, cols, targets.data(), inverse_temperature,
                               row.data() + rows, row.data() + 2 * rows, dlogprob.data(),
                               dentropy.data());
      out.insert(out.end(), row.begin(), row.end());
      return out;
    };
    ExpectSameOnAll(run, "log_probs");
    ThreadPool pool(1);
    Context cx(&RefBackend(), &pool, Numerics::kPortable);
    const Floats gradient = run(RefBackend(), cx);
    const auto f = [&] {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r) {
        double total = 0;
        for (int64_t c = 0; c < cols; ++c) {
          total += std::exp(double{x[r * cols + c]} * double{inverse_temperature});
        }
        const double lse = std::log(total);
        for (int64_t c = 0; c < cols; ++c) {
          const double lp = double{x[r * cols + c]} * double{inverse_temperature} - lse;
          if (c == targets[static_cast<size_t>(r)]) sum += double{dlogprob[r]} * lp;
          sum -= double{dentropy[r]} * std::exp(lp) * lp;
        }
      }
      return sum;
    };
    ExpectGradient(f, x, {gradient.begin(), gradient.begin() + rows * cols}, 1e-5, "dlogits");
  }
}

struct AttentionCase {
  int64_t heads, kv_heads, qk_dim, v_dim;
  bool latent;
  std::vector<int64_t> lengths;
};

// Documents packed in contiguous rows; out and lse of the forward, then dq, dk, dv.
Floats RunAttention(const AttentionCase& c, const Floats& q, const Floats& k, const Floats& v,
                    const Floats& dout, const Backend& backend, Context& cx, Floats* forward_out) {
  int64_t tokens = 0;
  std::vector<AttentionSequence> sequences;
  for (const int64_t n : c.lengths) {
    sequences.push_back({.first_query = tokens, .queries = n, .first_row = tokens});
    tokens += n;
  }
  Floats out(static_cast<size_t>(tokens * c.heads * c.v_dim));
  Floats lse(static_cast<size_t>(tokens * c.heads));
  const int64_t k_row = c.kv_heads * c.qk_dim;
  const int64_t v_row = c.kv_heads * c.v_dim;
  AttentionBackwardArgs args;
  args.forward = {.q = q.data(),
                  .out = out.data(),
                  .n_heads = c.heads,
                  .n_kv_heads = c.kv_heads,
                  .qk_dim = c.qk_dim,
                  .v_dim = c.v_dim,
                  .scale = 0.3f,
                  .kv = {.k = k.data(),
                         .k_row_stride = k_row,
                         .k_head_stride = c.qk_dim,
                         .v = c.latent ? k.data() : v.data(),
                         .v_row_stride = c.latent ? k_row : v_row,
                         .v_head_stride = c.latent ? c.qk_dim : c.v_dim},
                  .sequences = sequences,
                  .lse = lse.data()};
  backend.Attention(cx, args.forward);
  Floats grads(q.size() + k.size() + v.size());
  args.dout = dout.data();
  args.dq = grads.data();
  args.dk = grads.data() + q.size();
  args.dv = c.latent ? args.dk : args.dk + k.size();
  backend.AttentionBackward(cx, args);
  if (forward_out != nullptr) *forward_out = out;
  grads.insert(grads.end(), lse.begin(), lse.end());
  return grads;
}

TEST(AttentionBackward, IsTheSlopeAndTheSameEverywhere) {
  const std::vector<AttentionCase> cases = {
      {2, 1, 5, 4, false, {3, 1, 7}}, {3, 3, 8, 8, false, {40}},   {4, 2, 16, 16, false, {20, 33}},
      {2, 1, 12, 8, true, {9, 4}},    {3, 1, 80, 48, false, {37}}, {2, 2, 72, 64, true, {50, 3}},
      {1, 1, 4, 4, false, {300}}};
  for (const AttentionCase& c : cases) {
    int64_t tokens = 0;
    for (const int64_t n : c.lengths) tokens += n;
    Floats q = Random(tokens * c.heads * c.qk_dim, 1);
    Floats k = Random(tokens * c.kv_heads * c.qk_dim, 2);
    Floats v = Random(c.latent ? 0 : tokens * c.kv_heads * c.v_dim, 3);
    const Floats dout = Random(tokens * c.heads * c.v_dim, 4);
    ExpectSameOnAll(
        [&](const Backend& backend, Context& cx) {
          return RunAttention(c, q, k, v, dout, backend, cx, nullptr);
        },
        fmt::format("attention of {} tokens", tokens));
    ThreadPool pool(1);
    Context cx(&RefBackend(), &pool, Numerics::kPortable);
    const Floats gradient = RunAttention(c, q, k, v, dout, RefBackend(), cx, nullptr);
    const auto f = [&] {
      double sum = 0;
      int64_t first = 0;
      for (const int64_t n : c.lengths) {
        for (int64_t i = 0; i < n * c.heads; ++i) {
          const int64_t at = first * c.heads + i;
          const int64_t kv = i % c.heads / (c.heads / c.kv_heads);
          std::vector<double> p;
          double total = 0;
          for (int64_t t = 0; t <= i / c.heads; ++t) {
            double score = 0;
            for (int64_t d = 0; d < c.qk_dim; ++d) {
              score += double{q[at * c.qk_dim + d]} *
                       double{k[((first + t) * c.kv_heads + kv) * c.qk_dim + d]};
            }
            p.push_back(std::exp(score * double{0.3f}));
            total += p.back();
          }
          for (size_t t = 0; t < p.size(); ++t) {
            for (int64_t d = 0; d < c.v_dim; ++d) {
              const int64_t row = (first + static_cast<int64_t>(t)) * c.kv_heads + kv;
              const double value = c.latent ? k[row * c.qk_dim + d] : v[row * c.v_dim + d];
              sum += p[t] / total * value * double{dout[at * c.v_dim + d]};
            }
          }
        }
        first += n;
      }
      return sum;
    };
    const auto part = [&](size_t from, size_t n) {
      return Floats(gradient.begin() + static_cast<int64_t>(from),
                    gradient.begin() + static_cast<int64_t>(from + n));
    };
    ExpectGradient(f, q, part(0, q.size()), 1e-5, "dq");
    ExpectGradient(f, k, part(q.size(), k.size()), 1e-4, "dk");
    if (!c.latent) ExpectGradient(f, v, part(q.size() + k.size(), v.size()), 1e-4, "dv");
  }
}

TEST(Rope, InverseRotatesBack) {
  for (const Backend* backend : AvailableBackends()) {
    for (const RopeLayout layout : {RopeLayout::kHalf, RopeLayout::kInterleaved}) {
      ThreadPool pool(1);
      Context cx(backend, &pool, Numerics::kPortable);
      const Floats x = Random(2 * 38, 1);
      Floats y = x;
      Floats cos, sin;
      for (int i = 0; i < 19; ++i) {
        cos.push_back(std::cos(0.1f * static_cast<float>(i)));
        sin.push_back(std::sin(0.1f * static_cast<float>(i)));
      }
      const int32_t positions[] = {0};
      RopeArgs args = {.x = y.data(),
                       .rows = 1,
                       .row_stride = 76,
                       .heads = 2,
                       .head_stride = 38,
                       .dim = 38,
                       .layout = layout,
                       .cos = cos.data(),
                       .sin = sin.data(),
                       .positions = positions};
      backend->Rope(cx, args);
      args.inverse = true;
      backend->Rope(cx, args);
      // Two rotations, each rounded twice: a few ulp of values below 2.
      for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], x[i], 1e-6) << backend->name();
    }
  }
}

TEST(AddRows, AreTheSameEverywhere) {
  const std::vector<int32_t> ids = {2, 0, 2, 2, 1};
  const Floats x = Random(5 * 35, 1);
  ExpectSameOnAll(
      [&](const Backend& backend, Context& cx) {
        Floats out(3 * 35 + 35);
        backend.AddToRows(cx, x.data(), ids, out.data(), 35);
        backend.AddRowsTo(cx, x.data(), 5, 35, out.data() + 3 * 35);
        return out;
      },
      "rows");
}

// More rows and columns than one thread takes, and rows that end within a register.
TEST(AddRows, AreTheSameInChunks) {
  const int64_t rows = 300, cols = 333;
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < rows; ++i) ids.push_back(i * 7 % 11);
  const Floats x = Random(rows * cols, 1);
  const Floats dy = Random(rows * cols, 2);
  const Floats w = Random(cols, 3);
  ExpectSameOnAll(
      [&](const Backend& backend, Context& cx) {
        Floats out(static_cast<size_t>(13 * cols));
        backend.AddToRows(cx, x.data(), ids, out.data(), cols);
        backend.AddRowsTo(cx, x.data(), rows, cols, out.data() + 11 * cols);
        RmsNormBackwardArgs args;
        args.forward = {.x = x.data(),
                        .x_stride = cols,
                        .weight = w.data(),
                        .eps = 1e-5f,
                        .rows = rows,
                        .cols = cols};
        args.dy = dy.data();
        args.dw = out.data() + 12 * cols;
        backend.RmsNormBackward(cx, args);
        for (const int64_t n :
             {int64_t{0}, int64_t{5}, int64_t{16}, kSumChunk + 21, int64_t{90000}}) {
          const double sum = backend.SumOfSquares(cx, x.data() + 3, n);
          float halves[2];
          std::memcpy(halves, &sum, sizeof(sum));
          out.insert(out.end(), halves, halves + 2);
        }
        return out;
      },
      "chunks");
}

TEST(AdamW, IsTheFormulaAndTheSameEverywhere) {
  const int64_t n = 40000;
  const Floats weight = Random(n, 1);
  const Floats gradient = Random(n, 2);
  const auto run = [&](const Backend& backend, Context& cx) {
    Floats w = weight;
    Floats m(static_cast<size_t>(n)), v(static_cast<size_t>(n));
    for (int step = 1; step <= 3; ++step) {
      backend.AdamW(cx, {.weight = w.data(),
                         .gradient = gradient.data(),
                         .m = m.data(),
                         .v = v.data(),
                         .n = n,
                         .gradient_scale = 0.5f,
                         .lr = 0.01f,
                         .beta1 = 0.9f,
                         .beta2 = 0.98f,
                         .eps = 1e-8f,
                         .weight_decay = 0.1f,
                         .bias_correction1 = static_cast<float>(1 - std::pow(0.9, step)),
                         .bias_correction2 = static_cast<float>(1 - std::pow(0.98, step))});
    }
    w.push_back(static_cast<float>(backend.SumOfSquares(cx, w.data(), n)));
    return w;
  };
  ExpectSameOnAll(run, "adam_w");
  ThreadPool pool(1);
  Context cx(&RefBackend(), &pool, Numerics::kPortable);
  const Floats got = run(RefBackend(), cx);
  double squares = 0;
  for (size_t i = 0; i < weight.size(); ++i) {
    double w = weight[i], m = 0, v = 0;
    for (int step = 1; step <= 3; ++step) {
      const double g = double{gradient[i]} * 0.5;
      m = 0.9 * m + 0.1 * g;
      v = 0.98 * v + 0.02 * g * g;
      const double mean = m / (1 - std::pow(0.9, step));
      const double spread = std::sqrt(v / (1 - std::pow(0.98, step)));
      w -= 0.01 * 0.1 * w + 0.01 * mean / (spread + 1e-8);
    }
    ASSERT_NEAR(got[i], w, 1e-5);
    squares += double{got[i]} * double{got[i]};
  }
  EXPECT_NEAR(got.back(), squares, 1e-6 * squares);
}

}  // namespace
}  // namespace aha::kernels
