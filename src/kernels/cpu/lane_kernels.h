// The float arithmetic of the CPU backend: one table of functions for each Highway target. Every
// function performs the operations of docs/numerics.md in their order, 16 virtual lanes wide
// whatever the register width. No threads and no allocation here; matmul.cc and attention.cc
// partition the work.
#ifndef AHA_KERNELS_CPU_LANE_KERNELS_H_
#define AHA_KERNELS_CPU_LANE_KERNELS_H_

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace aha::kernels::cpu {

// y[t, r] = lane sum of x[t] * w[r] (+ bias[r]) for `rows` rows of float weights and `tokens` rows
// of x, which split_lanes has put in order if the weights are bf16 and it is not null.
struct FloatTile {
  const float* x = nullptr;
  int64_t x_stride = 0;
  int64_t tokens = 0;
  const std::byte* w = nullptr;  // first row
  int64_t row_bytes = 0;
  int64_t rows = 0;
  int64_t k = 0;
  DType dtype = DType::kF32;
  const float* bias = nullptr;
  float* y = nullptr;
  int64_t y_stride = 0;
};

// Of k values each of the sixteen lanes sees so many. Packed lanes lie an odd number of rows apart:
// with a power of two between them all sixteen would fall into one set of the first cache.
inline int64_t LaneDepth(int64_t k) { return (k + 15) / 16; }
inline int64_t PackedLaneDepth(int64_t k) { return LaneDepth(k) | 1; }

// The same of up to panel_rows weight rows and many tokens, both packed: x by pack_lanes in groups
// of panel_tokens tokens, panel_width wide, one after another; w by pack_lanes, or bf16 by
// pack_pairs.
struct FloatPanel {
  const float* x = nullptr;
  int64_t tokens = 0;
  const void* w = nullptr;
  bool pairs = false;  // w is of pack_pairs
  int64_t rows = 0;
  int64_t k = 0;
  const float* bias = nullptr;
  float* y = nullptr;
  int64_t y_stride = 0;
  // What is packed next, or null: asked of memory while the first tokens are multiplied.
  const std::byte* next = nullptr;
  int64_t next_bytes = 0;
};

// Up to kAttentionSpan keys of one kv head, in groups of kAttentionPageUnit contiguous rows, or
// units [dim][kAttentionPageUnit]. Values are floats, or halfs if all of the span's are.
struct KeySpan {
  int64_t count = 0;
  bool k_in_units = false;
  bool half = false;  // then the keys lie in units
  int64_t k_row_stride = 0, v_row_stride = 0;
  const void* k[kAttentionSpan / kAttentionPageUnit];
  const void* v[kAttentionSpan / kAttentionPageUnit];
};

// Queries that meet one KeySpan: row r sees its first counts[r] keys (counts not decreasing in r).
struct QueryRows {
  const float* const* q = nullptr;
  const int64_t* counts = nullptr;
  int64_t rows = 0;
  int64_t qk_dim = 0, v_dim = 0;
  float scale = 0;
};

// Softmax of one row over one span, not yet normalised: maximum, sum of exponentials, and
// (elsewhere) the weighted values.
struct SpanState {
  float maximum = 0;
  float sum = 0;
};

// Rows [0, m) of one panel of columns of a product: c (+)= a b. Rows of a come in groups of
// kProductRows: value (r, l) of group g lies at g * a_group_stride + r * a_row_stride + l *
// a_col_stride; one of a_row_stride and a_col_stride is 1. Columns of b come in tiles of
// product_columns: value (l, j) of tile t lies at t * b_tile_stride + l * b_row_stride + j. Rows of
// b may be read up to the next multiple of 16 columns.
inline constexpr int64_t kProductPanel = 64;  // most columns that pay in one panel
inline constexpr int64_t kProductRows = 6;    // of c in registers
struct ProductPanel {
  const float* a = nullptr;
  int64_t a_group_stride = 0, a_row_stride = 0, a_col_stride = 0;
  const float* b = nullptr;
  int64_t b_row_stride = 0, b_tile_stride = 0;
  int64_t m = 0, n = 0, k = 0;
  float* c = nullptr;
  int64_t c_row_stride = 0;
  bool accumulate = false;
};

struct LaneKernels {
  const char* target;  // "avx2", "avx512"

  // k values of x, padded to whole sixteens, in the order that float_tile wants with bf16; or null.
  void (*split_lanes)(const float* x, int64_t k, float* y);
  void (*float_tile)(const FloatTile&);
  // [16][PackedLaneDepth(k)][width] on cache lines <- `count` rows of k float values: of row r
  // value 16 i + j at [number of lane j][i][r]. Past k: zeros; past the last row: any row's values.
  // width: whole registers.
  void (*pack_lanes)(DType dtype, const std::byte* rows, int64_t row_bytes, int64_t count,
                     int64_t k, int64_t width, float* packed);
  // [16][PackedLaneDepth(k)][panel_rows / 2] <- bf16 rows in the same order, row r in the low and
  // row panel_rows / 2 + r in the high half of a word: half the memory of floats, and widened by
  // one operation a register.
  void (*pack_pairs)(const std::byte* rows, int64_t row_bytes, int64_t count, int64_t k,
                     uint32_t* packed);
  void (*float_panel)(const FloatPanel&);
  int panel_rows, panel_tokens, panel_width;  // of a FloatPanel; panel_width: of panel_tokens
  // keys [dim][kAttentionSpan] <- the span's key rows, transposed.
  void (*transpose_keys)(const KeySpan&, int64_t dim, float* keys);
  // One span: states[r], out[r * v_dim] for each query row. scratch: [rows][kAttentionSpan].
  void (*attend_span)(const QueryRows&, const KeySpan&, const float* keys, float* scratch,
                      SpanState* states, float* out);
  // (state, out) absorbs a later span (span_state, span_out).
  void (*merge_span)(SpanState* state, float* out, const SpanState& span_state,
                     const float* span_out, int64_t v_dim);
  void (*divide)(const float* x, float by, float* y, int64_t n);

  void (*rms_norm)(const RmsNormArgs&, int64_t first_row, int64_t last_row);
  void (*rope)(const RopeArgs&, int64_t first_row, int64_t last_row);
  void (*narrow)(const float* x, uint16_t* y, int64_t n);
  void (*silu_mul)(const float* gate, const float* up, float* y, int64_t n);
  void (*add)(const float* x, float* y, int64_t n);
  void (*sigmoid)(const float* x, float* y, int64_t n);
  void (*add_scaled)(const float* x, float weight, float* y, int64_t n);  // y = fma(weight, x, y)
  float (*log_sum_exp)(const float* x, int64_t n);
  // 32 values to int8 and their scale; see docs/numerics.md.
  float (*quantize_block)(const float* x, int8_t* q, int32_t* half_sums);

  void (*widen)(DType dtype, const std::byte* x, int64_t n, float* y);  // float types

  // Backward; see ref/ref_backward.cc.
  void (*product_panel)(const ProductPanel&);
  int product_columns;  // of a tile of b
  // A ProductPanel's b with tiles contiguous, b_row_stride = product_columns <- `count` rows of n
  // values of a float type; zeros past n.
  void (*pack_columns)(DType dtype, const std::byte* rows, int64_t row_bytes, int64_t count,
                       int64_t n, int64_t b_tile_stride, float* packed);
  float (*dot)(const float* a, const float* b, int64_t n);  // lane sum of fma(a, b, lane)
  void (*rms_norm_backward_rows)(const RmsNormBackwardArgs&, int64_t first_row, int64_t last_row,
                                 float* scales);
  void (*rms_norm_backward_columns)(const RmsNormBackwardArgs&, int64_t first_column,
                                    int64_t last_column, const float* scales);
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dy, float* dgate,
                            float* dup, int64_t n);
  void (*softmax_gradient)(float* p, float* ds, int64_t count, float scale, float lse, float delta);
  void (*scale)(const float* x, float by, float* y, int64_t n);
  float (*negative_entropy)(const float* x, float lse, int64_t n);
  // All of LogProbsBackward but the target's own term and the temperature's factor.
  void (*log_probs_backward)(float* x, int64_t n, float inverse_temperature, float lse,
                             float dlogprob, bool with_entropy, float dentropy, float entropy);
  void (*adam_w)(const AdamWArgs&, int64_t first, int64_t last);
  double (*sum_of_squares)(const float* x, int64_t n);  // one chunk: a lane sum in double

  // Backend::Run's kRead and kFma.
  double (*read)(const std::byte* memory, int64_t bytes);
  double (*multiply_add)(int64_t rounds);
};

// The targets this machine can run, best first.
std::vector<const LaneKernels*> AvailableLaneKernels();

}  // namespace aha::kernels::cpu

#endif  // AHA_KERNELS_CPU_LANE_KERNELS_H_
