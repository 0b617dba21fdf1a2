// MatMul of the CPU backend: what is computed together, and by which thread.
//
// Few tokens: threads take runs of weight rows and stream them once. Many: a thread takes a group
// of rows, unpacks it once (or packs it, when it is float), and meets all tokens. Activations are
// quantised (or rounded, or packed) once for all jobs that share them.
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "kernels/cpu/cpu_backend.h"

namespace aha::kernels::cpu {
namespace {

constexpr int64_t kRunBytes = 64 << 10;  // weights of one work item when tokens are few
constexpr int64_t kFewTokens = 64;       // reading quantised weights still takes a share
constexpr int64_t kFewFloatTokens = 8;   // the same of float weights, which take longer to multiply
constexpr int64_t kFloatRows = 32;       // weight rows of one work item when tokens are many
constexpr int64_t kNextParts = 4;        // tiles that ask memory for the next rows, at most
constexpr int64_t kPanels = 4;           // or so many panels, if that leaves work for all threads
constexpr int64_t kPackedTokens = 24;    // from so many on float operands are packed
constexpr int64_t kPairedTokens = 12;    // the same of bf16 weights: half the bytes to move
constexpr int64_t kQuantizedBlocks = 128;  // of activations, in one work item: a microsecond or two
constexpr int64_t kMostTokens = 512;  // met at once, so that what is prepared of them stays small

// Rounded activations that stay in the second cache while weights pass by: a quarter of it.
int64_t TokenBlockBytes() {
  static const int64_t bytes =
      std::clamp<int64_t>(sysconf(_SC_LEVEL2_CACHE_SIZE) / 4, 64 << 10, 256 << 10);
  return bytes;
}

// How a job is computed, and so what is made of its activations.
enum class Way { kQuantized, kRounded, kPacked, kSplit, kPlain };

struct Activations {
  Way way = Way::kPlain;
  const ActivationTile* tiles = nullptr;  // kQuantized
  int64_t tile_count = 0;
  int64_t tile_tokens = 0;            // of each but the last
  const uint16_t* rounded = nullptr;  // kRounded: to bf16
  int64_t rounded_stride = 0;
  const float* packed = nullptr;  // kPacked: see FloatPanel
  const float* split = nullptr;   // kSplit: rows of whole sixteens, see FloatTile
};

// One job with its activations ready and its share of the work items.
struct Plan {
  MatMulJob job;
  Activations x;
  int64_t rows_per_item = 0;
  int64_t tokens_per_item = 0;
  int64_t row_items = 0;
  int64_t first_item = 0;
};

// Of a tile that may have `most` tokens.
int TileWidth(int64_t tokens, int64_t most) {
  return tokens <= 2 ? static_cast<int>(tokens) : tokens <= 4 ? 4 : static_cast<int>(most);
}

ActivationTile NewTile(Arena& arena, int64_t tokens, int width, int64_t blocks) {
  ActivationTile tile;
  tile.tokens = static_cast<int>(tokens);
  tile.width = width;
  tile.blocks = blocks;
  tile.q = arena.Allocate<int8_t>(blocks * tile.width * 32);
  tile.scale = arena.Allocate<float>(blocks * tile.width);
  tile.scaled_sum = arena.Allocate<float>(blocks * tile.width);
  tile.minus_sum = arena.Allocate<int32_t>(blocks * tile.width * 2);
  return tile;
}

// Blocks [first, last) of a tile.
void QuantizeInto(const LaneKernels& lanes, const float* x, int64_t x_stride,
                  const ActivationTile& tile, bool interleaved, int64_t first, int64_t last) {
  const int width = tile.width;
  int8_t block[32];
  for (int64_t b = first; b < last; ++b) {
    for (int t = 0; t < width; ++t) {
      int8_t* q = interleaved ? block : tile.q + (b * width + t) * 32;
      int32_t sums[2] = {0, 0};
      float scale = 0;
      if (t < tile.tokens) {
        scale = lanes.quantize_block(x + t * x_stride + 32 * b, q, sums);
      } else {
        std::fill(q, q + 32, int8_t{0});
      }
      for (int i = 0; interleaved && i < 8; ++i) {
        std::memcpy(tile.q + ((b * 8 + i) * width + t) * 4, block + 4 * i, 4);
      }
      tile.scale[b * width + t] = scale;
      tile.scaled_sum[b * width + t] = scale * static_cast<float>(sums[0] + sums[1]);
      tile.minus_sum[b * 2 * width + t] = -sums[0];
      tile.minus_sum[b * 2 * width + width + t] = -sums[1];
    }
  }
}

bool SameActivations(const MatMulJob& a, const MatMulJob& b) {
  return a.x == b.x && a.x_stride == b.x_stride && a.m == b.m && a.w.cols() == b.w.cols();
}

// Tokens [first_token, first_token + kMostTokens) of all jobs.
class MatMulRun {
 public:
  MatMulRun(Context& cx, const LaneKernels& lanes, const Int8Kernels& int8,
            const Bf16DotKernel* bf16_dot, std::span<const MatMulJob> jobs, int64_t first_token)
      : cx_(cx),
        lanes_(lanes),
        int8_(int8),
        bf16_dot_(cx.numerics == Numerics::kFast ? bf16_dot : nullptr) {
    plans_ = cx.shared.Allocate<Plan>(static_cast<int64_t>(jobs.size()));
    for (const MatMulJob& whole : jobs) {
      MatMulJob job = whole;
      job.m = std::min(kMostTokens, whole.m - first_token);
      if (job.m <= 0 || job.w.rows() == 0) continue;
      job.x += first_token * job.x_stride;
      job.y += first_token * job.y_stride;
      Plan& plan = *new (&plans_[plan_count_]) Plan{.job = job};
      plan.x = PreparedActivations(job);
      ++plan_count_;
      total_rows_ += job.w.rows();
    }
    for (int64_t i = 0; i < plan_count_; ++i) Partition(&plans_[i]);
  }

  void Run() {
    cx_.pool->ParallelFor(item_count_, [this](int64_t item, int worker) {
      const Plan* plan =
          std::upper_bound(plans_, plans_ + plan_count_, item,
                           [](int64_t i, const Plan& p) { return i < p.first_item; }) -
          1;
      RunItem(*plan, item - plan->first_item, cx_.worker[static_cast<size_t>(worker)]);
    });
  }

 private:
  // Unpacking takes longer than few tokens do.
  bool MeetsPanels(const MatMulJob& job) const { return job.m > int8_.stored_tokens; }

  Way WayOf(const MatMulJob& job) const {
    if (Info(job.w.dtype).quantized) return Way::kQuantized;
    if (job.w.dtype == DType::kBF16 && bf16_dot_ != nullptr) return Way::kRounded;
    const int64_t packed = job.w.dtype == DType::kBF16 ? kPairedTokens : kPackedTokens;
    if (job.m >= packed) return Way::kPacked;
    return job.w.dtype == DType::kBF16 && lanes_.split_lanes != nullptr ? Way::kSplit : Way::kPlain;
  }

  Activations PreparedActivations(const MatMulJob& job) {
    const Way way = WayOf(job);
    for (int64_t i = 0; i < plan_count_; ++i) {
      if (plans_[i].x.way == way && SameActivations(plans_[i].job, job)) return plans_[i].x;
    }
    switch (way) {
      case Way::kQuantized:
        return Quantized(job);
      case Way::kRounded:
        return RoundedToBf16(job);
      case Way::kPacked:
        return Packed(job);
      case Way::kSplit:
        return Split(job);
      default:
        return {};
    }
  }

  Activations Quantized(const MatMulJob& job) {
    const bool interleaved = job.m >= int8_.interleaved_from;
    const int64_t most = interleaved || MeetsPanels(job) ? int8_.panel_tokens : kTileTokens;
    const int64_t count = (job.m + most - 1) / most;
    auto* tiles = cx_.shared.Allocate<ActivationTile>(count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t tokens = std::min(most, job.m - i * most);
      const int width = interleaved ? int8_.panel_tokens : TileWidth(tokens, most);
      new (&tiles[i]) ActivationTile(NewTile(cx_.shared, tokens, width, job.w.cols() / 32));
    }
    const int64_t blocks = job.w.cols() / 32;
    const int64_t run = std::max<int64_t>(1, kQuantizedBlocks / std::min(most, job.m));
    const int64_t runs = (blocks + run - 1) / run;
    cx_.pool->ParallelFor(count * runs, [&](int64_t item, int) {
      const int64_t i = item / runs;
      const int64_t first = item % runs * run;
      QuantizeInto(lanes_, job.x + i * most * job.x_stride, job.x_stride, tiles[i], interleaved,
                   first, std::min(blocks, first + run));
    });
    return {.way = Way::kQuantized, .tiles = tiles, .tile_count = count, .tile_tokens = most};
  }

  Activations RoundedToBf16(const MatMulJob& job) {
    const int64_t stride = (job.w.cols() + 31) / 32 * 32;
    auto* rounded = cx_.shared.Allocate<uint16_t>(job.m * stride);
    cx_.pool->ParallelFor((job.m + 15) / 16, [&](int64_t i, int) {
      for (int64_t t = 16 * i; t < std::min(16 * i + 16, job.m); ++t) {
        bf16_dot_->round(job.x + t * job.x_stride, job.w.cols(), rounded + t * stride, stride);
      }
    });
    return {.way = Way::kRounded, .rounded = rounded, .rounded_stride = stride};
  }

  // Floats of `width` packed rows of k values.
  static int64_t PackedSize(int64_t k, int64_t width) { return 16 * PackedLaneDepth(k) * width; }

  Activations Packed(const MatMulJob& job) {
    const int64_t k = job.w.cols();
    const int64_t width = lanes_.panel_tokens;
    const int64_t groups = (job.m + width - 1) / width;
    const int64_t size = PackedSize(k, lanes_.panel_width);
    auto* packed = cx_.shared.Allocate<float>(groups * size);
    cx_.pool->ParallelFor(groups, [&](int64_t i, int) {
      const auto* x = reinterpret_cast<const std::byte*>(job.x + i * width * job.x_stride);
      lanes_.pack_lanes(DType::kF32, x, job.x_stride * static_cast<int64_t>(sizeof(float)),
                        std::min(width, job.m - i * width), k, lanes_.panel_width,
                        packed + i * size);
    });
    return {.way = Way::kPacked, .packed = packed};
  }

  static int64_t SplitStride(const MatMulJob& job) { return (job.w.cols() + 15) / 16 * 16; }

  Activations Split(const MatMulJob& job) {
    const int64_t stride = SplitStride(job);
    auto* split = cx_.shared.Allocate<float>(job.m * stride);
    for (int64_t t = 0; t < job.m; ++t) {
      lanes_.split_lanes(job.x + t * job.x_stride, job.w.cols(), split + t * stride);
    }
    return {.way = Way::kSplit, .split = split};
  }

  void Partition(Plan* plan) {
    const MatMulJob& job = plan->job;
    const int64_t group = MeetsPanels(job) ? int8_.panel_rows : int8_.group_rows;
    plan->tokens_per_item = job.m;
    const bool quantized = plan->x.tiles != nullptr;
    if (job.m > (quantized ? kFewTokens : kFewFloatTokens)) {
      if (plan->x.way == Way::kRounded) {
        const int64_t bytes = job.w.cols() * static_cast<int64_t>(sizeof(uint16_t));
        plan->tokens_per_item = std::clamp<int64_t>(TokenBlockBytes() / bytes / 12 * 12, 12, job.m);
      }
      // Two groups, if that leaves work for all threads.
      const bool plenty = total_rows_ >= 8 * 2 * group * cx_.pool->threads();
      const bool panels = plan->x.way == Way::kPacked &&
                          total_rows_ >= 8 * kPanels * lanes_.panel_rows * cx_.pool->threads();
      plan->rows_per_item = quantized ? (plenty ? 2 : 1) * group
                            : panels  ? kPanels * lanes_.panel_rows
                                      : kFloatRows;
    } else {
      // Small enough to balance, large enough to stream.
      const int64_t fair = total_rows_ / (cx_.pool->threads() * 8) + 1;
      const int64_t run = kRunBytes / job.w.row_bytes();
      plan->rows_per_item = (std::max<int64_t>(1, std::min(fair, run)) + group - 1) / group * group;
    }
    plan->row_items = (job.w.rows() + plan->rows_per_item - 1) / plan->rows_per_item;
    plan->first_item = item_count_;
    item_count_ += plan->row_items * ((job.m + plan->tokens_per_item - 1) / plan->tokens_per_item);
  }

  void RunItem(const Plan& plan, int64_t item, Arena& scratch) const {
    const int64_t first_row = item % plan.row_items * plan.rows_per_item;
    const int64_t rows = std::min(plan.rows_per_item, plan.job.w.rows() - first_row);
    switch (plan.x.way) {
      case Way::kQuantized:
        return QuantizedRows(plan, first_row, rows, scratch);
      case Way::kPacked:
        return PackedRows(plan, first_row, rows, scratch);
      default: {
        const int64_t first_token = item / plan.row_items * plan.tokens_per_item;
        const int64_t tokens = std::min(plan.tokens_per_item, plan.job.m - first_token);
        FloatRows(plan, first_row, rows, first_token, tokens);
      }
    }
  }

  void PackedRows(const Plan& plan, int64_t first_row, int64_t rows, Arena& scratch) const {
    const MatMulJob& job = plan.job;
    const int64_t k = job.w.cols();
    const int64_t width = lanes_.panel_rows;
    const bool pairs = job.w.dtype == DType::kBF16;
    const Arena::Mark mark = scratch.Save();
    void* panel = nullptr;
    if (pairs) {
      panel = scratch.Allocate<uint32_t>(PackedSize(k, width / 2));
    } else {
      panel = scratch.Allocate<float>(PackedSize(k, width));
    }
    for (int64_t r = first_row; r < first_row + rows; r += width) {
      const int64_t count = std::min(width, first_row + rows - r);
      if (pairs) {
        lanes_.pack_pairs(job.w.row(r), job.w.row_bytes(), count, k, static_cast<uint32_t*>(panel));
      } else {
        lanes_.pack_lanes(job.w.dtype, job.w.row(r), job.w.row_bytes(), count, k, width,
                          static_cast<float*>(panel));
      }
      const int64_t left = std::min(width, job.w.rows() - r - count);
      lanes_.float_panel({.x = plan.x.packed,
                          .tokens = job.m,
                          .w = panel,
                          .pairs = pairs,
                          .rows = count,
                          .k = k,
                          .bias = job.bias == nullptr ? nullptr : job.bias + r,
                          .y = job.y + r,
                          .y_stride = job.y_stride,
                          .next = left > 0 ? job.w.row(r + count) : nullptr,
                          .next_bytes = left * job.w.row_bytes()});
    }
    scratch.Rewind(mark);
  }

  void FloatRows(const Plan& plan, int64_t first_row, int64_t rows, int64_t first_token,
                 int64_t tokens) const {
    const MatMulJob& job = plan.job;
    const bool split = plan.x.way == Way::kSplit;
    const int64_t x_stride = split ? SplitStride(job) : job.x_stride;
    const FloatTile tile = {.x = (split ? plan.x.split : job.x) + first_token * x_stride,
                            .x_stride = x_stride,
                            .tokens = tokens,
                            .w = job.w.row(first_row),
                            .row_bytes = job.w.row_bytes(),
                            .rows = rows,
                            .k = job.w.cols(),
                            .dtype = job.w.dtype,
                            .bias = job.bias == nullptr ? nullptr : job.bias + first_row,
                            .y = job.y + first_token * job.y_stride + first_row,
                            .y_stride = job.y_stride};
    if (plan.x.way == Way::kRounded) {
      bf16_dot_->tile(tile, plan.x.rounded + first_token * plan.x.rounded_stride,
                      plan.x.rounded_stride);
    } else {
      lanes_.float_tile(tile);
    }
  }

  void QuantizedRows(const Plan& plan, int64_t first_row, int64_t rows, Arena& scratch) const {
    const MatMulJob& job = plan.job;
    const int group = MeetsPanels(job) ? int8_.panel_rows : int8_.group_rows;
    const int64_t blocks = job.w.cols() / 32;
    const int64_t row_bytes = job.w.row_bytes();
    const Arena::Mark mark = scratch.Save();
    std::byte* panel = nullptr;
    if (MeetsPanels(job)) {
      panel = scratch.Allocate<std::byte>(blocks * int8_.panel_block_bytes(job.w.dtype));
    }
    for (int64_t r = first_row; r < first_row + rows; r += group) {
      const int count = static_cast<int>(std::min<int64_t>(group, first_row + rows - r));
      alignas(64) int32_t offset[16];
      for (int i = 0; i < group; ++i) {
        offset[i] = static_cast<int32_t>(std::min(i, count - 1) * row_bytes);
      }
      const RowGroup row_group = {job.w.data + r * row_bytes, offset, job.w.dtype, row_bytes,
                                  blocks};
      if (panel != nullptr) int8_.unpack(row_group, panel);
      // While tiles are multiplied the next rows come out of memory, a part with each of the first
      // few; those after the last are the first of the item that this thread takes next.
      const int64_t parts = std::min(plan.x.tile_count, kNextParts);
      const int64_t part = r + group < job.w.rows() ? group * row_bytes / parts : 0;
      const std::byte* next_rows = job.w.data + (r + group) * row_bytes;
      for (int64_t t = 0; t < plan.x.tile_count; ++t) {
        const OutputTile out = {.y = job.y + t * plan.x.tile_tokens * job.y_stride + r,
                                .stride = job.y_stride,
                                .rows = count,
                                .bias = job.bias == nullptr ? nullptr : job.bias + r};
        if (panel != nullptr) {
          const NextBytes next = {next_rows + t * part, t < parts ? part / blocks : 0};
          int8_.dot_panel(job.w.dtype, panel, plan.x.tiles[t], out, next);
        } else {
          int8_.dot_stored(row_group, plan.x.tiles[t], out);
        }
      }
    }
    scratch.Rewind(mark);
  }

  Context& cx_;
  const LaneKernels& lanes_;
  const Int8Kernels& int8_;
  const Bf16DotKernel* bf16_dot_;
  Plan* plans_ = nullptr;
  int64_t plan_count_ = 0;
  int64_t total_rows_ = 0;
  int64_t item_count_ = 0;
};

}  // namespace

void CpuBackend::MatMul(Context& cx, std::span<const MatMulJob> jobs) const {
  int64_t most = 0;
  for (const MatMulJob& job : jobs) most = std::max(most, job.m);
  for (int64_t first = 0; first < most; first += kMostTokens) {
    cx.shared.Reset();
    MatMulRun(cx, *lanes_, *int8_, bf16_dot_, jobs, first).Run();
  }
}

}  // namespace aha::kernels::cpu
