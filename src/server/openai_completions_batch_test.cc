// Whole requests to /v1/completions, with the model that ships and no sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "base/mutex.h"
#include "server/limits.h"
#include "server/openai_completions.h"

namespace aha {
namespace {

using testing::HasSubstr;

// What a client has been sent.
struct Client : Exchange {
  void Send(HttpResponse response) override {
    status = response.status;
    body = ParseJson(response.body).value();
    End();
  }
  void Begin(HttpResponse head) override { status = head.status; }
  void Write(std::string bytes) override {
    ASSERT_TRUE(bytes.starts_with("data: ") && bytes.ends_with("\n\n")) << bytes;
    const std::string line = bytes.substr(6, bytes.size() - 8);
    if (line == "[DONE]") {
      done = true;
    } else {
      chunks.push_back(ParseJson(line).value());
    }
  }
  void End() override {
    ended = true;
    gone = nullptr;
  }
  void OnGone(std::function<void()> g) override { gone = std::move(g); }

  int status = 0;
  Json body;
  std::vector<Json> chunks;
  bool done = false, ended = false;
  std::function<void()> gone;
};

class CompletionsTest : public testing::Test {
 protected:
  void SetUp() override { Open(std::string(AHA_SOURCE_DIR) + "/models/aha-countdown"); }
  void Open(const std::string& model) {
    Result<const kernels::Backend*> backend = kernels::ChooseBackend("");
    ASSERT_TRUE(backend.ok());
    const auto post = [this](std::function<void()> work) {
      const MutexLock lock(mutex_);
      posted_.push_back(std::move(work));
      some_.NotifyAll();
    };
    host_ = std::make_unique<ModelHost>(
        ModelHostOptions{.default_model = model, .backend = *backend, .threads = 2}, post);
    context_.host = host_.get();
    context_.post = post;
    context_.prepare = [](std::function<void()> work) { work(); };
    context_.after = [this](double, std::function<void()> work) { later_.push_back(work); };
    router_ = {};
    AddOpenAiCompletions(router_, context_);
  }
  void TearDown() override {
    host_ = nullptr;
    const MutexLock lock(mutex_);
    posted_.clear();
  }

  // The loop's next piece of work; none comes within a minute: null.
  std::function<void()> NextWork() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    const MutexLock lock(mutex_);
    while (posted_.empty()) {
      if (!some_.WaitUntil(mutex_, deadline)) return nullptr;
    }
    std::function<void()> work = std::move(posted_.front());
    posted_.pop_front();
    return work;
  }
  bool Run(const std::function<bool()>& what) {
    while (!what()) {
      const std::function<void()> work = NextWork();
      if (!work) return false;
      work();
    }
    return true;
  }
  std::shared_ptr<Client> Begin(const Json& body) {
    const HttpRequest request{.method = "POST", .path = "/v1/completions", .body = DumpJson(body)};
    Router::Match match = router_.Find(request.method, request.path);
    auto client = std::make_shared<Client>();
    match.route->handler(request, {}, client);
    return client;
  }
  std::shared_ptr<Client> Ask(const Json& body) {
    auto client = Begin(body);
    EXPECT_TRUE(Run([&] { return client->ended; })) << body.dump();
    return client;
  }

  Mutex mutex_;
  Condition some_;
  std::deque<std::function<void()>> posted_ AHA_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> later_;
  ApiContext context_;
  Router router_;
  std::unique_ptr<ModelHost> host_;
};

const std::vector<std::string> kPrompts = {"Use 3, 4, 5 to make 12.", "Use 1", "The cat"};

TEST_F(CompletionsTest, ChoicesInOrderOfPromptsAndSamples) {
  const Json body = {{"prompt", kPrompts}, {"n", 2},    {"max_tokens", 9},  {"echo", true},
                     {"logprobs", 1},      {"seed", 5}, {"temperature", 2}, {"top_p", 1}};
  const auto client = Ask(body);
  ASSERT_EQ(client->status, 200) << client->body.dump();
  EXPECT_EQ(client->body["object"], "text_completion");
  const Json& choices = client->body["choices"];
  ASSERT_EQ(choices.size(), 6u);
  int64_t tokens = 0;
  for (size_t i = 0; i < choices.size(); ++i) {
    EXPECT_EQ(choices[i]["index"], i);
    EXPECT_THAT(choices[i]["text"].get<std::string>(), testing::StartsWith(kPrompts[i / 2]));
    tokens += static_cast<int64_t>(choices[i]["logprobs"]["tokens"].size());
    // A prompt's answer is its own, whatever stands beside it.
    Json alone = body;
    alone["prompt"] = kPrompts[i / 2];
    EXPECT_EQ(Ask(alone)->body["choices"][i % 2]["logprobs"], choices[i]["logprobs"]);
  }
  EXPECT_NE(choices[0]["text"], choices[1]["text"]);
  const Json& usage = client->body["usage"];
  EXPECT_EQ(tokens,
            usage["completion_tokens"].get<int64_t>() + 2 * usage["prompt_tokens"].get<int64_t>());
}

TEST_F(CompletionsTest, LogprobsOfThePromptAndOfGreedyTokens) {
  const auto client = Ask({{"prompt", kPrompts[0]},
                           {"max_tokens", 12},
                           {"temperature", 0},
                           {"echo", true},
                           {"logprobs", 3}});
  ASSERT_EQ(client->status, 200);
  const std::string text = client->body["choices"][0]["text"];
  const Json& l = client->body["choices"][0]["logprobs"];
  const auto prompt = client->body["usage"]["prompt_tokens"].get<size_t>();
  ASSERT_EQ(l["tokens"].size(), prompt + 12);
  EXPECT_TRUE(l["token_logprobs"][0].is_null());
  EXPECT_TRUE(l["top_logprobs"][0].is_null());
  for (size_t i = 1; i < l["tokens"].size(); ++i) {
    const std::string token = l["tokens"][i];
    const float own = l["token_logprobs"][i];
    EXPECT_EQ(l["top_logprobs"][i][token].get<float>(), own) << i;
    float best = -1e9f;
    for (const auto& [name, value] : l["top_logprobs"][i].items()) {
      best = std::max(best, value.get<float>());
    }
    EXPECT_GE(l["top_logprobs"][i].size(), 3u);
    if (i >= prompt) EXPECT_EQ(own, best) << "a greedy token is the likeliest: " << i;
    EXPECT_GE(best, std::log(1 / 113.0f)) << "the likeliest of 113 is among them";
    const size_t offset = l["text_offset"][i];
    EXPECT_EQ(text.substr(offset, token.size()), token) << i;
  }
  // The prompt alone, by its ids: the same numbers.
  const auto model = host_->Acquire("");
  ASSERT_TRUE(model.ok());
  const auto ids = (*model)->text->tokenizer.Encode(kPrompts[0], {}).value();
  const auto scored = Ask({{"prompt", ids}, {"max_tokens", 0}, {"echo", true}, {"logprobs", 3}});
  ASSERT_EQ(scored->status, 200) << scored->body.dump();
  EXPECT_EQ(scored->body["choices"][0]["text"], kPrompts[0]);
  EXPECT_EQ(scored->body["usage"]["completion_tokens"], 0);
  const Json& again = scored->body["choices"][0]["logprobs"];
  ASSERT_EQ(again["tokens"].size(), ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(again["token_logprobs"][i], l["token_logprobs"][i]) << i;
    EXPECT_EQ(again["top_logprobs"][i], l["top_logprobs"][i]) << i;
  }
}

TEST_F(CompletionsTest, ABosIsScoredAndNoPartOfTheText) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / fmt::format("aha_bos_{}", getpid());
  fs::remove_all(folder);
  fs::copy(std::string(AHA_SOURCE_DIR) + "/models/aha-countdown", folder);
  Json file = ParseJson(ReadFile(folder / "tokenizer.json").value()).value();
  const std::string bos = file["added_tokens"][0]["content"];
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", bos}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens",
       {{bos, {{"id", bos}, {"ids", {file["added_tokens"][0]["id"]}}, {"tokens", {bos}}}}}}};
  std::ofstream(folder / "tokenizer.json") << file.dump();
  Open(folder);
  Json body = {{"prompt", "Use 1"}, {"max_tokens", 1}, {"echo", true}, {"logprobs", 0}};
  const auto with = Ask(body);
  ASSERT_EQ(with->status, 200) << with->body.dump();
  body["add_special_tokens"] = false;
  const Json plain = Ask(body)->body["choices"][0]["logprobs"];
  const Json& choice = with->body["choices"][0];
  EXPECT_THAT(choice["text"].get<std::string>(), testing::StartsWith("Use 1"));
  EXPECT_EQ(choice["logprobs"]["tokens"][0], bos);
  EXPECT_TRUE(choice["logprobs"]["token_logprobs"][0].is_null());
  EXPECT_FALSE(choice["logprobs"]["token_logprobs"][1].is_null());
  ASSERT_EQ(choice["logprobs"]["tokens"].size(), plain["tokens"].size() + 1);
  EXPECT_EQ(choice["logprobs"]["text_offset"][0], 0);
  for (size_t i = 0; i < plain["tokens"].size(); ++i) {
    EXPECT_EQ(choice["logprobs"]["text_offset"][i + 1], plain["text_offset"][i]) << i;
  }
  fs::remove_all(folder);
}

TEST_F(CompletionsTest, AStreamTellsTheSame) {
  for (const bool echo : {false, true}) {
    Json body = {{"prompt", kPrompts}, {"n", 2},        {"max_tokens", 7}, {"seed", 9},
                 {"echo", echo},       {"logprobs", 2}, {"stop", ","}};
    const auto whole = Ask(body);
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    const auto client = Ask(body);
    EXPECT_TRUE(client->done);
    std::vector<Json> made(6, {{"text", ""}, {"logprobs", Json::object()}});
    for (const Json& chunk : client->chunks) {
      EXPECT_EQ(chunk["object"], "text_completion");
      for (const Json& choice : chunk["choices"]) {
        Json& one = made[choice["index"].get<size_t>()];
        EXPECT_FALSE(one.contains("finish_reason")) << "nothing comes after the end";
        one["text"] = one["text"].get<std::string>() + choice["text"].get<std::string>();
        if (!choice["finish_reason"].is_null()) one["finish_reason"] = choice["finish_reason"];
        for (const auto& [key, list] : choice["logprobs"].items()) {
          for (const Json& value : list) one["logprobs"][key].push_back(value);
        }
      }
    }
    for (size_t i = 0; i < made.size(); ++i) {
      for (const auto& [key, value] : made[i].items()) {
        EXPECT_EQ(value, whole->body["choices"][i][key]) << i << " " << key;
      }
    }
    EXPECT_EQ(client->chunks.back()["choices"], Json::array());
    EXPECT_EQ(client->chunks.back()["usage"]["total_tokens"], whole->body["usage"]["total_tokens"]);
  }
}

TEST_F(CompletionsTest, WithoutASeedEqualPromptsDiffer) {
  const auto client = Ask({{"prompt", std::vector<std::string>(6, "Use")},
                           {"max_tokens", 40},
                           {"temperature", 2},
                           {"top_p", 1}});
  int equal = 0;
  for (const Json& choice : client->body["choices"]) {
    equal += choice["text"] == client->body["choices"][0]["text"] ? 1 : 0;
  }
  EXPECT_EQ(equal, 1);
}

TEST_F(CompletionsTest, WhatDoesNotFitTheModelIsNamed) {
  const auto refused = [&](const Json& body, const char* code, const char* message) {
    const auto client = Ask(body);
    EXPECT_EQ(client->status, 400);
    EXPECT_EQ(client->body["error"]["param"], body.contains("logprobs") ? "logprobs" : "prompt");
    EXPECT_EQ(client->body["error"]["code"], code);
    EXPECT_THAT(client->body["error"]["message"].get<std::string>(), HasSubstr(message));
  };
  refused({{"prompt", {1, 113}}}, "invalid_value", "prompt holds the id 113");
  refused({{"prompt", {"a", ""}}}, "invalid_value", "prompt[1] holds no tokens");
  const std::vector<int> full(2048, 1);
  refused({{"prompt", full}}, "context_length_exceeded", "has 2048 tokens");
  EXPECT_EQ(Ask({{"prompt", full}, {"max_tokens", 0}, {"echo", true}})->status, 200);
  refused({{"prompt", std::vector(200, full)}, {"echo", true}, {"max_tokens", 0}, {"logprobs", 20}},
          "invalid_value", "at most 4194304");
}

TEST_F(CompletionsTest, ABatchWaitsForPlaces) {
  const auto client = Ask({{"prompt", std::vector<std::vector<int>>(
                                          static_cast<size_t>(limits::kUserRequests) + 50, {1, 2})},
                           {"max_tokens", 1}});
  EXPECT_EQ(client->status, 200);
  EXPECT_EQ(client->body["choices"].size(), static_cast<size_t>(limits::kUserRequests) + 50);
}

struct Nobody : GenerationSink {
  void OnEvents(std::vector<GenerationEvent>) override {}
};

TEST_F(CompletionsTest, ABatchThatHasBegunIsNotRefusedForOthers) {
  const auto model = host_->Acquire("");
  ASSERT_TRUE(model.ok());
  std::vector<uint64_t> others;
  const auto fill = [&] {
    while (true) {
      const GenerationSpec spec{.model = *model, .prompt = {1}, .max_tokens = 2000};
      const auto id = host_->Start(spec, std::make_shared<Nobody>());
      if (!id.ok()) return;
      others.push_back(*id);
    }
  };
  const auto client =
      Begin({{"prompt", std::vector<std::vector<int>>(70, {1, 2})}, {"max_tokens", 1}});
  NextWork()();  // its beginning; what it hears of its prompts is left waiting
  fill();
  // Those that it has at work end when they like; the others take each place that they leave.
  const auto all = static_cast<size_t>(limits::kUserRequests);
  ASSERT_GE(others.size(), all - limits::kPromptsAtWork);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (others.size() < all && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    fill();
  }
  ASSERT_EQ(others.size(), all);
  ASSERT_TRUE(Run([&] { return !later_.empty(); })) << "all that it had at work has ended";
  EXPECT_FALSE(client->ended);
  for (const uint64_t id : others) host_->Cancel(id);
  ASSERT_TRUE(Run([&] { return host_->active() == 0; }));
  later_.front()();
  ASSERT_TRUE(Run([&] { return client->ended; }));
  EXPECT_EQ(client->status, 200);
  EXPECT_EQ(client->body["choices"].size(), 70u);
  EXPECT_EQ(later_.size(), 1u);
}

TEST_F(CompletionsTest, NothingIsMadeForAClientThatLeft) {
  const auto client = Begin({{"prompt", std::vector<std::vector<int>>(300, {1, 2})},
                             {"max_tokens", 2000},
                             {"logit_bias", {{"0", -100}}},
                             {"stream", true}});
  ASSERT_TRUE(Run([&] { return !client->chunks.empty(); }));
  EXPECT_GT(host_->active(), 0);
  std::exchange(client->gone, nullptr)();
  ASSERT_TRUE(Run([&] { return host_->active() == 0; }));
  EXPECT_FALSE(client->ended);
}

}  // namespace
}  // namespace aha
