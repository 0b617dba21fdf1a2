// MatMul, attention and their gradients against the machine's limits, measured in the same run.
//   kernels_bench [threads] [backend] [forward|backward]
// Each line: shape, time, GB/s of weights or Gop/s, and the share of the limit.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <tuple>

#include "base/rng.h"
#include "kernels/machine_limits.h"
#include "tensor/storage.h"

namespace aha::kernels {
namespace {

// With one thread, the thread's own time, which other work on the machine does not add to.
bool one_thread = false;
double Seconds() {
  if (one_thread) {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds a call takes: the median when AHA_BENCH=median, else the best, which says more of the
// code on a machine with other work.
template <typename F>
double Time(const F& f) {
  std::vector<double> times;
  const double start = Seconds();
  f();
  while (times.size() < 5 || Seconds() - start < 0.4) {
    const double begin = Seconds();
    f();
    times.push_back(Seconds() - begin);
  }
  std::sort(times.begin(), times.end());
  static const bool median = std::getenv("AHA_BENCH") != nullptr;
  return median ? times[times.size() / 2] : times.front();
}

void BenchMatMul(Context& cx, const MachineLimits& limits, DType dtype, int64_t n, int64_t k,
                 int64_t m) {
  // Enough copies to leave the caches behind when few tokens are multiplied.
  const int64_t copies =
      m <= 16 ? std::max<int64_t>(1, (int64_t{192} << 20) / BytesFor(dtype, n * k)) : 1;
  std::vector<Storage> w;
  for (int64_t c = 0; c < copies; ++c) {
    w.emplace_back(dtype, Shape{n, k});
    std::memset(w.back().data(), 0x11, static_cast<size_t>(w.back().view().bytes()));
  }
  Storage x_storage(DType::kF32, Shape{m, k});  // on cache lines, as activations are
  auto* x = reinterpret_cast<float*>(x_storage.data());
  std::fill(x, x + m * k, 0.5f);
  std::vector<float> y(static_cast<size_t>(m * n));
  size_t next = 0;
  const double t = Time([&] {
    const MatMulJob job = {
        .x = x, .x_stride = k, .m = m, .w = w[next].view(), .y = y.data(), .y_stride = n};
    next = (next + 1) % w.size();
    cx.backend->MatMul(cx, {&job, 1});
  });
  const double bytes = static_cast<double>(BytesFor(dtype, n * k)) / t;
  const double ops = 2.0 * static_cast<double>(m) * static_cast<double>(n * k) / t;
  const bool fast = dtype == DType::kBF16 && cx.numerics == Numerics::kFast;
  const double limit = Info(dtype).quantized ? limits.int8_dot_ops
                       : fast                ? limits.bf16_dot_flops
                                             : limits.fma_flops;
  fmt::print(
      "{:6} {:6} {:5} x {:5}  m {:4}  {:9.1f} us  {:6.1f} GB/s {:4.0f}%  {:7.1f} Gop/s {:4.0f}%\n",
      cx.backend->name(), Info(dtype).name, n, k, m, t * 1e6, bytes / 1e9,
      100 * bytes / limits.read_bytes_per_s, ops / 1e9, 100 * ops / limit);
}

void BenchAttention(Context& cx, const MachineLimits& limits, int64_t heads, int64_t kv_heads,
                    int64_t dim, int64_t queries, int64_t first) {
  const int64_t rows = first + queries;
  std::vector<float> k(static_cast<size_t>(rows * kv_heads * dim), 0.1f);
  std::vector<float> v = k;
  std::vector<float> q(static_cast<size_t>(queries * heads * dim), 0.1f);
  std::vector<float> out(q.size());
  const AttentionSequence sequence = {.queries = queries, .first_position = first};
  const AttentionArgs args = {.q = q.data(),
                              .out = out.data(),
                              .n_heads = heads,
                              .n_kv_heads = kv_heads,
                              .qk_dim = dim,
                              .v_dim = dim,
                              .scale = 0.1f,
                              .kv = {.k = k.data(),
                                     .k_row_stride = kv_heads * dim,
                                     .k_head_stride = dim,
                                     .v = v.data(),
                                     .v_row_stride = kv_heads * dim,
                                     .v_head_stride = dim},
                              .sequences = {&sequence, 1}};
  const double t = Time([&] { cx.backend->Attention(cx, args); });
  const double pairs = static_cast<double>(queries) *
                       (static_cast<double>(first) + static_cast<double>(queries) / 2);
  const double ops = 4.0 * pairs * static_cast<double>(heads * dim) / t;
  const double bytes = static_cast<double>(k.size()) * 8 / t;
  fmt::print(
      "{:6} attention {} heads, {} kv, {} queries at {:5}  {:9.1f} us  {:6.1f} GB/s {:4.0f}%  "
      "{:7.1f} Gop/s {:4.0f}%\n",
      cx.backend->name(), heads, kv_heads, queries, first, t * 1e6, bytes / 1e9,
      100 * bytes / limits.read_bytes_per_s, ops / 1e9, 100 * ops / limits.fma_flops);
}

// A gradient of y = x w^T at `tokens` tokens: dx = dy w, or dw += dy^T x.
void BenchProduct(Context& cx, const MachineLimits& limits, bool of_weights, DType dtype,
                  int64_t tokens, int64_t out, int64_t in) {
  const int64_t b_rows = of_weights ? tokens : out;
  Storage b(dtype, {b_rows, in});
  std::memset(b.data(), 0x11, static_cast<size_t>(b.view().bytes()));
  const std::vector<float> dy(static_cast<size_t>(tokens * out), 0.5f);
  const int64_t m = of_weights ? out : tokens;
  std::vector<float> c(static_cast<size_t>(m * in));
  const ProductJob job = {.a = dy.data(),
                          .a_row_stride = of_weights ? 1 : out,
                          .a_col_stride = of_weights ? out : 1,
                          .b = b.data(),
                          .b_dtype = dtype,
                          .b_row_bytes = b.view().row_bytes(),
                          .m = m,
                          .n = in,
                          .k = b_rows,
                          .c = c.data(),
                          .c_row_stride = in,
                          .accumulate = of_weights};
  const double t = Time([&] { cx.backend->Product(cx, {&job, 1}); });
  const double ops = 2.0 * static_cast<double>(tokens) * static_cast<double>(out * in) / t;
  fmt::print("{:6} {} {:5} tokens {:4}, {:4} x {:4}  {:9.1f} us  {:7.1f} Gop/s {:4.0f}%\n",
             cx.backend->name(), of_weights ? "dw" : "dx", Info(dtype).name, tokens, out, in,
             t * 1e6, ops / 1e9, 100 * ops / limits.fma_flops);
}

// `sequences` of `length` tokens each.
void BenchAttentionBackward(Context& cx, const MachineLimits& limits, int64_t heads,
                            int64_t kv_heads, int64_t dim, int64_t sequences, int64_t length) {
  const int64_t tokens = sequences * length;
  const std::vector<float> kv(static_cast<size_t>(tokens * kv_heads * dim), 0.1f);
  const std::vector<float> q(static_cast<size_t>(tokens * heads * dim), 0.1f);
  std::vector<float> dk(kv.size()), dv(kv.size()), dq(q.size()), out(q.size());
  std::vector<float> lse(static_cast<size_t>(tokens * heads));
  std::vector<AttentionSequence> packed;
  for (int64_t s = 0; s < sequences; ++s) {
    packed.push_back({.first_query = s * length, .queries = length, .first_row = s * length});
  }
  const AttentionBackwardArgs args = {.forward = {.q = q.data(),
                                                  .out = out.data(),
                                                  .n_heads = heads,
                                                  .n_kv_heads = kv_heads,
                                                  .qk_dim = dim,
                                                  .v_dim = dim,
                                                  .scale = 0.1f,
                                                  .kv = {.k = kv.data(),
                                                         .k_row_stride = kv_heads * dim,
                                                         .k_head_stride = dim,
                                                         .v = kv.data(),
                                                         .v_row_stride = kv_heads * dim,
                                                         .v_head_stride = dim},
                                                  .sequences = packed,
                                                  .lse = lse.data()},
                                      .dout = q.data(),
                                      .dq = dq.data(),
                                      .dk = dk.data(),
                                      .dv = dv.data()};
  cx.backend->Attention(cx, args.forward);
  const double t = Time([&] { cx.backend->AttentionBackward(cx, args); });
  // Five products, over the pairs that the mask leaves.
  const double pairs = static_cast<double>(tokens) * static_cast<double>(length + 1) / 2;
  const double ops = 10.0 * pairs * static_cast<double>(heads * dim) / t;
  fmt::print(
      "{:6} attention backward {} heads, {} kv, dim {}, {:3} x {:4} tokens  {:9.1f} us  "
      "{:7.1f} Gop/s {:4.0f}%\n",
      cx.backend->name(), heads, kv_heads, dim, sequences, length, t * 1e6, ops / 1e9,
      100 * ops / limits.fma_flops);
}

void BenchForward(Context& cx, const MachineLimits& limits) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0,
                            DType::kQ4_1, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    for (const int64_t m : {1, 4, 16, 512}) BenchMatMul(cx, limits, dtype, 1536, 1536, m);
  }
  cx.numerics = Numerics::kFast;
  for (const int64_t m : {1, 16, 512}) BenchMatMul(cx, limits, DType::kBF16, 1536, 1536, m);
  cx.numerics = Numerics::kPortable;
  // A feed-forward's two shapes, larger than the caches.
  for (const DType dtype : {DType::kBF16, DType::kQ8_0}) {
    for (const int64_t m : {16, 512}) {
      BenchMatMul(cx, limits, dtype, 8960, 1536, m);
      BenchMatMul(cx, limits, dtype, 1536, 8960, m);
    }
  }
  BenchMatMul(cx, limits, DType::kQ4_1, 1536, 576, 512);
  BenchMatMul(cx, limits, DType::kQ4_1, 576, 576, 1);
  BenchAttention(cx, limits, 9, 3, 64, 512, 0);
  BenchAttention(cx, limits, 9, 3, 64, 512, 3584);
  BenchAttention(cx, limits, 9, 3, 64, 1, 128);
  BenchAttention(cx, limits, 9, 3, 64, 1, 1024);
  BenchAttention(cx, limits, 9, 3, 64, 1, 8191);
}

void BenchBackward(Context& cx, const MachineLimits& limits) {
  for (const bool of_weights : {false, true}) {
    for (const auto& [tokens, out, in] : {std::tuple{2048, 128, 128},
                                          {2048, 512, 128},
                                          {2048, 128, 512},
                                          {512, 576, 576},
                                          {512, 1536, 576},
                                          {512, 576, 1536},
                                          {1024, 4096, 1024}}) {
      BenchProduct(cx, limits, of_weights, DType::kF32, tokens, out, in);
    }
  }
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_K}) {
    BenchProduct(cx, limits, false, dtype, 512, 1536, 1536);
  }
  BenchAttentionBackward(cx, limits, 4, 4, 32, 64, 32);
  BenchAttentionBackward(cx, limits, 4, 4, 32, 16, 128);
  BenchAttentionBackward(cx, limits, 9, 3, 64, 8, 128);
  BenchAttentionBackward(cx, limits, 9, 3, 64, 4, 400);
  BenchAttentionBackward(cx, limits, 9, 3, 64, 1, 2048);
}

void BenchAll(int threads, std::string_view only, std::string_view half) {
  ThreadPool pool(threads);
  one_thread = threads == 1;
  for (const Backend* backend : AvailableBackends()) {
    if (backend->name() == "ref" || (!only.empty() && backend->name() != only)) continue;
    Context cx(backend, &pool, Numerics::kPortable);
    const MachineLimits limits = MeasureMachineLimits(pool, *backend, 2.0);
    fmt::print("{} threads {}: read {:.1f} GB/s, fma {:.0f}, int8 {:.0f}, bf16 {:.0f} Gop/s\n",
               backend->description(), threads, limits.read_bytes_per_s / 1e9,
               limits.fma_flops / 1e9, limits.int8_dot_ops / 1e9, limits.bf16_dot_flops / 1e9);
    if (half != "backward") BenchForward(cx, limits);
    if (half != "forward") BenchBackward(cx, limits);
  }
}

}  // namespace
}  // namespace aha::kernels

int main(int argc, char** argv) {
  aha::kernels::BenchAll(argc > 1 ? std::atoi(argv[1]) : 2, argc > 2 ? argv[2] : "",
                         argc > 3 ? argv[3] : "");
  return 0;
}
