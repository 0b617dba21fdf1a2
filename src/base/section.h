// Reads one table of settings strictly: each key is asked for once with its default, and Finish
// refuses what nobody asked for, naming the nearest key there is. The first error sticks.
//
//   Section s(recipe, "rl");
//   s.Read("lr", &options.lr).Range(0, 1);
//   AHA_RETURN_IF_ERROR(s.Finish());
#ifndef AHA_BASE_SECTION_H_
#define AHA_BASE_SECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace aha {

class Section {
 public:
  // `where` is how errors call it ("[rl]"); a null `table` is an empty one.
  Section(const Json* table, std::string where);

  // Leaves *value as it is when the key is absent. Numbers must lie in [low, high].
  void Read(const char* key, int64_t* value, int64_t low, int64_t high);
  void Read(const char* key, double* value, double low, double high);
  void Read(const char* key, bool* value);
  void Read(const char* key, std::string* value);
  void Read(const char* key, std::vector<std::string>* value);
  // One of `names`; *value becomes its index as the enum.
  template <typename Enum>
  void ReadOne(const char* key, const std::vector<std::string>& names, Enum* value) {
    int64_t index = static_cast<int64_t>(*value);
    ReadIndex(key, names, &index);
    *value = static_cast<Enum>(index);
  }
  // The raw value, null when absent: for tables and lists read elsewhere.
  const Json* Take(const char* key);
  // A seed: a non-negative integer.
  void ReadSeed(const char* key, uint64_t* value);

  bool Has(const char* key);
  void Fail(Status status);
  // The first error; else an unknown key.
  Status Finish();

 private:
  const Json* Ask(const char* key);
  void ReadIndex(const char* key, const std::vector<std::string>& names, int64_t* index);
  void Wrong(const char* key, const Json& value, const std::string& want);

  const Json* table_;
  std::string where_;
  std::vector<std::string> asked_;
  Status status_;
};

}  // namespace aha

#endif  // AHA_BASE_SECTION_H_
