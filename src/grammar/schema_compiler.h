// The parts of ParseSchema: schema.cc decides what a schema is, schema_structures.cc writes objects
// and arrays, schema_scalars.cc strings and numbers.
#ifndef AHA_GRAMMAR_SCHEMA_COMPILER_H_
#define AHA_GRAMMAR_SCHEMA_COMPILER_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "grammar/json_text.h"
#include "grammar/schema.h"
#include "grammar/schema_merge.h"
#include "grammar/syntax.h"

namespace aha::grammar {

class SchemaCompiler {
 public:
  explicit SchemaCompiler(const Json* document);
  Result<SchemaGrammar> Run();

 private:
  // `at`: where the schema stands, for errors.
  Result<ExprId> Compile(const Json& schema, const std::string& at);
  Result<ExprId> CompileKeywords(const Json& schema, const std::string& at);
  Result<ExprId> CompileReference(const Json& schema, const std::string& at);
  Result<ExprId> CompileAlternatives(const Json& schema, const std::string& at);
  Result<ExprId> CompileEnum(const Json& schema, const std::string& at);
  Result<ExprId> CompileTypes(const Json& schema, const std::string& at);
  Status CheckKeywords(const Json& schema, const std::string& at) const;

  struct Property {
    std::string name;
    ExprId member = 0;  // key, colon, value
    bool required = false;
  };
  Result<ExprId> CompileObject(const Json& schema, const std::string& at);
  Result<std::vector<Property>> ReadProperties(const Json& schema, const std::string& at);
  Result<std::optional<ExprId>> AdditionalMember(const Json& schema,
                                                 const std::vector<Property>& properties,
                                                 const std::string& at);
  Result<ExprId> Members(const std::vector<Property>& properties, std::optional<ExprId> more,
                         const std::string& at);
  Status CheckPropertyCounts(const Json& schema, const std::vector<Property>& properties,
                             bool more) const;
  Result<ExprId> CompileArray(const Json& schema, const std::string& at);
  ExprId Items(const std::vector<ExprId>& prefix, std::optional<ExprId> rest, int64_t least,
               int64_t most, const std::string& at);

  // A rule of what `make` makes, one for each `key`.
  template <typename Make>
  Result<ExprId> Once(const std::string& key, const Make& make) {
    const auto it = scalars_.find(key);
    if (it != scalars_.end()) return syntax_.RuleCall(it->second);
    AHA_ASSIGN_OR_RETURN(const ExprId expr, make());
    const int32_t rule = scalars_[key] = syntax_.AddRule(key, expr);
    return syntax_.RuleCall(rule);
  }
  Result<ExprId> CompileString(const Json& schema);
  Result<ExprId> PatternString(const std::string& key, const std::string& pattern, int64_t least,
                               int64_t most);
  Result<ExprId> CompileNumber(const Json& schema, bool whole);

  const Json* document_;
  Syntax syntax_;
  JsonText json_;
  SchemaMerger merger_;
  struct Referred {
    const Json* schema;
    std::string at;
    int32_t rule;
  };
  std::vector<Referred> to_compile_;           // what was referred to, in the order of that
  std::map<std::string, int32_t> references_;  // its rules
  std::map<std::string, int32_t> scalars_;     // rules of strings and numbers
  int depth_ = 0;
  int64_t compiled_ = 0;
};

// A count keyword (minItems, ...): `absent` when it is not there. Error: not a whole number >= 0.
Result<int64_t> ReadCount(const Json& schema, const char* key, int64_t absent);

}  // namespace aha::grammar

#endif  // AHA_GRAMMAR_SCHEMA_COMPILER_H_
