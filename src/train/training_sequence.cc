#include "train/training_sequence.h"

#include <algorithm>

namespace aha {
namespace {

// The first n of values, or what follows them; of none, none.
std::span<const int32_t> First(std::span<const int32_t> values, int64_t n) {
  return values.empty() ? values : values.first(static_cast<size_t>(n));
}
std::span<const int32_t> After(std::span<const int32_t> values, int64_t n) {
  return values.empty() ? values : values.subspan(static_cast<size_t>(n));
}

bool SamePrompt(const TrainingSequence& a, const TrainingSequence& b) {
  return a.prompt > 0 && a.prompt == b.prompt && a.positions.empty() == b.positions.empty() &&
         std::ranges::equal(First(a.ids, a.prompt), First(b.ids, b.prompt)) &&
         std::ranges::equal(First(a.positions, a.prompt), First(b.positions, b.prompt));
}

int64_t OwnTokens(const TrainingSequence& s) {
  return static_cast<int64_t>(s.ids.size()) - s.prompt;
}

PromptGroup GroupOf(std::span<const TrainingSequence> sequences, size_t first, size_t last) {
  const TrainingSequence& begin = sequences[first];
  PromptGroup group{.first = first, .last = last};
  if (last - first > 1) group.prompt = begin.prompt;
  group.tokens = begin.prompt;
  for (size_t i = first; i < last; ++i) {
    const TrainingSequence& s = sequences[i];
    group.tokens += OwnTokens(s);
    group.longest = std::max(group.longest, static_cast<int64_t>(s.ids.size()));
    for (const int32_t p : s.positions) group.longest = std::max<int64_t>(group.longest, p + 1);
  }
  return group;
}

}  // namespace

std::vector<PromptGroup> PromptGroups(std::span<const TrainingSequence> sequences) {
  std::vector<PromptGroup> groups;
  for (size_t first = 0; first < sequences.size();) {
    const TrainingSequence& s = sequences[first];
    CHECK(s.prompt == 0 || s.targets.empty() || s.targets.front() >= s.prompt,
          "a target in the prompt");
    size_t last = first + 1;
    int64_t tokens = OwnTokens(s);
    while (last < sequences.size() && SamePrompt(s, sequences[last])) {
      tokens += OwnTokens(sequences[last++]);
    }
    // Equal parts: one that is left over would share with nobody.
    const auto parts = static_cast<size_t>((tokens + kPromptGroupTokens - 1) / kPromptGroupTokens);
    const size_t n = last - first;
    const size_t cuts = std::clamp<size_t>(parts, 1, n);
    for (size_t i = 0; i < cuts; ++i) {
      groups.push_back(GroupOf(sequences, first + n * i / cuts, first + n * (i + 1) / cuts));
    }
    first = last;
  }
  return groups;
}

TargetRows::TargetRows(std::span<const TrainingSequence> sequences,
                       std::span<const PromptGroup> groups, PackedBatch* batch) {
  for (const PromptGroup& group : groups) {
    const int64_t document = batch->tokens();
    const int64_t prompt = group.prompt;
    if (prompt > 0) {
      const TrainingSequence& s = sequences[group.first];
      batch->Add(First(s.ids, prompt), First(s.positions, prompt));
    }
    for (size_t i = group.first; i < group.last; ++i) {
      const TrainingSequence& s = sequences[i];
      const int64_t own = batch->tokens() - prompt;  // where the document would begin
      first.push_back(rows.size());
      for (const int32_t t : s.targets) {
        rows.push_back(static_cast<int32_t>((t > prompt ? own : document) + t - 1));
        ids.push_back(s.ids[static_cast<size_t>(t)]);
      }
      if (static_cast<int64_t>(s.ids.size()) > prompt) {
        batch->Branch(document, prompt, After(s.ids, prompt), After(s.positions, prompt));
      }
    }
  }
  first.push_back(rows.size());
}

}  // namespace aha
