#include "server/vote.h"

#include <algorithm>

#include "chat/final_answer.h"

namespace aha {

VoteResult TallyVotes(const std::vector<VoteSample>& samples, bool as_numbers) {
  VoteResult out{.answers = {}, .winner = {}, .samples = samples, .extracted = {}};
  for (size_t i = 0; i < samples.size(); ++i) {
    std::string answer =
        samples[i].finish_reason == "stop" ? FinalAnswer(samples[i].content) : std::string();
    if (as_numbers) answer = WithoutEquation(answer);
    out.extracted.push_back(answer);
    if (answer.empty()) continue;
    const auto same = std::ranges::find_if(out.answers, [&](const VoteAnswer& known) {
      return SameAnswer(known.answer, answer, as_numbers);
    });
    if (same != out.answers.end()) {
      same->samples.push_back(i);
    } else {
      out.answers.push_back({answer, {i}});
    }
  }
  std::ranges::stable_sort(out.answers, [](const VoteAnswer& a, const VoteAnswer& b) {
    return a.samples.size() > b.samples.size();
  });
  if (!out.answers.empty()) out.winner = 0;
  return out;
}

Json VoteResult::ToJson() const {
  Json list = Json::array();
  for (const VoteAnswer& a : answers) {
    list.push_back(
        {{"answer", a.answer},
         {"count", a.samples.size()},
         {"share", static_cast<double>(a.samples.size()) / static_cast<double>(samples.size())},
         {"samples", a.samples}});
  }
  Json each = Json::array();
  for (size_t i = 0; i < samples.size(); ++i) {
    each.push_back({{"answer", extracted[i].empty() ? Json(nullptr) : Json(extracted[i])},
                    {"thought", samples[i].thought},
                    {"content", samples[i].content},
                    {"finish_reason", samples[i].finish_reason},
                    {"tokens", samples[i].tokens}});
  }
  return {{"answers", std::move(list)},
          {"winner", winner ? Json(*winner) : Json(nullptr)},
          {"samples", std::move(each)}};
}

}  // namespace aha
