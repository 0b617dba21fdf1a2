// Compiled once for each Highway target (foreach_target); targets without fused multiply-add are
// left to ref/.
#include "kernels/cpu/lane_kernels.h"

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/lane_kernels.cc"
#include <hwy/foreach_target.h>
// after foreach_target
#include <hwy/highway.h>

#include "kernels/cpu/attention-inl.h"
#include "kernels/cpu/backward-inl.h"
#include "kernels/cpu/elementwise-inl.h"
#include "kernels/cpu/float_panel-inl.h"
#include "kernels/cpu/float_tile-inl.h"
#include "kernels/cpu/limits-inl.h"
#include "kernels/cpu/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace aha::kernels::cpu::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
const LaneKernels& Table() {
  static constexpr LaneKernels kTable = {
      .target = HWY_TARGET == HWY_AVX2 ? "avx2" : "avx512",
      .split_lanes = TileWeights<DType::kBF16>::kSplit ? SplitLanes : nullptr,
      .float_tile = FloatTileDot,
      .pack_lanes = PackLanes,
      .pack_pairs = PackPairs,
      .float_panel = FloatPanelDot,
      .panel_rows = kPanelRows,
      .panel_tokens = kPanelTokens,
      .panel_width = kVec,
      .transpose_keys = TransposeKeys,
      .attend_span = AttendSpan,
      .merge_span = MergeSpan,
      .divide = Divide,
      .rms_norm = RmsNormRows,
      .rope = RopeRows,
      .narrow = Narrow,
      .silu_mul = SiluMul,
      .add = Add,
      .sigmoid = Sigmoid,
      .add_scaled = AddScaled,
      .log_sum_exp = LogSumExp,
      .quantize_block = QuantizeBlock,
      .widen = Widen,
      .product_panel = ProductPanelRows,
      .product_columns = kTileVectors * kVec,
      .pack_columns = PackColumns,
      .dot = Dot,
      .rms_norm_backward_rows = RmsNormBackwardRows,
      .rms_norm_backward_columns = RmsNormBackwardColumns,
      .silu_mul_backward = SiluMulBackward,
      .softmax_gradient = SoftmaxGradient,
      .scale = Scale,
      .negative_entropy = NegativeEntropy,
      .log_probs_backward = LogProbsBackwardRow,
      .adam_w = AdamW,
      .sum_of_squares = SumOfSquares,
      .read = Read,
      .multiply_add = MultiplyAdd,
  };
  return kTable;
}
#endif

}  // namespace aha::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace aha::kernels::cpu {

std::vector<const LaneKernels*> AvailableLaneKernels() {
  std::vector<const LaneKernels*> tables;
  [[maybe_unused]] const int64_t supported = hwy::SupportedTargets();
#if HWY_TARGETS & HWY_AVX3
  if ((supported & HWY_AVX3) != 0) tables.push_back(&N_AVX3::Table());
#endif
#if HWY_TARGETS & HWY_AVX2
  if ((supported & HWY_AVX2) != 0) tables.push_back(&N_AVX2::Table());
#endif
  return tables;
}

}  // namespace aha::kernels::cpu
#endif  // HWY_ONCE
