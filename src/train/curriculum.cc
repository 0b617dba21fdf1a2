#include "train/curriculum.h"

#include <algorithm>

namespace aha {
namespace {

// A kind's rate is the mean of its groups until there are so many; then it forgets.
constexpr int64_t kRemembered = 8;

std::string NameOf(const Problem& p) { return p.level.empty() ? p.id : p.level; }

}  // namespace

bool Curriculum::Takes(const Problem& problem) {
  if (options_.revisit == 1) return true;
  const auto it = kinds_.find(NameOf(problem));
  if (it == kinds_.end() || IsWorth(it->second.pass_rate)) return true;
  Kind& kind = it->second;
  if (kind.passed_over + 1 == options_.revisit) {
    kind.passed_over = 0;
    return true;
  }
  ++kind.passed_over;
  ++passed_over_;
  return false;
}

void Curriculum::Graded(const Problem& problem, double pass_rate) {
  if (options_.revisit == 1) return;
  Kind& kind = kinds_[NameOf(problem)];
  kind.level = !problem.level.empty();
  kind.groups = std::min(kind.groups + 1, kRemembered);
  kind.pass_rate += (pass_rate - kind.pass_rate) / static_cast<double>(kind.groups);
}

void Curriculum::Describe(Json* line) const {
  if (options_.revisit == 1) return;
  (*line)["curriculum/passed_over"] = passed_over_;
  for (const auto& [name, kind] : kinds_) {
    if (kind.level) (*line)["pass_rate/" + name] = kind.pass_rate;
  }
}

Json Curriculum::State() const {
  Json kinds = Json::object();
  for (const auto& [name, k] : kinds_) {
    kinds[name] = {k.pass_rate, k.groups, k.passed_over, k.level};
  }
  return {{"passed_over", passed_over_}, {"kinds", std::move(kinds)}};
}

Status Curriculum::Restore(const Json& state) {
  AHA_ASSIGN_OR_RETURN(passed_over_, GetInt(state, "passed_over"));
  const Json* kinds = FindKey(state, "kinds");
  if (kinds == nullptr || !kinds->is_object()) return InvalidArgument("kinds is missing");
  kinds_.clear();
  for (const auto& [name, k] : kinds->items()) {
    const bool whole = k.is_array() && k.size() == 4 && k[0].is_number() &&
                       k[1].is_number_integer() && k[2].is_number_integer() && k[3].is_boolean();
    if (!whole) return InvalidArgument("kinds holds {} for '{}'", DumpJson(k), name);
    kinds_[name] = {k[0].get<double>(), k[1].get<int64_t>(), k[2].get<int64_t>(), k[3].get<bool>()};
  }
  return OkStatus();
}

}  // namespace aha
