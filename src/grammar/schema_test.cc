#include "grammar/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "grammar/test_vocabulary.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

Json ReadGoldens() {
  std::ifstream in(std::filesystem::path(AHA_SOURCE_DIR) /
                   "src/grammar/testdata/schema_goldens.json");
  std::stringstream text;
  text << in.rdbuf();
  Result<Json> json = ParseJson(text.str());
  CHECK(json.ok(), json.status().message());
  return std::move((*json)["cases"]);
}

Grammar Schema(const Json& schema) {
  Result<Grammar> g = Grammar::FromJsonSchema(schema);
  CHECK(g.ok(), g.status().message());
  return std::move(g).value();
}
Grammar SchemaOf(std::string_view text) { return Schema(Json::parse(text)); }

std::string Error(const Json& schema) {
  const auto begin = std::chrono::steady_clock::now();
  const Result<Grammar> g = Grammar::FromJsonSchema(schema);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // 0.1 s on an idle machine; sanitizers and neighbours are slow.
  EXPECT_LT(took.count(), 5) << DumpJson(schema).substr(0, 200);
  return g.ok() ? "" : g.status().message();
}
std::string ErrorOf(std::string_view text) { return Error(Json::parse(text)); }

// Written apart from the grammar: a check of the simple keywords.
bool Fits(const Json& value, const Json& schema, const Json& root) {
  if (schema.is_boolean()) return schema == true;
  const auto get = [&](const char* key) { return schema.contains(key) ? &schema[key] : nullptr; };
  if (const Json* ref = get("$ref"); ref != nullptr && *ref == "#") return Fits(value, root, root);
  if (const Json* type = get("type")) {
    const auto is = [&](const Json& t) {
      return (t == "object" && value.is_object()) || (t == "array" && value.is_array()) ||
             (t == "string" && value.is_string()) || (t == "boolean" && value.is_boolean()) ||
             (t == "null" && value.is_null()) || (t == "integer" && value.is_number_integer()) ||
             (t == "number" && value.is_number());
    };
    if (type->is_array() ? std::ranges::none_of(*type, is) : !is(*type)) return false;
  }
  if (const Json* list = get("enum")) {
    if (std::ranges::find(*list, value) == list->end()) return false;
  }
  if (value.is_object()) {
    if (const Json* required = get("required")) {
      for (const Json& name : *required) {
        if (!value.contains(name.get<std::string>())) return false;
      }
    }
    for (const auto& [name, member] : value.items()) {
      const Json* properties = get("properties");
      if (properties != nullptr && properties->contains(name)) {
        if (!Fits(member, (*properties)[name], root)) return false;
      } else if (const Json* more = get("additionalProperties")) {
        if (!Fits(member, *more, root)) return false;
      }
    }
  }
  if (value.is_array()) {
    if (const Json* least = get("minItems"); least && value.size() < least->get<size_t>())
      return false;
    if (const Json* most = get("maxItems"); most && value.size() > most->get<size_t>())
      return false;
    if (const Json* items = get("items"); items && !schema.contains("prefixItems")) {
      for (const Json& item : value) {
        if (!Fits(item, *items, root)) return false;
      }
    }
  }
  if (value.is_number()) {
    if (const Json* low = get("minimum"); low && value < *low) return false;
    if (const Json* high = get("maximum"); high && *high < value) return false;
  }
  return true;
}

TEST(Schema, AgreesWithJsonschema) {
  int accepted = 0;
  int refused = 0;
  for (const Json& c : ReadGoldens()) {
    const Grammar g = Schema(c["schema"]);
    for (const Json& value : c["valid"]) {
      EXPECT_TRUE(Accepts(g, DumpJson(value))) << c["schema"] << " takes " << value;
      EXPECT_TRUE(Accepts(g, DumpJson(value, 2))) << c["schema"] << " takes indented " << value;
      ++accepted;
    }
    for (const Json& value : c["invalid"]) {
      EXPECT_FALSE(Accepts(g, DumpJson(value))) << c["schema"] << " refuses " << value;
      ++refused;
    }
  }
  EXPECT_GT(accepted, 180);
  EXPECT_GT(refused, 600);
}

// With AHA_GRAMMAR_WALKS=FILE the texts are written there for tools/check_grammar_walks.py.
TEST(Schema, RandomWalksAreValid) {
  std::vector<std::string> tokens = {"\": ",  "\", \"", "{\"",   "\"}",     "true", "null",
                                     "\":\"", "}}",     "[{\"",  "12",      "00",   "  ",
                                     "\n  ",  "ab",     "\\u00", "\xC3\xA9"};
  const TestVocabulary vocabulary(tokens);
  const char* file = std::getenv("AHA_GRAMMAR_WALKS");
  std::ofstream out;
  if (file != nullptr) out.open(file);
  int ended_walks = 0;
  for (const Json& c : ReadGoldens()) {
    auto shared = std::make_shared<TokenGrammar>(Schema(c["schema"]), vocabulary.trie,
                                                 std::vector<int32_t>{vocabulary.stop});
    for (uint64_t seed = 0; seed < 12; ++seed) {
      bool ended = false;
      const std::string text =
          RandomText(shared, *vocabulary.trie, seed, 10 + 15 * static_cast<int>(seed), &ended);
      if (!ended) continue;
      ++ended_walks;
      ASSERT_TRUE(Json::accept(text)) << c["schema"] << " gave " << text;
      EXPECT_TRUE(Fits(Json::parse(text), c["schema"], c["schema"]))
          << c["schema"] << " gave " << text;
      if (file != nullptr) out << DumpJson({{"schema", c["schema"]}, {"text", text}}) << "\n";
    }
  }
  EXPECT_GT(ended_walks, 600);
}

TEST(Schema, WhiteSpaceIsBounded) {
  const Grammar g =
      SchemaOf(R"({"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]})");
  for (const char* text :
       {R"({"a":[]})", R"({"a": [ ]})", "{\n  \"a\": [\n\t1, 2\n ]\n}", R"({ "a":[1,2] })"}) {
    EXPECT_TRUE(Accepts(g, text)) << text;
  }
  for (const char* text : {R"({  "a":[]})", "{\n\n\"a\":[]}", R"({"a" :[]})", R"({"a":  []})",
                           R"( {"a":[]})", R"({"a":[]} )", "{\r\n\"a\":[]}"}) {
    EXPECT_FALSE(Accepts(g, text)) << text;
  }
  EXPECT_FALSE(Accepts(g, "{\n" + std::string(21, ' ') + "\"a\":[]}"));
}

TEST(Schema, PropertiesComeInTheSchemasOrder) {
  const Grammar g = SchemaOf(R"({"properties": {"b": true, "a": true}})");
  EXPECT_TRUE(Accepts(g, R"({"b":1,"a":2})"));
  EXPECT_FALSE(Accepts(g, R"({"a":2,"b":1})"));
  EXPECT_FALSE(Accepts(g, R"({"b":1,"b":1})"));
  EXPECT_FALSE(Accepts(g, R"({"b":1,"c":1})"));  // closed unless additionalProperties opens it
  const Grammar open =
      SchemaOf(R"({"properties": {"ab": {"type": "null"}}, "additionalProperties": true})");
  EXPECT_TRUE(Accepts(open, R"({"ab":null,"abc":1,"a":2,"":3})"));
  EXPECT_FALSE(Accepts(open, R"({"ab":1})"));
  EXPECT_FALSE(Accepts(open, R"({"\u0061b":1})"));
  EXPECT_FALSE(Accepts(open, R"({"x":1,"ab":null})"));
}

TEST(Schema, StringsAreJsonStrings) {
  const Grammar g = SchemaOf(R"({"type": "string"})");
  for (const char* text :
       {R"("")", R"("\"\\\/\b\f\n\r\t\u00e9")", R"("\ud83d\ude00")", "\"\x7F\xF0\x9F\x98\x80\""}) {
    EXPECT_TRUE(Accepts(g, text)) << text;
  }
  for (const char* text :
       {"\"\n\"", R"("\x")", R"("\u12")", R"("\ud83d")", R"("\ude00")", R"("\ud83d\u0041")",
        "\"\xFF\"", "\"\xED\xA0\x80\"", "\"\xC0\x80\"", "\"a"}) {
    EXPECT_FALSE(Accepts(g, text)) << text;
  }
  const Grammar two = SchemaOf(R"({"type": "string", "minLength": 2, "maxLength": 2})");
  EXPECT_TRUE(Accepts(two, R"("\ud83d\ude00a")"));
  EXPECT_TRUE(Accepts(two, R"("\n\u0000")"));
  EXPECT_FALSE(Accepts(two, R"("\ud83d\ude00")"));
}

TEST(Schema, NumbersAreExact) {
  // Every number of a grid, under every pair of bounds of another.
  for (const char* type : {"integer", "number"}) {
    for (int low = -25; low <= 25; low += 5) {
      for (int high = low - 5; high <= 125; high += 13) {
        for (int open = 0; open < 4; ++open) {
          const double l = type[0] == 'i' ? low : low / 10.0;
          const double h = type[0] == 'i' ? high : high / 10.0;
          const Json schema = {{"type", type},
                               {(open & 1) != 0 ? "exclusiveMinimum" : "minimum", l},
                               {(open & 2) != 0 ? "exclusiveMaximum" : "maximum", h}};
          const Result<Grammar> g = Grammar::FromJsonSchema(schema);
          for (int i = -40; i <= 140; ++i) {
            const double x = type[0] == 'i' ? i : i / 10.0;
            const bool fits =
                ((open & 1) != 0 ? x > l : x >= l) && ((open & 2) != 0 ? x < h : x <= h);
            const std::string text = type[0] == 'i' ? std::to_string(i) : DumpJson(Json(x));
            if (text == "-0.0") continue;
            ASSERT_EQ(g.ok() && Accepts(*g, text), fits) << schema << " " << text;
          }
        }
      }
    }
  }
}

TEST(Schema, ErrorsNameKeywordAndPlace) {
  EXPECT_THAT(ErrorOf(R"({"not": {}})"), HasSubstr("#: not is not supported"));
  EXPECT_THAT(ErrorOf(R"({"properties": {"a": {"items": {"patternProperties": {"x": {}}}}}})"),
              HasSubstr("#/properties/a/items: patternProperties is not supported"));
  EXPECT_THAT(ErrorOf(R"({"type": "array", "uniqueItems": true})"), HasSubstr("uniqueItems"));
  EXPECT_THAT(ErrorOf(R"({"type": "strin"})"), HasSubstr("type \"strin\""));
  EXPECT_THAT(ErrorOf(R"({"type": 7})"), HasSubstr("type 7"));
  EXPECT_THAT(ErrorOf(R"({"$ref": "http://x/y"})"),
              HasSubstr("http://x/y: only references within"));
  EXPECT_THAT(ErrorOf(R"({"$ref": "#/nowhere"})"), HasSubstr("#/nowhere leads nowhere"));
  EXPECT_THAT(ErrorOf(R"({"properties": 3})"), HasSubstr("properties is not an object"));
  EXPECT_THAT(ErrorOf(R"({"required": "a"})"), HasSubstr("required is not a list"));
  EXPECT_THAT(ErrorOf(R"({"minLength": -1})"), HasSubstr("minLength is -1"));
  EXPECT_THAT(ErrorOf(R"({"minLength": "x"})"), HasSubstr("minLength is \"x\""));
  EXPECT_THAT(ErrorOf(R"({"type": "number", "multipleOf": 3})"), HasSubstr("multipleOf 3"));
  EXPECT_THAT(ErrorOf(R"({"minimum": "3"})"), HasSubstr("minimum is \"3\""));
  EXPECT_THAT(ErrorOf(R"({"minimum": 1e300})"), HasSubstr("18 digits"));
  EXPECT_THAT(ErrorOf(R"({"anyOf": []})"), HasSubstr("anyOf is not a list of schemas"));
  EXPECT_THAT(ErrorOf(R"([1])"), HasSubstr("[1] is not a schema"));
  EXPECT_THAT(ErrorOf(R"({"properties": {"a": 5}})"),
              HasSubstr("#/properties/a: 5 is not a schema"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "(?=a)b"})"), HasSubstr("(?=a)b"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "(a)\\1"})"), HasSubstr("a back-reference"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "a\\b"})"), HasSubstr("\\b"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "(a"})"), HasSubstr("without its )"));
  EXPECT_THAT(Error(Json{{"pattern", "a)"}}), HasSubstr("without its ("));
  EXPECT_THAT(ErrorOf(R"({"pattern": "[a"})"), HasSubstr("without its ]"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "a**"})"), HasSubstr("a count of a count"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "a^b"})"), HasSubstr("a ^ in the middle"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "\\p{L}"})"), HasSubstr("\\p"));
  EXPECT_THAT(ErrorOf(R"({"pattern": 5})"), HasSubstr("pattern 5"));
  EXPECT_THAT(ErrorOf(R"({"pattern": "^a+$", "maxLength": 5})"),
              HasSubstr("maxLength beside pattern"));
  EXPECT_THAT(ErrorOf(R"({"enum": ["a"], "minLength": 1})"), HasSubstr("minLength beside enum"));
  EXPECT_THAT(ErrorOf(R"({"type": "integer", "minimum": 5, "maximum": 4})"),
              HasSubstr("rule # can never end"));
  EXPECT_THAT(ErrorOf(R"({"allOf": [{"type": "string"}, {"type": "null"}]})"),
              HasSubstr("never end"));
  EXPECT_THAT(ErrorOf(R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})"),
              HasSubstr("of pattern cannot both"));
  EXPECT_THAT(ErrorOf(R"(false)"), HasSubstr("never end"));
}

// Case 19 of the security list: schemas made to hang or to fill the memory.
TEST(Schema, HostileSchemasEndSoon) {
  EXPECT_THAT(ErrorOf(R"({"$ref": "#"})"), HasSubstr("rule # can never end"));
  EXPECT_THAT(ErrorOf(R"({"$ref": "#", "type": "object"})"), HasSubstr("contains itself"));
  EXPECT_THAT(ErrorOf(R"({"allOf": [{"$ref": "#"}, {"$ref": "#"}]})"), HasSubstr("#"));
  EXPECT_THAT(ErrorOf(R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})"),
              HasSubstr("left-recursive"));
  EXPECT_THAT(ErrorOf(R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})"),
              HasSubstr("never end"));
  Json bomb = {{"$defs", Json::object()}};  // 2^40
  for (int i = 0; i < 40; ++i) {
    const Json next = {{"$ref", fmt::format("#/$defs/d{}", i + 1)}};
    bomb["$defs"][fmt::format("d{}", i)] = {{"allOf", {next, next}}};
  }
  bomb["$defs"]["d40"] = {{"type", "string"}};
  bomb["$ref"] = "#/$defs/d0";
  EXPECT_NE(Error(bomb), "");
  for (int i = 0; i < 40; ++i) {
    const Json next = {{"$ref", fmt::format("#/$defs/d{}", i + 1)}};
    bomb["$defs"][fmt::format("d{}", i)] = {{"anyOf", {next, next}}, {"minLength", i}};
  }
  EXPECT_NE(Error(bomb), "");
  for (int i = 0; i < 40; ++i) {  // the same without siblings is 40 rules
    const Json next = {{"$ref", fmt::format("#/$defs/d{}", i + 1)}};
    bomb["$defs"][fmt::format("d{}", i)] = {{"type", "array"}, {"prefixItems", {next, next}}};
  }
  EXPECT_EQ(Error(bomb), "");
  Json deep = {{"type", "null"}};
  for (int i = 0; i < 400; ++i) deep = {{"type", "array"}, {"items", deep}};
  EXPECT_THAT(Error(deep), HasSubstr("200 deep"));
  Json huge = Json::array();
  for (int i = 0; i < 20'000; ++i) huge.push_back(fmt::format("value number {}", i * 7919));
  const Grammar words = Schema(Json{{"enum", huge}});
  EXPECT_TRUE(Accepts(words, "\"value number 7919\""));
  EXPECT_FALSE(Accepts(words, "\"value number 7918\""));
  for (int i = 20'000; i < 300'000; ++i) huge.push_back(i);
  EXPECT_THAT(Error(Json{{"enum", huge}}), HasSubstr("too large"));
  Json wide = {{"type", "object"}, {"properties", Json::object()}};
  for (int i = 0; i < 2000; ++i) wide["properties"][fmt::format("p{}", i)] = {{"type", "integer"}};
  EXPECT_TRUE(Accepts(Schema(wide), R"({"p2":1,"p1999":2})"));
  const std::string many(200'000, 'x');
  EXPECT_THAT(Error(Json{{"pattern", many}}), HasSubstr("bytes"));
}

TEST(Schema, HostilePatternsEndSoon) {
  const std::vector<std::string> patterns = {"^(a+)+$",
                                             "^(a|a)*$",
                                             "^(a|aa)+$",
                                             "^((a{1,100}){1,100}){1,100}$",
                                             "(x+x+)+y",
                                             "^(.*a){20}$",
                                             "^(a?){30}a{30}$",
                                             "^[ab]*a[ab]{30}$",
                                             "^(([a-z])+.)+[A-Z]([a-z])+$",
                                             "^.{0,1000000000}$",
                                             std::string(40, '(') + "a" + std::string(40, ')'),
                                             "^(" +
                                                 [] {
                                                   std::string s;
                                                   for (int i = 0; i < 2000; ++i)
                                                     s += "a" + std::to_string(i) + "|";
                                                   return s;
                                                 }() +
                                                 "b)*$"};
  const TestVocabulary vocabulary({"aa", "aaaa", "aaaaaaaa", "xy", "ab"});
  std::vector<uint64_t> words(5);
  for (const std::string& pattern : patterns) {
    const auto begin = std::chrono::steady_clock::now();
    const Result<Grammar> g =
        Grammar::FromJsonSchema(Json{{"type", "string"}, {"pattern", pattern}});
    ASSERT_TRUE(g.ok()) << g.status().message();
    GrammarMatcher matcher = vocabulary.Match(*g);
    ASSERT_TRUE(matcher.AcceptText("\""));
    for (int i = 0; i < 200; ++i) {
      matcher.Mask(words);
      if (!matcher.AcceptText("a") && !matcher.AcceptText("x")) break;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took.count(), 5) << pattern;
  }
  EXPECT_NE(Error(Json{{"pattern", std::string(100, '(') + "a" + std::string(100, ')')}}), "");
}

TEST(Schema, AnyObject) {
  const Grammar g = Grammar::JsonObject();
  EXPECT_TRUE(Accepts(g, R"({"a":[1,-2.5e3,{"b":null}],"c":"\u00e9","d":true})"));
  EXPECT_FALSE(Accepts(g, "[1]"));
  EXPECT_FALSE(Accepts(g, R"({"a":01})"));
  std::string deep = "{\"a\":";
  for (int i = 0; i < 1000; ++i) deep += "[";
  const TestVocabulary vocabulary;
  GrammarMatcher matcher = vocabulary.Match(g);
  int depth = 0;
  while (depth < 1000 && matcher.AcceptText(depth == 0 ? "{\"a\":[" : "[")) ++depth;
  EXPECT_GT(depth, 60);
  EXPECT_LT(depth, 128);
  EXPECT_TRUE(matcher.AcceptText(std::string(static_cast<size_t>(depth), ']') + "}"));
  EXPECT_TRUE(matcher.must_end());
}

}  // namespace
}  // namespace aha
