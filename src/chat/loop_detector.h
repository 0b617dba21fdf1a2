// Says when a text has become an endless loop: its last tokens are one short piece, again and
// again.
//
//   LoopDetector loop;
//   if (loop.Push(id)) ...   // certain: end it
//
// For each period up to kLongest it counts how long the text has repeated itself at that distance.
// A loop is called certain after kRepeats copies that cover kLeast tokens: lists, tables and
// counting differ somewhere in so many.
#ifndef AHA_CHAT_LOOP_DETECTOR_H_
#define AHA_CHAT_LOOP_DETECTOR_H_

#include <array>
#include <cstdint>

namespace aha {

class LoopDetector {
 public:
  static constexpr int kLongest = 256;  // tokens of the piece that repeats
  static constexpr int kRepeats = 6;
  static constexpr int kLeast = 128;

  // Time in order of kLongest; allocates nothing.
  bool Push(int32_t id);

 private:
  std::array<int32_t, 2 * kLongest> last_ = {};  // twice, so that the newest kLongest lie together
  std::array<int32_t, kLongest + 1> run_ = {};   // by period: tokens equal to those before it
  int64_t count_ = 0;
};

}  // namespace aha

#endif  // AHA_CHAT_LOOP_DETECTOR_H_
