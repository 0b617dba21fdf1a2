#include "server/conversation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aha {
namespace {

namespace fs = std::filesystem;

class ConversationStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(testing::TempDir()) /
        fmt::format("aha_store_{}", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    Reopen();
  }
  void TearDown() override {
    store_ = nullptr;
    fs::remove_all(folder_);
  }
  void Reopen() {
    store_ = nullptr;
    auto store = ConversationStore::Open(folder_, kCheap);
    ASSERT_TRUE(store.ok()) << store.status().message();
    store_ = std::move(*store);
  }
  std::string NewChat(const std::string& title = "", const std::string& owner = "me") {
    return store_->Create(owner, {{"title", title}}).value()["id"];
  }
  std::string Add(const std::string& chat, const std::string& parent, const Json& message) {
    const auto id = store_->AddMessage("me", chat, parent, message);
    EXPECT_TRUE(id.ok()) << id.status().message();
    return id.ok() ? *id : "";
  }

  // The least that libsodium takes: the tests are about the store.
  static constexpr ConversationStoreOptions kCheap = {.cost = {.passes = 1, .memory_bytes = 8192}};
  fs::path folder_;
  std::unique_ptr<ConversationStore> store_;
};

Json User(const std::string& text) { return {{"role", "user"}, {"content", text}}; }
Json Streaming(const std::string& turn = "t1") {
  return {{"role", "assistant"},
          {"content", ""},
          {"model", "m"},
          {"status", "streaming"},
          {"turn", turn}};
}

TEST_F(ConversationStoreTest, ATurnIsThereAfterReopening) {
  const std::string chat = NewChat();
  const std::string question = Add(chat, "", User("How many primes\nare there?"));
  const std::string answer = Add(chat, question, Streaming());
  ASSERT_TRUE(store_->AppendDelta(answer, "Euclid", "").ok());
  ASSERT_TRUE(store_->AppendDelta(answer, " knew", "With").ok());
  ASSERT_TRUE(store_->AppendDelta(answer, "", "out end").ok());
  Json now = store_->Get("me", chat).value();
  EXPECT_EQ(now["title"], "How many primes are there?");
  EXPECT_EQ(now["leaf"], answer);
  EXPECT_EQ(now["messages"][1]["reasoning_content"], "Euclid knew");
  EXPECT_EQ(now["messages"][1]["content"], "Without end");
  EXPECT_EQ(now["messages"][1]["turn"], "t1");
  const Json finished = {{"role", "assistant"},
                         {"content", "Without end."},
                         {"reasoning_content", "Hm."},
                         {"status", "done"},
                         {"finish_reason", "stop"},
                         {"usage", {{"prompt_tokens", 3}}},
                         {"model", "m"},
                         {"turn", nullptr}};
  ASSERT_TRUE(store_->FinishMessage(answer, finished).ok());
  Reopen();
  now = store_->Get("me", chat).value();
  const Json& message = now["messages"][1];
  EXPECT_EQ(message["parent"], question);
  EXPECT_EQ(message["content"], "Without end.");
  EXPECT_EQ(message["reasoning_content"], "Hm.");
  EXPECT_EQ(message["status"], "done");
  EXPECT_EQ(message["usage"]["prompt_tokens"], 3);
  EXPECT_TRUE(message["turn"].is_null());
  EXPECT_TRUE(message["vote"].is_null());
}

}  // namespace
}  // namespace aha
