#include "server/response_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aha {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ResponseInput, EveryItemHasATypeAndAnId) {
  const Json text = InputItems("hello");
  ASSERT_EQ(text.size(), 1u);
  EXPECT_THAT(text[0]["id"].get<std::string>(), StartsWith("msg_"));
  EXPECT_EQ(text[0]["type"], "message");
  EXPECT_EQ(text[0]["role"], "user");
  EXPECT_EQ(text[0]["content"], ParseJson(R"([{"type": "input_text", "text": "hello"}])").value());

  const Json given = ParseJson(R"([
    {"role": "assistant", "content": "a"},
    {"type": "message", "id": "mine", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "x"},
    {"type": "reasoning", "summary": []}])")
                         .value();
  const Json items = InputItems(given);
  ASSERT_EQ(items.size(), 5u);
  EXPECT_EQ(items[0]["content"][0]["type"], "output_text");
  EXPECT_EQ(items[1]["id"], "mine");
  EXPECT_EQ(items[1]["content"], given[1]["content"]);
  EXPECT_THAT(items[2]["id"].get<std::string>(), StartsWith("fc_"));
  EXPECT_EQ(items[2]["name"], "f");
  EXPECT_THAT(items[3]["id"].get<std::string>(), StartsWith("fco_"));
  EXPECT_THAT(items[4]["id"].get<std::string>(), StartsWith("rs_"));
}

struct Page {
  std::string ids;
  bool more = false;
};

Page PageOf(const std::map<std::string, std::string>& query) {
  Json items = Json::array();
  for (const char* id : {"a", "b", "c", "d"}) items.push_back({{"id", id}});
  ApiResult<Json> page = PageOfItems(items, {.query = query});
  if (!page.ok()) return {page.error().message, false};
  Page out;
  for (const Json& item : (*page)["data"]) out.ids += item["id"].get<std::string>();
  out.more = (*page)["has_more"];
  if (!out.ids.empty()) {
    EXPECT_EQ((*page)["first_id"], out.ids.substr(0, 1));
    EXPECT_EQ((*page)["last_id"], out.ids.substr(out.ids.size() - 1));
  }
  return out;
}

TEST(ResponseInput, IsListedInPages) {
  EXPECT_EQ(PageOf({}).ids, "dcba");
  EXPECT_FALSE(PageOf({}).more);
  EXPECT_EQ(PageOf({{"order", "asc"}, {"limit", "3"}}).ids, "abc");
  EXPECT_TRUE(PageOf({{"order", "asc"}, {"limit", "3"}}).more);
  EXPECT_EQ(PageOf({{"order", "asc"}, {"after", "c"}}).ids, "d");
  EXPECT_EQ(PageOf({{"after", "c"}, {"limit", "1"}}).ids, "b");
  EXPECT_EQ(PageOf({{"after", "a"}}).ids, "");
  EXPECT_THAT(PageOf({{"after", "x"}}).ids, HasSubstr("after is 'x'"));
  EXPECT_THAT(PageOf({{"order", "up"}}).ids, HasSubstr("order is 'up'"));
  for (const char* limit : {"0", "101", "-1", "many", "", "nan"}) {
    EXPECT_THAT(PageOf({{"limit", limit}}).ids, HasSubstr("limit is")) << limit;
  }
}

}  // namespace
}  // namespace aha
