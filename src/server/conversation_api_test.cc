#include "server/conversation_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "server/limits.h"

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Recorded : Exchange {
  void Send(HttpResponse response) override { sent = std::move(response); }
  void Begin(HttpResponse) override {}
  void Write(std::string) override {}
  void End() override {}
  void OnGone(std::function<void()>) override {}
  HttpResponse sent;
};

struct Answered {
  int status = 0;
  Json body;
  Json error(const char* key) const { return body["error"][key]; }
};

class ConversationApiTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / fmt::format("aha_conversation_api_{}", getpid());
    fs::remove_all(folder_);
    context_.prepare = [](std::function<void()> work) { work(); };
    context_.post = [](std::function<void()> work) { work(); };
    Reopen();
  }
  void TearDown() override {
    store_ = nullptr;
    fs::remove_all(folder_);
  }
  void Reopen() {
    store_ = nullptr;
    auto store = ConversationStore::Open(folder_, {.cost = {.passes = 1, .memory_bytes = 8192}});
    ASSERT_TRUE(store.ok()) << store.status().message();
    store_ = std::move(*store);
    router_ = std::make_unique<Router>();
    AddConversationRoutes(*router_, context_, *store_);
  }

  Answered Ask(const std::string& method, const std::string& path, const std::string& body = "",
               std::map<std::string, std::string> query = {}) {
    HttpRequest request{
        .method = method, .path = path, .query = std::move(query), .body = body, .owner = owner_};
    Router::Match match = router_->Find(method, path);
    if (match.route == nullptr) return {.status = 405, .body = {}};
    EXPECT_FALSE(match.route->open) << path;
    auto exchange = std::make_shared<Recorded>();
    match.route->handler(request, std::move(match.parts), exchange);
    const std::string& text = exchange->sent.body;
    return {.status = exchange->sent.status,
            .body = text.empty() ? Json() : ParseJson(text).value()};
  }
  Answered AskJson(const std::string& method, const std::string& path, const Json& body) {
    return Ask(method, path, DumpJson(body));
  }

  fs::path folder_;
  std::string owner_;
  ApiContext context_;
  std::unique_ptr<ConversationStore> store_;
  std::unique_ptr<Router> router_;
};

TEST_F(ConversationApiTest, AConversationFromBeginningToEnd) {
  const Answered made =
      AskJson("POST", "/api/conversations",
              {{"model", "m"}, {"settings", {{"temperature", 0.6}, {"thinking", nullptr}}}});
  ASSERT_EQ(made.status, 200);
  EXPECT_EQ(made.body["messages"], Json::array());
  const std::string id = made.body["id"], path = "/api/conversations/" + id;
  ASSERT_TRUE(store_->AddMessage("", id, "", {{"role", "user"}, {"content", "Why?"}}).ok());
  EXPECT_EQ(Ask("GET", path).body["messages"][0]["content"], "Why?");
  const Answered renamed = AskJson("PATCH", path, {{"title", "Reasons"}});
  EXPECT_EQ(renamed.body["title"], "Reasons");
  EXPECT_FALSE(renamed.body.contains("messages"));
  const Json list = Ask("GET", "/api/conversations", "", {{"q", "why"}, {"limit", "5"}}).body;
  ASSERT_EQ(list["conversations"].size(), 1U);
  EXPECT_EQ(list["conversations"][0]["snippet"], "Why?");
  EXPECT_EQ(Ask("GET", "/api/conversations", "", {{"before", "1.5"}}).body["conversations"].size(),
            0U);
  const Answered file = Ask("GET", path + "/export");
  EXPECT_EQ(file.body, Ask("GET", "/api/export").body);
  EXPECT_EQ(AskJson("POST", "/api/import", file.body).body["imported"], 1);
  EXPECT_EQ(Ask("DELETE", path).status, 204);
  EXPECT_EQ(Ask("GET", path).status, 404);
  EXPECT_EQ(Ask("DELETE", path).status, 404);
  EXPECT_EQ(Ask("DELETE", "/api/conversations").status, 204);
  EXPECT_EQ(Ask("GET", "/api/conversations").body["conversations"], Json::array());
}

TEST_F(ConversationApiTest, OwnersDoNotSeeEachOther) {
  owner_ = "a";
  const std::string id = AskJson("POST", "/api/conversations", {{"title", "mine"}}).body["id"];
  owner_ = "b";
  EXPECT_EQ(Ask("GET", "/api/conversations/" + id).status, 404);
  EXPECT_EQ(Ask("GET", "/api/conversations/" + id + "/export").status, 404);
  EXPECT_EQ(AskJson("PATCH", "/api/conversations/" + id, {{"title", "x"}}).status, 404);
  EXPECT_EQ(Ask("DELETE", "/api/conversations/" + id).status, 404);
  EXPECT_EQ(Ask("DELETE", "/api/conversations").status, 204);
  EXPECT_EQ(Ask("GET", "/api/export").body["conversations"], Json::array());
  owner_ = "a";
  EXPECT_EQ(Ask("GET", "/api/conversations/" + id).body["title"], "mine");
}

TEST_F(ConversationApiTest, NamesTheFieldThatIsWrong) {
  const auto refused = [&](const Json& body, const char* param) {
    const Answered answer = AskJson("POST", "/api/conversations", body);
    EXPECT_EQ(answer.status, 400) << body.dump();
    EXPECT_EQ(answer.error("param"), param) << body.dump();
  };
  refused({{"title", 1}}, "title");
  refused({{"title", std::string(limits::kTitleBytes + 1, 'x')}}, "title");
  refused({{"model", std::string(limits::kModelNameBytes + 1, 'x')}}, "model");
  refused({{"settings", 1}}, "settings");
  refused({{"settings", {{"temperature", 3}}}}, "settings.temperature");
  refused({{"settings", {{"samples", limits::kSamples + 1}}}}, "settings.samples");
  refused({{"settings", {{"thinking", "yes"}}}}, "settings.thinking");
  refused({{"settings", {{"verify", "dice"}}}}, "settings.verify");
  EXPECT_EQ(Ask("POST", "/api/conversations", "{").error("code"), "invalid_json");
  EXPECT_EQ(Ask("POST", "/api/conversations", "[]").status, 400);
  const auto query = [&](const char* key, const std::string& value) {
    const Answered answer = Ask("GET", "/api/conversations", "", {{key, value}});
    EXPECT_EQ(answer.status, 400) << value;
    EXPECT_EQ(answer.error("param"), key);
  };
  query("limit", "0");
  query("limit", std::to_string(limits::kConversationPage + 1));
  query("limit", "");
  query("before", "nan");
  query("before", "-1");
  query("before", "1x");
  query("q", std::string(limits::kSearchBytes + 1, 'x'));
  const Answered import =
      AskJson("POST", "/api/import",
              {{"format", "aha-conversations"},
               {"version", 1},
               {"conversations", {{{"settings", {{"top_k", -1}}}, {"messages", Json::array()}}}}});
  EXPECT_EQ(import.error("param"), "conversations[0].settings.top_k");
  EXPECT_EQ(AskJson("POST", "/api/import", {{"format", "x"}}).status, 400);
}

TEST_F(ConversationApiTest, ALockedStoreAnswers423UntilItIsUnlocked) {
  const std::string id = AskJson("POST", "/api/conversations", {{"title", "secret"}}).body["id"];
  EXPECT_EQ(AskJson("POST", "/api/unlock", {{"passphrase", "x"}}).status, 204);  // nothing to do
  EXPECT_EQ(AskJson("POST", "/api/encrypt", {{"passphrase", ""}}).error("param"), "passphrase");
  const std::string longest(limits::kPassphraseBytes, 'p');
  EXPECT_EQ(AskJson("POST", "/api/encrypt", {{"passphrase", longest + "p"}}).status, 400);
  EXPECT_EQ(AskJson("POST", "/api/encrypt", {{"passphrase", longest}}).status, 204);
  EXPECT_EQ(AskJson("POST", "/api/encrypt", {{"passphrase", "again"}}).status, 409);
  EXPECT_EQ(Ask("GET", "/api/conversations/" + id).body["title"], "secret");
  Reopen();
  for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/api/conversations"},
           {"POST", "/api/conversations"},
           {"DELETE", "/api/conversations"},
           {"GET", "/api/conversations/" + id},
           {"PATCH", "/api/conversations/" + id},
           {"DELETE", "/api/conversations/" + id},
           {"GET", "/api/conversations/" + id + "/export"},
           {"GET", "/api/export"},
           {"POST", "/api/import"}}) {
    EXPECT_EQ(AskJson(method, path, Json::object()).status, 423) << method << " " << path;
  }
  const Answered wrong = AskJson("POST", "/api/unlock", {{"passphrase", "canary-word"}});
  EXPECT_EQ(wrong.status, 403);
  EXPECT_EQ(wrong.body.dump().find("canary"), std::string::npos);
  EXPECT_EQ(Ask("POST", "/api/unlock", "canary-word").body.dump().find("canary"),
            std::string::npos);
  EXPECT_EQ(AskJson("POST", "/api/unlock", {{"passphrase", longest}}).status, 204);
  EXPECT_EQ(Ask("GET", "/api/conversations/" + id).body["title"], "secret");
}

}  // namespace
}  // namespace aha
