#include "chat/loop_detector.h"

#include <algorithm>

namespace aha {

bool LoopDetector::Push(int32_t id) {
  const auto at = static_cast<int>(count_ % kLongest);
  const auto known = static_cast<int>(std::min<int64_t>(count_, kLongest));
  // last_[at + kLongest - p] is the token p before this one.
  bool loops = false;
  for (int p = 1; p <= known; ++p) {
    int32_t& run = run_[static_cast<size_t>(p)];
    run = last_[static_cast<size_t>(at + kLongest - p)] == id ? run + 1 : 0;
    loops = loops || (run >= (kRepeats - 1) * p && run + p >= kLeast);
  }
  last_[static_cast<size_t>(at)] = last_[static_cast<size_t>(at + kLongest)] = id;
  ++count_;
  return loops;
}

}  // namespace aha
