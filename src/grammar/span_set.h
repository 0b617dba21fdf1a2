// Gives equal spans of plain values one number: 0, 1, 2, ... in order of arrival.
#ifndef AHA_GRAMMAR_SPAN_SET_H_
#define AHA_GRAMMAR_SPAN_SET_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace aha::grammar {

// T has operator== and Hash(T), and is cheap to copy.
template <typename T>
class SpanSet {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  SpanSet() : buckets_(1024, -1) {}

  // The number of `values`, and whether it is new.
  std::pair<int32_t, bool> Intern(std::span<const T> values) {
    uint64_t hash = 0x9E3779B97F4A7C15u ^ values.size();
    for (const T& v : values) hash = (hash ^ Hash(v)) * 0xD6E8FEB86659FD93u, hash ^= hash >> 32;
    size_t at = hash & (buckets_.size() - 1);
    for (; buckets_[at] >= 0; at = (at + 1) & (buckets_.size() - 1)) {
      const int32_t id = buckets_[at];
      if (hashes_[static_cast<size_t>(id)] == hash && std::ranges::equal((*this)[id], values)) {
        return {id, false};
      }
    }
    const auto id = static_cast<int32_t>(hashes_.size());
    buckets_[at] = id;
    hashes_.push_back(hash);
    values_.insert(values_.end(), values.begin(), values.end());
    ends_.push_back(values_.size());
    if (2 * hashes_.size() > buckets_.size()) Grow();
    return {id, true};
  }

  // Valid until the next Intern.
  std::span<const T> operator[](int32_t id) const {
    const auto at = static_cast<size_t>(id);
    const size_t begin = at == 0 ? 0 : ends_[at - 1];
    return std::span(values_).subspan(begin, ends_[at] - begin);
  }
  int32_t size() const { return static_cast<int32_t>(hashes_.size()); }
  size_t bytes() const {
    return values_.capacity() * sizeof(T) + buckets_.capacity() * sizeof(int32_t) +
           hashes_.capacity() * 16;
  }

 private:
  void Grow() {
    buckets_.assign(buckets_.size() * 2, -1);
    for (size_t id = 0; id < hashes_.size(); ++id) {
      size_t at = hashes_[id] & (buckets_.size() - 1);
      while (buckets_[at] >= 0) at = (at + 1) & (buckets_.size() - 1);
      buckets_[at] = static_cast<int32_t>(id);
    }
  }

  std::vector<T> values_;
  std::vector<size_t> ends_;
  std::vector<uint64_t> hashes_;
  std::vector<int32_t> buckets_;
};

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_SPAN_SET_H_
