// Several JSON schemas that must all hold, as one; references followed within the document.
#ifndef AHA_GRAMMAR_SCHEMA_MERGE_H_
#define AHA_GRAMMAR_SCHEMA_MERGE_H_

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace aha::grammar {

class SchemaMerger {
 public:
  // `document` outlives the merger.
  explicit SchemaMerger(const Json* document) : document_(document) {}

  // What "#/..." points to. Errors: another kind of reference; nothing there.
  Result<const Json*> Resolve(const Json& reference) const;
  // One schema that holds where both do; `false` where no value can. Errors name the keyword that
  // cannot be combined. References of either are followed.
  Result<Json> Merge(const Json& a, const Json& b, int depth = 0);
  // The schema without the keywords `skip` (copies are counted against the same budget).
  Result<Json> Without(const Json& schema, std::initializer_list<std::string_view> skip);

 private:
  Status Spend(const Json& copied);
  Result<Json> Direct(const Json& schema, int depth);
  Status MergeKeyword(const std::string& key, const Json& b, Json* a);
  Status MergeProperties(const Json& b, Json* a);
  Result<Json> Product(const Json& a, const Json& b);

  const Json* document_;
  int64_t spent_ = 0;  // values copied so far
};

// The types of `schema` as bits of kTypes, by its `type`, else all.
inline constexpr int kNull = 1, kBoolean = 2, kInteger = 4, kFraction = 8, kString = 16,
                     kArray = 32, kObject = 64, kNumber = kInteger | kFraction, kAllTypes = 127;
Result<int> TypesOf(const Json& schema);
// The type of a value: kInteger for numbers without a fraction.
int TypeOfValue(const Json& value);
// A keyword that says nothing about what is valid.
bool IsAnnotation(std::string_view keyword);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_SCHEMA_MERGE_H_
