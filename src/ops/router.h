// Which experts a token goes to, and with what weights (DeepSeek-V2 and -V3 papers).
//
// Experts are chosen by score (plus V3's correction bias, which only chooses); groups that are not
// among the best are out, not zeroed. Equal scores go to the lowest index. A token's experts are
// listed by index, so that sums over them have one order whoever was chosen first.
#ifndef AHA_OPS_ROUTER_H_
#define AHA_OPS_ROUTER_H_

#include <cstdint>

#include "ops/context.h"

namespace aha::ops {

enum class RouterScore { kSigmoid, kSoftmax };
// A group's score: the sum of its two best experts (V3's noaux_tc) or its best one (V2's
// group_limited_greedy).
enum class GroupScore { kBestTwo, kBest };

struct RouterOptions {
  RouterScore score = RouterScore::kSigmoid;
  GroupScore group_score = GroupScore::kBestTwo;
  int64_t top_k = 1;
  int64_t n_group = 1;     // divides the number of experts
  int64_t topk_group = 1;  // top_k fits in this many groups
  bool normalize = false;  // weights of a token add up to `scale`
  float scale = 1;
};

struct Routing {
  int64_t tokens = 0, top_k = 0;
  const int32_t* experts = nullptr;  // [tokens, top_k], ascending in a row
  float* weights = nullptr;          // [tokens, top_k]
  Tensor weight_tensor() const { return {weights, {tokens, top_k}}; }
};

// logits [tokens, experts]; correction_bias [experts] float32 or empty. Lives in cx.activations.
Routing Route(Context& cx, const Tensor& logits, const ConstView& correction_bias,
              const RouterOptions& options);

}  // namespace aha::ops

#endif  // AHA_OPS_ROUTER_H_
