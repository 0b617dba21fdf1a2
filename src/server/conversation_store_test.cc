#include "server/conversation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <set>
#include <thread>

namespace aha {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kCanary = "canary-7Q2xv";

class ConversationStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / fmt::format("aha_store_{}", getpid());
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

std::string Contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Files of the folder that hold `bytes`.
std::vector<std::string> FilesWith(const fs::path& folder, const std::string& bytes) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (Contents(entry.path()).find(bytes) != std::string::npos) {
      found.push_back(entry.path().filename());
    }
  }
  return found;
}

std::vector<std::string> Titles(const Result<Json>& list) {
  std::vector<std::string> titles;
  EXPECT_TRUE(list.ok()) << list.status().message();
  if (!list.ok()) return titles;
  for (const Json& c : (*list)["conversations"]) titles.push_back(c["title"]);
  return titles;
}

TEST_F(ConversationStoreTest, BranchesAreChildrenOfOneParent) {
  const std::string chat = NewChat("tree");
  const std::string question = Add(chat, "", User("?"));
  const std::string first = Add(chat, question, {{"role", "assistant"}, {"content", "a"}});
  const std::string second = Add(chat, question, {{"role", "assistant"}, {"content", "b"}});
  EXPECT_EQ(store_->Get("me", chat).value()["leaf"], second);
  const Json patched = store_->Patch("me", chat, {{"leaf", first}}).value();
  EXPECT_EQ(patched["leaf"], first);
  EXPECT_FALSE(patched.contains("messages"));
  const Json now = store_->Get("me", chat).value();
  EXPECT_EQ(now["messages"][1]["parent"], question);
  EXPECT_EQ(now["messages"][2]["parent"], question);
  EXPECT_TRUE(now["messages"][0]["parent"].is_null());
  // Messages of elsewhere are no parents and no leaves.
  const std::string other = NewChat("other");
  const auto foreign = store_->AddMessage("me", other, question, User("x"));
  EXPECT_EQ(foreign.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Patch("me", other, {{"leaf", first}}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(store_->Get("me", other).value()["messages"].empty());
}

TEST_F(ConversationStoreTest, RefusesMessagesThatAreNone) {
  const std::string chat = NewChat();
  for (const Json& bad : std::vector<Json>{Json::array(),
                                           {{"content", "no role"}},
                                           {{"role", "tool"}, {"content", ""}},
                                           {{"role", 3}},
                                           {{"role", "user"}, {"content", 3}},
                                           {{"role", "user"}, {"status", "lost"}},
                                           {{"role", "user"}, {"created", "now"}}}) {
    EXPECT_EQ(store_->AddMessage("me", chat, "", bad).status().code(), StatusCode::kInvalidArgument)
        << bad.dump();
  }
  const std::string done = Add(chat, "", User("done"));
  EXPECT_EQ(store_->AppendDelta(done, "", "more").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->AppendDelta("msg_none", "", "more").code(), StatusCode::kNotFound);
  EXPECT_EQ(store_->FinishMessage("msg_none", User("x")).code(), StatusCode::kNotFound);
}

TEST_F(ConversationStoreTest, SettingsModelAndTitleAreKept) {
  const Json settings = {{"temperature", 0.5}, {"system", "Be brief."}};
  const Json made =
      store_->Create("me", {{"title", nullptr}, {"model", "m"}, {"settings", settings}}).value();
  const std::string chat = made["id"];
  EXPECT_EQ(made["title"], "");
  EXPECT_EQ(made["settings"], settings);
  Add(chat, "", User("Tell me of seven wonders of the old world, please, and of their makers"));
  Json now = store_->Patch("me", chat, {{"model", nullptr}, {"settings", nullptr}}).value();
  EXPECT_TRUE(now["model"].is_null());
  EXPECT_EQ(now["settings"], Json::object());
  EXPECT_EQ(now["title"], "Tell me of seven wonders of the old world, please, and of…");
  EXPECT_EQ(store_->Patch("me", chat, {{"title", "Wonders"}}).value()["title"], "Wonders");
  Add(chat, "", User("And more"));
  EXPECT_EQ(store_->Get("me", chat).value()["title"], "Wonders");
  EXPECT_EQ(store_->Patch("me", chat, {{"title", ""}}).value()["title"], now["title"]);
}

TEST_F(ConversationStoreTest, PagesGiveEachOnceAndTheNewestFirst) {
  std::vector<std::string> made;
  for (int i = 0; i < 25; ++i) made.insert(made.begin(), NewChat(fmt::format("chat {}", i)));
  std::vector<std::string> seen;
  double before = 0;
  for (;;) {
    const Json page = store_->List("me", "", before, 7).value()["conversations"];
    if (page.empty()) break;
    EXPECT_LE(page.size(), 7U);
    for (const Json& c : page) seen.push_back(c["id"]);
    // As a browser writes and sends it back.
    before = std::stod(page.back()["updated"].dump());
  }
  EXPECT_EQ(seen, made);
  Add(made.back(), "", User("up"));
  EXPECT_EQ(store_->List("me", "", 0, 1).value()["conversations"][0]["id"], made.back());
}

TEST_F(ConversationStoreTest, SearchesTitlesMessagesAndThoughts) {
  const std::string primes = NewChat("Of PRIMES");
  const std::string cooking = NewChat("Soup");
  Add(cooking, "",
      User(std::string(200, 'x') + " zwei ÄPFEL und\n\nBirnen " + std::string(300, 'y')));
  const std::string thoughtful = NewChat("Hidden");
  Add(thoughtful, "", {{"role", "assistant"}, {"content", "42"}, {"reasoning_content", "Äpfel?"}});
  // More than are looked through at once.
  for (int i = 0; i < 40; ++i) NewChat("noise");
  EXPECT_THAT(Titles(store_->List("me", "primes", 0, 50)), ElementsAre("Of PRIMES"));
  EXPECT_THAT(Titles(store_->List("me", " äpfel ", 0, 50)), ElementsAre("Hidden", "Soup"));
  EXPECT_THAT(Titles(store_->List("me", "äpfel", 0, 1)), ElementsAre("Hidden"));
  EXPECT_THAT(Titles(store_->List("me", "%", 0, 50)), ElementsAre());
  const Json found = store_->List("me", "äpfel und", 0, 50).value()["conversations"][0];
  const std::string snippet = found["snippet"];
  EXPECT_THAT(snippet, HasSubstr("x zwei ÄPFEL und Birnen y"));
  EXPECT_LT(snippet.size(), 220U);
  EXPECT_TRUE(store_->List("me", "", 0, 1).value()["conversations"][0]["snippet"].is_null());
}

TEST_F(ConversationStoreTest, AnotherOwnersConversationsDoNotExist) {
  const std::string mine = NewChat("mine");
  const std::string theirs = NewChat("theirs", "you");
  EXPECT_THAT(Titles(store_->List("me", "", 0, 50)), ElementsAre("mine"));
  EXPECT_THAT(Titles(store_->List("me", "theirs", 0, 50)), ElementsAre());
  constexpr StatusCode kNone = StatusCode::kNotFound;
  EXPECT_EQ(store_->Get("me", theirs).status().code(), kNone);
  EXPECT_EQ(store_->Patch("me", theirs, {{"title", "x"}}).status().code(), kNone);
  EXPECT_EQ(store_->Export("me", theirs).status().code(), kNone);
  EXPECT_EQ(store_->AddMessage("me", theirs, "", User("x")).status().code(), kNone);
  EXPECT_EQ(store_->Delete("me", theirs).code(), kNone);
  EXPECT_EQ(store_->Export("me", "").value()["conversations"].size(), 1U);
  ASSERT_TRUE(store_->DeleteAll("me").ok());
  EXPECT_EQ(store_->Get("you", theirs).value()["title"], "theirs");
  EXPECT_EQ(store_->Get("me", mine).status().code(), kNone);
}

TEST_F(ConversationStoreTest, WhatIsDeletedIsGoneFromTheFiles) {
  const std::string chat = NewChat();
  const std::string question = Add(chat, "", User(kCanary));
  const std::string answer = Add(chat, question, Streaming());
  ASSERT_TRUE(store_->AppendDelta(answer, kCanary, "").ok());
  Reopen();  // what streamed is put together, in the log
  Reopen();  // from the log into the file
  EXPECT_THAT(FilesWith(folder_, kCanary), ElementsAre(kStoreFileName));
  ASSERT_TRUE(store_->Delete("me", chat).ok());
  EXPECT_THAT(FilesWith(folder_, kCanary), ElementsAre());
  EXPECT_EQ(store_->Delete("me", chat).code(), StatusCode::kNotFound);
  // Its turn may still be running.
  EXPECT_EQ(store_->AppendDelta(answer, "", "x").code(), StatusCode::kNotFound);
}

TEST_F(ConversationStoreTest, ExportComesBack) {
  const std::string chat = NewChat("one");
  const std::string question = Add(chat, "", User("?"));
  const std::string answer = Add(chat, question, Streaming());
  ASSERT_TRUE(store_->AppendDelta(answer, "hm", "so far").ok());
  const std::string again = Add(
      chat, question,
      {{"role", "assistant"},
       {"content", "b"},
       {"usage", {{"prompt_tokens", 1}}},
       {"vote", {{"answers", Json::array()}, {"winner", nullptr}, {"samples", Json::array()}}}});
  NewChat("two");
  const Json before = store_->Export("me", "").value();
  ASSERT_EQ(before["conversations"].size(), 2U);
  EXPECT_EQ(store_->Export("me", chat).value()["conversations"].size(), 1U);

  // Beside what is there: all ids are new, and the tree is the same.
  EXPECT_EQ(store_->Import("me", before).value(), 2);
  EXPECT_THAT(Titles(store_->List("me", "", 0, 50)), ElementsAre("two", "two", "one", "one"));
  std::set<std::string> ids;
  const Json doubled = store_->Export("me", "").value();
  for (const Json& c : doubled["conversations"]) {
    EXPECT_TRUE(ids.insert(c["id"]).second);
    for (const Json& m : c["messages"]) EXPECT_TRUE(ids.insert(m["id"]).second);
    if (c["title"] == "one") {
      EXPECT_EQ(c["messages"][1]["parent"], c["messages"][0]["id"]);
      EXPECT_EQ(c["leaf"], c["messages"][2]["id"]);
    }
  }

  // Where nothing is: everything is as it was, but for what streamed.
  ASSERT_TRUE(store_->DeleteAll("me").ok());
  EXPECT_EQ(store_->Import("me", before).value(), 2);
  Json expected = before;
  Json& streamed = expected["conversations"][1]["messages"][1];
  EXPECT_EQ(streamed["content"], "so far");
  streamed["status"] = "stopped";
  streamed["turn"] = nullptr;
  EXPECT_EQ(store_->Export("me", "").value(), expected);
}

TEST_F(ConversationStoreTest, ImportsAllOrNothing) {
  const std::string chat = NewChat("one");
  const std::string question = Add(chat, "", User("?"));
  Add(chat, question, {{"role", "assistant"}, {"content", "!"}});
  const Json good = store_->Export("me", "").value();
  const auto refused = [&](auto change) {
    Json bad = good;
    bad["conversations"].push_back(bad["conversations"][0]);
    change(bad);
    const auto result = store_->Import("me", bad);
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument) << bad.dump(1);
    return result.status().message();
  };
  EXPECT_THAT(refused([](Json& j) { j["format"] = "other"; }), HasSubstr("'other'"));
  EXPECT_THAT(refused([](Json& j) { j["version"] = 2; }), HasSubstr("version is 2"));
  EXPECT_THAT(refused([](Json& j) { j["conversations"] = 1; }), HasSubstr("no list"));
  const auto in_second = [&](auto change) {
    const std::string message = refused([&](Json& j) { change(j["conversations"][1]); });
    EXPECT_THAT(message, HasSubstr("conversations[1]"));
    return message;
  };
  EXPECT_THAT(in_second([](Json& c) { c["title"] = 1; }), HasSubstr("title is no string"));
  EXPECT_THAT(in_second([](Json& c) { c["settings"] = 1; }), HasSubstr("settings"));
  EXPECT_THAT(in_second([](Json& c) { c["messages"][1]["role"] = "tool"; }),
              HasSubstr("messages[1]: a message's role is 'tool'"));
  EXPECT_THAT(in_second([](Json& c) { c["messages"][1]["id"] = c["messages"][0]["id"]; }),
              HasSubstr("two messages"));
  // Neither to itself nor to one that comes later: no cycles.
  EXPECT_THAT(in_second([](Json& c) { c["messages"][0]["parent"] = c["messages"][1]["id"]; }),
              HasSubstr("no message before it"));
  EXPECT_THAT(in_second([](Json& c) {
                c["messages"][1]["vote"] = {{"answers", 1}};
              }),
              HasSubstr("vote.answers"));
  EXPECT_EQ(store_->Export("me", "").value(), good);
  // Odd ids and times of the future are mended.
  Json odd = good;
  odd["conversations"][0]["id"] = "../../etc";
  odd["conversations"][0]["updated"] = 1e300;
  odd["conversations"][0]["leaf"] = "nowhere";
  EXPECT_EQ(store_->Import("me", odd).value(), 1);
  const std::string newest = NewChat("newest");
  const Json list = store_->List("me", "", 0, 50).value()["conversations"];
  EXPECT_EQ(list[0]["id"], newest);
  for (const Json& c : list) EXPECT_NE(c["id"], "../../etc");
}

TEST_F(ConversationStoreTest, SurvivesKillInTheMidstOfAnAnswer) {
  const std::string chat = NewChat();
  const std::string question = Add(chat, "", User("?"));
  store_ = nullptr;
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto store = ConversationStore::Open(folder_, kCheap);
    if (!store.ok()) _exit(1);
    const auto answer = (*store)->AddMessage("me", chat, question, Streaming());
    for (int i = 0; answer.ok(); ++i) {
      const std::string word = fmt::format("{} ", i);
      if (!(*store)->AppendDelta(*answer, i < 20 ? word : "", i < 20 ? "" : word).ok()) break;
      // Told once it is written.
      if (write(pipe_ends[1], &i, sizeof i) != sizeof i) break;
    }
    _exit(1);
  }
  close(pipe_ends[1]);
  int told = -1;
  while (told < 60 && read(pipe_ends[0], &told, sizeof told) == sizeof told) {
  }
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  for (int more = 0; read(pipe_ends[0], &more, sizeof more) == sizeof more;) told = more;
  close(pipe_ends[0]);
  ASSERT_GE(told, 60);

  Reopen();
  EXPECT_EQ(store_->notice(), "");
  const Json message = store_->Get("me", chat).value()["messages"][1];
  EXPECT_EQ(message["status"], "stopped");
  EXPECT_TRUE(message["turn"].is_null());
  EXPECT_EQ(message["model"], "m");
  std::string thought, answer;
  for (int i = 0; i <= told; ++i) (i < 20 ? thought : answer) += fmt::format("{} ", i);
  EXPECT_EQ(message["reasoning_content"], thought);
  // One more may have been written than was told.
  EXPECT_EQ(message["content"].get<std::string>().substr(0, answer.size()), answer);
}

TEST_F(ConversationStoreTest, EncryptedFilesSayNothing) {
  const std::string chat = NewChat(std::string("title ") + kCanary);
  ASSERT_TRUE(
      store_->Patch("me", chat, {{"model", kCanary}, {"settings", {{"system", kCanary}}}}).ok());
  const std::string question = Add(chat, "", User(kCanary));
  const std::string answer = Add(chat, question, Streaming(kCanary));
  ASSERT_TRUE(store_->AppendDelta(answer, kCanary, kCanary).ok());
  const Json before = store_->Get("me", chat).value();
  ASSERT_FALSE(FilesWith(folder_, kCanary).empty());
  EXPECT_FALSE(store_->encrypted());
  EXPECT_EQ(store_->Unlock("word").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Encrypt("").code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(store_->Encrypt("pass word").ok());
  EXPECT_TRUE(store_->encrypted());
  EXPECT_FALSE(store_->locked());
  EXPECT_EQ(store_->Encrypt("again").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Get("me", chat).value(), before);
  EXPECT_THAT(FilesWith(folder_, kCanary), ElementsAre());
  // Nor does what is written from now on.
  ASSERT_TRUE(store_->AppendDelta(answer, "", std::string(" more ") + kCanary).ok());
  Add(chat, question, User(kCanary));
  EXPECT_THAT(FilesWith(folder_, kCanary), ElementsAre());
  EXPECT_THAT(FilesWith(folder_, "pass word"), ElementsAre());
  EXPECT_EQ(Titles(store_->List("me", kCanary, 0, 50)).size(), 1U);

  Reopen();
  EXPECT_TRUE(store_->encrypted());
  EXPECT_TRUE(store_->locked());
  constexpr StatusCode kLocked = StatusCode::kResourceExhausted;
  EXPECT_EQ(store_->List("me", "", 0, 50).status().code(), kLocked);
  EXPECT_EQ(store_->Create("me", Json::object()).status().code(), kLocked);
  EXPECT_EQ(store_->Get("me", chat).status().code(), kLocked);
  EXPECT_EQ(store_->Patch("me", chat, Json::object()).status().code(), kLocked);
  EXPECT_EQ(store_->Delete("me", chat).code(), kLocked);
  EXPECT_EQ(store_->DeleteAll("me").code(), kLocked);
  EXPECT_EQ(store_->Export("me", "").status().code(), kLocked);
  EXPECT_EQ(store_->AddMessage("me", chat, "", User("x")).status().code(), kLocked);
  EXPECT_EQ(store_->AppendDelta(answer, "", "x").code(), kLocked);
  EXPECT_EQ(store_->FinishMessage(answer, User("x")).code(), kLocked);
  EXPECT_EQ(store_->Unlock("pass words").code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(store_->locked());
  ASSERT_TRUE(store_->Unlock("pass word").ok());
  EXPECT_FALSE(store_->locked());
  const Json after = store_->Get("me", chat).value();
  EXPECT_EQ(after["title"], before["title"]);
  EXPECT_EQ(after["settings"], before["settings"]);
  EXPECT_EQ(after["messages"][1]["content"], std::string(kCanary) + " more " + kCanary);
  EXPECT_EQ(after["messages"][1]["status"], "stopped");
}

TEST_F(ConversationStoreTest, AnEncryptionBrokenOffIsEnded) {
  ASSERT_TRUE(store_->Encrypt("pass word").ok());
  store_ = nullptr;
  {
    // As after a kill between the commit and the scrubbing: old pages are still there.
    auto db = Database::Open(folder_ / kStoreFileName, {});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Execute("PRAGMA secure_delete=OFF; CREATE TABLE old (text TEXT);").ok());
    ASSERT_TRUE(db->Execute(fmt::format("INSERT INTO old VALUES ('{}');", kCanary).c_str()).ok());
    ASSERT_TRUE(db->Execute("DROP TABLE old; INSERT INTO pending VALUES ('scrub');").ok());
  }
  ASSERT_FALSE(FilesWith(folder_, kCanary).empty());
  Reopen();
  EXPECT_TRUE(store_->locked());
  EXPECT_THAT(FilesWith(folder_, kCanary), ElementsAre());
}

TEST_F(ConversationStoreTest, AValueMovedToAnotherPlaceDoesNotOpen) {
  const std::string a = NewChat("a"), b = NewChat("b");
  ASSERT_TRUE(store_->Encrypt("pass word").ok());
  store_ = nullptr;
  {
    auto db = Database::Open(folder_ / kStoreFileName, {});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Execute(fmt::format("UPDATE conversation SET title = (SELECT title FROM "
                                        "conversation WHERE id = '{}') WHERE id = '{}'",
                                        a, b)
                                .c_str())
                    .ok());
  }
  Reopen();
  ASSERT_TRUE(store_->Unlock("pass word").ok());
  EXPECT_TRUE(store_->Get("me", a).ok());
  EXPECT_THAT(store_->Get("me", b).status().message(), HasSubstr("does not open"));
}

TEST_F(ConversationStoreTest, FilesArePrivate) {
  store_ = nullptr;
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(chmod((folder_ / kStoreFileName).c_str(), 0644), 0);
  const mode_t old = umask(0);
  Reopen();
  NewChat(kCanary);
  umask(old);
  struct stat info;
  ASSERT_EQ(stat(folder_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 2);  // the database and its log
}

TEST_F(ConversationStoreTest, ALinkIsRefused) {
  store_ = nullptr;
  const fs::path target = folder_ / "elsewhere";
  std::ofstream(target) << "keep";
  fs::remove(folder_ / kStoreFileName);
  fs::create_symlink(target, folder_ / kStoreFileName);
  EXPECT_FALSE(ConversationStore::Open(folder_, kCheap).ok());
  EXPECT_EQ(fs::file_size(target), 4U);
}

TEST_F(ConversationStoreTest, OneProgramAtATime) {
  const auto second = ConversationStore::Open(folder_, kCheap);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by another program"));
  NewChat("still mine");
  EXPECT_THAT(Titles(store_->List("me", "", 0, 50)), ElementsAre("still mine"));
}

TEST_F(ConversationStoreTest, ADamagedFileIsKeptAside) {
  for (int i = 0; i < 200; ++i) NewChat(fmt::format("{} {}", kCanary, i));
  store_ = nullptr;
  const fs::path path = folder_ / kStoreFileName;
  const auto damage = [&](auto how) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    how(file);
  };
  // Pages in the midst of the file: found by the check of the tree.
  damage([](std::fstream& file) {
    for (int page = 2; page < 12; ++page) {
      file.seekp(page * 4096);
      file << std::string(4096, '\x7f');
    }
  });
  const std::string damaged = Contents(path);
  Reopen();
  EXPECT_THAT(store_->notice(), HasSubstr("could not be read"));
  EXPECT_THAT(store_->notice(), HasSubstr("conversations.db.damaged-"));
  NewChat("new");
  EXPECT_THAT(Titles(store_->List("me", "", 0, 50)), ElementsAre("new"));
  store_ = nullptr;
  const auto aside = [&] {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("conversations.db.damaged-") && !name.ends_with("-wal")) {
        files.push_back(entry.path());
      }
    }
    return files;
  };
  ASSERT_EQ(aside().size(), 1U);
  EXPECT_TRUE(Contents(aside()[0]) == damaged);
  // The next one, of the same second perhaps, has a name of its own.
  damage([](std::fstream& file) { file << "no database any more"; });
  Reopen();
  EXPECT_THAT(store_->notice(), HasSubstr("it is no database"));
  EXPECT_EQ(aside().size(), 2U);
  Reopen();
  EXPECT_EQ(store_->notice(), "");
}

TEST_F(ConversationStoreTest, NewerFormsAndOtherProgramsFilesAreLeftAlone) {
  store_ = nullptr;
  const fs::path path = folder_ / kStoreFileName;
  const auto change = [&](const char* sql) {
    auto db = Database::Open(path, {});
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Execute(sql).ok());
  };
  change("PRAGMA user_version=99");
  EXPECT_THAT(ConversationStore::Open(folder_).status().message(), HasSubstr("newer aha"));
  change("PRAGMA user_version=1; PRAGMA application_id=7");
  EXPECT_THAT(ConversationStore::Open(folder_).status().message(), HasSubstr("another program"));
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_THAT(entry.path().filename(), testing::AnyOf(kStoreFileName, "conversations.db-wal"));
  }
}

TEST_F(ConversationStoreTest, ThreadsTakeTurns) {
  const std::string chat = NewChat();
  const std::string question = Add(chat, "", User("?"));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const std::string answer = Add(chat, question, Streaming());
      for (int i = 0; i < 25; ++i) {
        EXPECT_TRUE(store_->AppendDelta(answer, "", "ab").ok());
        EXPECT_TRUE(store_->List("me", "b", 0, 5).ok());
      }
      EXPECT_TRUE(store_->FinishMessage(answer, {{"role", "assistant"}, {"status", "done"}}).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Json messages = store_->Get("me", chat).value()["messages"];
  ASSERT_EQ(messages.size(), 5U);
  for (int i = 1; i < 5; ++i) EXPECT_EQ(messages[i]["content"].get<std::string>().size(), 50U);
}

}  // namespace
}  // namespace aha
