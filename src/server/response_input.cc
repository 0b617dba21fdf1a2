#include "server/response_input.h"

#include <algorithm>

#include "server/random_id.h"
#include "server/request_query.h"
#include "server/translated_body.h"

namespace aha {
namespace {

constexpr double kPage = 20, kLargestPage = 100;

Json Message(Json item) {
  item["type"] = "message";
  Json& content = item["content"];
  if (content.is_string()) {
    const char* part = StringAt(item, "role") == "assistant" ? "output_text" : "input_text";
    content = Json::array({{{"type", part}, {"text", content}}});
  }
  return item;
}

std::string_view IdPrefix(const std::string& type) {
  if (type == "reasoning") return "rs_";
  if (type == "function_call") return "fc_";
  if (type == "function_call_output") return "fco_";
  return "msg_";
}

}  // namespace

Json InputItems(const Json& input) {
  Json items = Json::array();
  if (input.is_string()) {
    items.push_back({{"role", "user"}, {"content", input}});
  } else {
    items = input;
  }
  for (Json& item : items) {
    const std::string type = StringAt(item, "type");
    if (type.empty() || type == "message") item = Message(std::move(item));
    if (StringAt(item, "id").empty()) item["id"] = RandomId(IdPrefix(type));
    if (StringAt(item, "status").empty()) item["status"] = "completed";
  }
  return items;
}

ApiResult<Json> PageOfItems(const Json& items, const HttpRequest& request) {
  double limit = kPage;
  if (auto error = ReadQuery(request, "limit", 1, kLargestPage, &limit)) return *error;
  std::string order = "desc";
  if (const auto it = request.query.find("order"); it != request.query.end()) order = it->second;
  if (order != "asc" && order != "desc") {
    return BadField("order", "order is '{}': asc and desc are possible", order.substr(0, 60));
  }
  Json all = items;
  if (order == "desc") std::reverse(all.begin(), all.end());
  auto next = all.begin();
  if (const auto it = request.query.find("after"); it != request.query.end()) {
    next = std::find_if(all.begin(), all.end(),
                        [&](const Json& item) { return StringAt(item, "id") == it->second; });
    if (next == all.end()) {
      return BadField("after", "after is '{}': no item of this input has that id",
                      it->second.substr(0, 80));
    }
    ++next;
  }
  Json data = Json::array();
  while (next != all.end() && static_cast<double>(data.size()) < limit) {
    data.push_back(std::move(*next++));
  }
  Json page = {{"object", "list"}, {"has_more", next != all.end()}};
  page["first_id"] = data.empty() ? Json() : data.front()["id"];
  page["last_id"] = data.empty() ? Json() : data.back()["id"];
  page["data"] = std::move(data);
  return page;
}

}  // namespace aha
