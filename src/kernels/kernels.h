// The arithmetic of every model, as one list of functions that each backend implements.
//
//   AHA_ASSIGN_OR_RETURN(const Backend* backend, ChooseBackend(getenv("AHA_CPU")));
//   Context cx{.backend = backend, .pool = &pool, .scratch = {...}};
//   cx.backend->MatMul(cx, jobs);
//
// Invariant (docs/numerics.md): under Numerics::kPortable every output element is computed by one
// fixed sequence of IEEE operations that depends on its inputs only: not on the backend, the
// threads, the other rows of the call, or where they lie. ref/ is that sequence in scalar code;
// cpu/ must equal it to the bit. Under kFast the sequence may differ between backends, and nothing
// else.
//
// Functions check nothing: ops/ has checked shapes. Outputs may not alias inputs unless said.
#ifndef AHA_KERNELS_KERNELS_H_
#define AHA_KERNELS_KERNELS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "tensor/view.h"

namespace aha::kernels {

enum class Numerics {
  kPortable,  // the same bits on every backend
  kFast,  // may use instructions that round otherwise (bf16 dot products); same bits on this one
};

class Backend;

// What a call runs on. One Context serves one caller at a time.
struct Context {
  const Backend* backend = nullptr;
  ThreadPool* pool = nullptr;
  Numerics numerics = Numerics::kPortable;
  Arena shared;               // scratch of the call, reset by it
  std::vector<Arena> worker;  // one per pool thread, scratch of one iteration

  Context(const Backend* b, ThreadPool* p, Numerics n)
      : backend(b), pool(p), numerics(n), worker(static_cast<size_t>(p->threads())) {}
};

// y[m, n] = x[m, k] w[n, k]^T (+ bias[n]). Strides in floats between rows.
struct MatMulJob {
  const float* x = nullptr;
  int64_t x_stride = 0;
  int64_t m = 0;
  ConstView w;                  // [n, k], any dtype; k fills whole blocks
  const float* bias = nullptr;  // [n] or null
  float* y = nullptr;
  int64_t y_stride = 0;
};

struct RmsNormArgs {
  const float* x = nullptr;
  int64_t x_stride = 0;
  const float* weight = nullptr;  // [cols]
  float eps = 0;
  int64_t rows = 0, cols = 0;
  float* y = nullptr;  // may be x
  int64_t y_stride = 0;
};

enum class RopeLayout {
  kHalf,        // pairs (i, i + dim/2): Llama, Qwen
  kInterleaved  // pairs (2i, 2i + 1): DeepSeek
};

// Rotates `dim` values at x + row*row_stride + head*head_stride in place. cos, sin: [positions,
// dim/2].
struct RopeArgs {
  float* x = nullptr;
  int64_t rows = 0, row_stride = 0;
  int64_t heads = 0, head_stride = 0;
  int64_t dim = 0;
  RopeLayout layout = RopeLayout::kHalf;
  const float* cos = nullptr;
  const float* sin = nullptr;
  const int32_t* positions = nullptr;  // [rows]
  bool inverse = false;                // rotates back: the gradient of a rotation
};

// Keys and values of one layer. Token t of a sequence lies at row
//   pages ? pages[t / page_tokens] * page_tokens + t % page_tokens : first_row + t
// Strides are in values. Float16 rows are what Backend::Narrow made of them.
struct KvView {
  const void* k = nullptr;
  int64_t k_row_stride = 0, k_head_stride = 0;
  const void* v = nullptr;  // may point into k (the latent cache of MLA)
  int64_t v_row_stride = 0, v_head_stride = 0;
  DType dtype = DType::kF32;  // or kF16
  int64_t page_tokens = 0;    // a multiple of kAttentionPageUnit when there are pages
  // Pages may hold keys and values as a head reads them: a unit of kAttentionPageUnit rows begins
  // where its first row would, and is [n_kv_heads][qk_dim][16] of keys, [n_kv_heads][16][v_dim] of
  // values. The strides are those of rows all the same.
  bool in_units = false;

  const std::byte* K(int64_t value) const { return At(k, value); }
  const std::byte* V(int64_t value) const { return At(v, value); }

 private:
  const std::byte* At(const void* from, int64_t value) const {
    return static_cast<const std::byte*>(from) + value * (dtype == DType::kF16 ? 2 : 4);
  }
};
inline constexpr int64_t kAttentionPageUnit = 16;
// Keys per span: the unit in which attention is computed and merged. Part of the numerics contract.
inline constexpr int64_t kAttentionSpan = 256;
// Queries of a sequence that attention's gradient takes together, and values of one partial sum of
// squares. Part of the numerics contract too.
inline constexpr int64_t kAttentionQueryBlock = 32;
inline constexpr int64_t kSumChunk = 4096;

struct AttentionSequence {
  int64_t first_query = 0;  // row in q and out
  int64_t queries = 0;
  int64_t first_position = 0;  // of the first query; query i sees keys 0..first_position + i
  const int32_t* pages = nullptr;
  int64_t first_row = 0;  // without pages
};

// out[t, h] = softmax(scale * q[t, h] . k[0..t, h / (n_heads / n_kv_heads)]) v
struct AttentionArgs {
  const float* q = nullptr;  // [tokens, n_heads, qk_dim], contiguous
  float* out = nullptr;      // [tokens, n_heads, v_dim], contiguous
  int64_t n_heads = 0, n_kv_heads = 0;
  int64_t qk_dim = 0, v_dim = 0;
  float scale = 0;
  KvView kv;
  std::span<const AttentionSequence> sequences;
  float* lse = nullptr;  // [tokens, n_heads] log of the row's sum of exponentials; null: not asked
};

// c[i, j] = fma(a(i, l), b[l, j], c[i, j]) for l = 0..k-1 in order, from c[i, j] when `accumulate`,
// else from +0. One chain an element: a sum cut in two calls has the same bits as in one.
// Gradients of y = x w^T: dx = dy w (a = dy, b = w) and dw += dy^T x (a = dy transposed, b = x).
struct ProductJob {
  const float* a = nullptr;  // a(i, l) = a[i * a_row_stride + l * a_col_stride]
  int64_t a_row_stride = 0, a_col_stride = 0;
  const std::byte* b = nullptr;  // [k, n], any dtype; row l at b + l * b_row_bytes
  DType b_dtype = DType::kF32;
  int64_t b_row_bytes = 0;
  int64_t m = 0, n = 0, k = 0;
  float* c = nullptr;
  int64_t c_row_stride = 0;
  bool accumulate = false;
};

// dx += and dw += for y = rms_norm(x, weight).
struct RmsNormBackwardArgs {
  RmsNormArgs forward;        // y is not read
  const float* dy = nullptr;  // [rows, cols], contiguous
  float* dx = nullptr;        // [rows, cols], contiguous; null: not asked
  float* dw = nullptr;        // [cols], in order of rows; null: not asked
};

// Gradients of Attention for contiguous float32 rows (no pages). dk and dv have the rows and
// strides of forward.kv and are added to, as dq is; dv points into dk where v points into k.
struct AttentionBackwardArgs {
  AttentionArgs forward;        // with its out and lse
  const float* dout = nullptr;  // [tokens, n_heads, v_dim]
  float* dq = nullptr;          // [tokens, n_heads, qk_dim]
  float* dk = nullptr;
  float* dv = nullptr;
};

// One AdamW step (Loshchilov and Hutter 2019) over n values; gradient is scaled by
// `gradient_scale` (clipping) first. bias_correction1 = 1 - beta1^t, bias_correction2 = 1 -
// beta2^t.
struct AdamWArgs {
  float* weight = nullptr;
  const float* gradient = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  int64_t n = 0;
  float gradient_scale = 1;
  float lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  float bias_correction1 = 1, bias_correction2 = 1;
};

// What a backend can be told to do flat out, to learn the machine's limits.
enum class Exercise { kRead, kFma, kInt8Dot, kInt8Tile, kBf16Dot };

class Backend {
 public:
  virtual ~Backend() = default;
  // "ref", "avx2", "avx512", "amx", and what is used of it: "avx512 (vnni, bf16)".
  virtual std::string_view name() const = 0;
  virtual std::string description() const { return std::string(name()); }

  // All jobs in one parallel region. Jobs that share x share its quantisation.
  virtual void MatMul(Context& cx, std::span<const MatMulJob> jobs) const = 0;
  // out[i] = row ids[i] of `table` as float32.
  virtual void Embed(Context& cx, const ConstView& table, std::span<const int32_t> ids,
                     float* out) const = 0;
  virtual void RmsNorm(Context& cx, const RmsNormArgs& args) const = 0;
  virtual void Rope(Context& cx, const RopeArgs& args) const = 0;
  virtual void Attention(Context& cx, const AttentionArgs& args) const = 0;
  // y = x as IEEE half, to nearest even. A finite value beyond the largest half becomes that one.
  virtual void Narrow(Context& cx, const float* x, uint16_t* y, int64_t n) const = 0;
  // y = silu(gate) * up, n values; y may be gate or up.
  virtual void SiluMul(Context& cx, const float* gate, const float* up, float* y,
                       int64_t n) const = 0;
  // y += x
  virtual void Add(Context& cx, const float* x, float* y, int64_t n) const = 0;
  // y = 1 / (1 + exp(-x)); y may be x
  virtual void Sigmoid(Context& cx, const float* x, float* y, int64_t n) const = 0;
  // y[t] += sum over j in order of weights[t, j] * x[rows[t, j]]; k entries a token, rows < 0
  // skipped.
  virtual void AddWeightedRows(Context& cx, const float* x, const int32_t* rows,
                               const float* weights, int64_t tokens, int64_t k, float* y,
                               int64_t cols) const = 0;
  // out[r] = log(sum_i exp(x[r, i])), x contiguous [rows, cols].
  virtual void LogSumExp(Context& cx, const float* x, int64_t rows, int64_t cols,
                         float* out) const = 0;

  // Backward, for training. All gradients are sums in one fixed order, whatever the threads.
  virtual void Product(Context& cx, std::span<const ProductJob> jobs) const = 0;
  virtual void RmsNormBackward(Context& cx, const RmsNormBackwardArgs& args) const = 0;
  virtual void AttentionBackward(Context& cx, const AttentionBackwardArgs& args) const = 0;
  // dgate += , dup += for y = silu(gate) * up.
  virtual void SiluMulBackward(Context& cx, const float* gate, const float* up, const float* dy,
                               float* dgate, float* dup, int64_t n) const = 0;
  // table[ids[t]] += x[t], in order of t; table [rows, cols] float32.
  virtual void AddToRows(Context& cx, const float* x, std::span<const int32_t> ids, float* table,
                         int64_t cols) const = 0;
  // out[c] += x[r, c] in order of r; x contiguous [rows, cols].
  virtual void AddRowsTo(Context& cx, const float* x, int64_t rows, int64_t cols,
                         float* out) const = 0;
  // Of softmax(x * inverse_temperature) for each row r of x [rows, cols]: logprob[r] of targets[r]
  // (x' [target] - LogSumExp(x'), x' = x * inverse_temperature), lse[r], and entropy[r] if not
  // null.
  virtual void LogProbs(Context& cx, const float* x, int64_t rows, int64_t cols,
                        const int32_t* targets, float inverse_temperature, float* logprob,
                        float* lse, float* entropy) const = 0;
  // x becomes its own gradient: x[r, c] = inverse_temperature * (dlogprob[r] * ([c is target] - p)
  // - dentropy[r] * p * (log p + entropy[r])). dentropy and entropy may both be null.
  virtual void LogProbsBackward(Context& cx, float* x, int64_t rows, int64_t cols,
                                const int32_t* targets, float inverse_temperature, const float* lse,
                                const float* entropy, const float* dlogprob,
                                const float* dentropy) const = 0;
  virtual void AdamW(Context& cx, const AdamWArgs& args) const = 0;
  // Sum of squares in double, one fixed order.
  virtual double SumOfSquares(Context& cx, const float* x, int64_t n) const = 0;

  // Exercises the calling thread for `rounds` rounds: reads all of `memory`, or multiplies and adds
  // in registers. Bytes or operations (two a multiply-add) done; 0 without such an instruction.
  virtual double Run(Exercise what, std::span<const std::byte> memory, int64_t rounds) const = 0;
};

// The scalar reference, on any machine.
const Backend& RefBackend();

// Backends that this machine can run, best first; the reference is last.
std::vector<const Backend*> AvailableBackends();

// `forced`: "" for the best one, or amx | avx512 | avx2 | ref. Error: unknown, or not on this
// machine.
Result<const Backend*> ChooseBackend(std::string_view forced);

}  // namespace aha::kernels

#endif  // AHA_KERNELS_KERNELS_H_
