// Whole documents one after another as one forward pass: what training runs on.
//
//   PackedBatch batch(model.info());
//   batch.Add(tokens, positions);                     // one document
//   Tensor hidden = model.Forward(cx, batch.forward());
//
// Reusable after Clear. One pass's keys and values are read by that pass alone, so all layers share
// one buffer: recorded activations are what backward reads.
#ifndef AHA_MODEL_PACKED_BATCH_H_
#define AHA_MODEL_PACKED_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/model.h"

namespace aha {

class PackedBatch {
 public:
  explicit PackedBatch(const ModelInfo& info) : info_(info) {}
  PackedBatch(const PackedBatch&) = delete;
  PackedBatch& operator=(const PackedBatch&) = delete;

  // Positions 0, 1, ... when none are given. They must be reserved in the model.
  void Add(std::span<const int32_t> tokens, std::span<const int32_t> positions = {});
  // What follows the first `prompt` tokens of the document that lies at `document` (a number of
  // tokens() before it was added) in another document: those tokens are computed once for both.
  // Positions prompt, prompt + 1, ... when none are given.
  void Branch(int64_t document, int64_t prompt, std::span<const int32_t> tokens,
              std::span<const int32_t> positions = {});
  void Clear();
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }
  // Valid until Add or Clear.
  ForwardBatch forward();

 private:
  const ModelInfo& info_;
  std::vector<int32_t> tokens_, positions_, slots_;
  std::vector<int32_t> key_tokens_;  // of each row that a sequence sees
  bool branched_ = false;            // else they are the tokens in order
  std::vector<kernels::AttentionSequence> sequences_;
  std::vector<float> k_, v_;
  std::vector<void*> k_layers_, v_layers_;
  ops::KvBatch kv_;
};

}  // namespace aha

#endif  // AHA_MODEL_PACKED_BATCH_H_
