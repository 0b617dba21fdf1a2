// Parity of d bits (Tsilivis et al., arXiv 2510.11495): cannot be learned as a jump from bits to
// answer, is easy one bit at a time. The plainest task on which thinking emerges from reward.
//
//   prompt  "0110=", short reply "0", long reply "<think>0100</think>0" (running parities).
#ifndef AHA_ENVS_PARITY_H_
#define AHA_ENVS_PARITY_H_

#include "envs/environment.h"

namespace aha {

// Options: bits (16).
Result<std::unique_ptr<Environment>> MakeParity(const Json& options);
// Options: bits (16), long_share (0.2) of documents with the running parities; the others answer at
// once, rightly. Held-out problems are never in it.
Result<std::unique_ptr<DocumentSource>> MakeParityText(const Json& options);

}  // namespace aha

#endif  // AHA_ENVS_PARITY_H_
