#include "base/section.h"

#include <algorithm>
#include <cmath>

#include "base/nearest_name.h"

namespace aha {

Section::Section(const Json* table, std::string where) : table_(table), where_(std::move(where)) {
  if (table_ != nullptr && !table_->is_object()) {
    Fail(InvalidArgument("{} is {}, not a table", where_, DumpJson(*table_)));
    table_ = nullptr;
  }
}

void Section::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

const Json* Section::Ask(const char* key) {
  asked_.emplace_back(key);
  return table_ == nullptr ? nullptr : FindKey(*table_, key);
}

void Section::Wrong(const char* key, const Json& value, const std::string& want) {
  Fail(InvalidArgument("{} {} is {}: want {}", where_, key, DumpJson(value), want));
}

void Section::Read(const char* key, int64_t* value, int64_t low, int64_t high) {
  const Json* found = Ask(key);
  if (found == nullptr) return;
  if (!found->is_number_integer() || found->get<int64_t>() < low || found->get<int64_t>() > high ||
      (found->is_number_unsigned() && found->get<uint64_t>() > uint64_t{INT64_MAX})) {
    return Wrong(key, *found, fmt::format("a whole number from {} to {}", low, high));
  }
  *value = found->get<int64_t>();
}

void Section::Read(const char* key, double* value, double low, double high) {
  const Json* found = Ask(key);
  if (found == nullptr) return;
  const double number = found->is_number() ? found->get<double>() : std::nan("");
  if (!(number >= low && number <= high)) {
    return Wrong(key, *found, fmt::format("a number from {} to {}", low, high));
  }
  *value = number;
}

void Section::Read(const char* key, bool* value) {
  const Json* found = Ask(key);
  if (found == nullptr) return;
  if (!found->is_boolean()) return Wrong(key, *found, "true or false");
  *value = found->get<bool>();
}

void Section::Read(const char* key, std::string* value) {
  const Json* found = Ask(key);
  if (found == nullptr) return;
  if (!found->is_string()) return Wrong(key, *found, "a string");
  *value = found->get<std::string>();
}

void Section::Read(const char* key, std::vector<std::string>* value) {
  const Json* found = Ask(key);
  if (found == nullptr) return;
  const bool strings =
      found->is_array() &&
      std::all_of(found->begin(), found->end(), [](const Json& s) { return s.is_string(); });
  if (!strings) return Wrong(key, *found, "a list of strings");
  *value = found->get<std::vector<std::string>>();
}

void Section::ReadSeed(const char* key, uint64_t* value) {
  auto seed = static_cast<int64_t>(*value);
  Read(key, &seed, 0, INT64_MAX);
  *value = static_cast<uint64_t>(seed);
}

void Section::ReadIndex(const char* key, const std::vector<std::string>& names, int64_t* index) {
  const Json* found = Ask(key);
  if (found == nullptr) return;
  const std::string name = found->is_string() ? found->get<std::string>() : "";
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) {
    std::string all;
    for (const std::string& one : names) all += (all.empty() ? "" : ", ") + one;
    return Wrong(key, *found, "one of " + all);
  }
  *index = at - names.begin();
}

const Json* Section::Take(const char* key) { return Ask(key); }

bool Section::Has(const char* key) { return table_ != nullptr && FindKey(*table_, key) != nullptr; }

Status Section::Finish() {
  if (!status_.ok() || table_ == nullptr) return status_;
  for (const auto& [key, value] : table_->items()) {
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    const std::string nearest = NearestName(key, asked_);
    return InvalidArgument("{} has no key '{}'{}", where_, key,
                           nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
  }
  return OkStatus();
}

}  // namespace aha
