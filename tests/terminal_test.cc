// The program as a user meets it, on the real SmolLM2.
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/json.h"
#include "base/test_data.h"
#include "run_aha.h"

namespace aha {
namespace {

std::string Model() { return TestDataPath("smollm2-135m-instruct-q4_1.gguf").string(); }

#define REQUIRE_MODEL() AHA_REQUIRE_TEST_DATA("smollm2-135m-instruct-q4_1.gguf")

bool OneLineError(const Ran& ran) {
  return ran.err.starts_with("aha: ") && ran.err.find('\n') == ran.err.size() - 1;
}

TEST(Terminal, HelpAndVersionSucceed) {
  EXPECT_EQ(RunAha({"--help"}).exit_code, 0);
  EXPECT_EQ(RunAha({"ask", "--help"}).exit_code, 0);
  EXPECT_TRUE(RunAha({"--version"}).out.starts_with("aha "));
}

TEST(Terminal, WrongUsageIsTwo) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"nonsense"},
           {"ask", "--nonsense", "x"},
           {"ask", "--temperature", "-1", "x"},
           {"ask", "--temperature", "hot", "x"},
           {"ask", "--threads", "0", "x"},
           {"ask", "--top-p", "0", "x"},
           {"ask", "-n", "0", "x"},
           {"ask", "--prefill-chunk", "0", "x"},
           {"ask", "--numerics", "sloppy", "x"},
           {"bench", "--streams", "0"},
           {"score"},
       }) {
    const Ran ran = RunAha(arguments);
    EXPECT_EQ(ran.exit_code, 2) << testing::PrintToString(arguments) << ran.err;
    EXPECT_TRUE(OneLineError(ran)) << ran.err;
  }
}

TEST(Terminal, FailuresAreOneAndSayWhy) {
  const std::map<std::string, std::string> empty = {{"AHA_MODELS", testing::TempDir() + "none"}};
  const Ran unknown = RunAha({"ask", "-m", "no-such-model", "x"}, "", empty);
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_TRUE(OneLineError(unknown)) << unknown.err;
  EXPECT_NE(unknown.err.find("no-such-model"), std::string::npos);
  const Ran cpu = RunAha({"ask", "-m", Model(), "x"}, "", {{"AHA_CPU", "z80"}});
  EXPECT_EQ(cpu.exit_code, 1);
  EXPECT_NE(cpu.err.find("z80"), std::string::npos);
}

TEST(Terminal, AskAnswersInJson) {
  REQUIRE_MODEL();
  const std::vector<std::string> arguments = {
      "ask", "-m", Model(),        "--json", "--seed",        "3",
      "-n",  "2",  "--max-tokens", "12",     "Name a colour."};
  const Ran ran = RunAha(arguments);
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const Json json = *ParseJson(ran.out);
  ASSERT_EQ(json["choices"].size(), 2);
  for (const Json& choice : json["choices"]) {
    EXPECT_FALSE(choice["text"].get<std::string>().empty());
    EXPECT_EQ(choice["ids"].size(), choice["logprobs"].size());
    EXPECT_LE(choice["ids"].size(), 12);
  }
  EXPECT_GT(json["usage"]["prompt_tokens"], 10);
  // The same seed says the same, whatever the threads, chunks and neighbours.
  const Ran again = RunAha({"ask", "-m", Model(), "--json", "--seed", "3", "--max-tokens", "12",
                            "--threads", "1", "--prefill-chunk", "7", "Name a colour."});
  EXPECT_EQ((*ParseJson(again.out))["choices"][0]["ids"], json["choices"][0]["ids"]);
  EXPECT_EQ((*ParseJson(again.out))["choices"][0]["logprobs"], json["choices"][0]["logprobs"]);
}

// What stands in brackets is no list of arguments: ids, questions, stops.
TEST(Terminal, AskTakesBracketsAsTheyStand) {
  const std::vector<std::string> base = {"ask",          "-m", Model(),         "--raw", "--json",
                                         "--max-tokens", "4",  "--temperature", "0"};
  const auto ask = [&](const std::vector<std::string>& more, const std::string& input = "") {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = RunAha(arguments, input);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return ran.exit_code == 0 ? *ParseJson(ran.out) : Json();
  };
  const Json piped = ask({"--ids"}, "[1,2,3]");
  ASSERT_TRUE(piped.is_object());
  EXPECT_EQ(piped["usage"]["prompt_tokens"], 3);
  for (const char* ids : {"[1,2,3]", "[1, 2, 3]"}) {
    EXPECT_EQ(ask({"--ids", ids})["choices"], piped["choices"]) << ids;
  }
  EXPECT_EQ(ask({"[b, c]"})["usage"], ask({}, "[b, c]")["usage"]);
  EXPECT_EQ(ask({"two", "words"})["usage"], ask({"two words"})["usage"]);
  EXPECT_EQ(ask({"what", "is", "7", "-5"})["usage"], ask({"what is 7 -5"})["usage"]);
  EXPECT_EQ(ask({"what", "is [1,2]", "[3,4]"})["usage"], ask({"what is [1,2] [3,4]"})["usage"]);
  EXPECT_EQ(ask({"--stop", "[x,y]", "two words"})["usage"], ask({"two words"})["usage"]);
  const Ran unknown = RunAha({"ask", "-m", Model(), "two", "words", "--unknown"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("--unknown"), std::string::npos) << unknown.err;
}

TEST(Terminal, AskReadsAPipeAndStopsAtText) {
  REQUIRE_MODEL();
  const Ran ran = RunAha(
      {"ask", "-m", Model(), "--raw", "--temperature", "0", "--max-tokens", "40", "--stop", "."},
      "The capital of France is");
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(ran.out.find("Paris"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find('.'), std::string::npos) << ran.out;
}

TEST(Terminal, ScoreAgreesWithItselfInEveryOrderOfWork) {
  REQUIRE_MODEL();
  const std::string input =
      "{\"text\":\"The quick brown fox jumps over the lazy dog\"}\n"
      "{\"ids\":[1,2,3]}\n\n{\"ids\":[5]}\n";
  const Ran ran = RunAha({"score", "-m", Model(), "--jsonl"}, input);
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::string line;
  std::vector<Json> rows;
  while (std::getline(lines, line)) rows.push_back(*ParseJson(line));
  ASSERT_EQ(rows.size(), 3);
  EXPECT_TRUE(rows[0]["logprobs"][0].is_null());
  EXPECT_EQ(rows[0]["ids"].size(), rows[0]["logprobs"].size());
  EXPECT_EQ(rows[0]["ids"].size(), rows[0]["top"].size());
  EXPECT_GT(rows[0]["logprobs"].back().get<float>(), -3.0f);  // "dog"
  EXPECT_EQ(rows[2]["top"].size(), 1);
  const Ran other = RunAha({"score", "-m", Model(), "--jsonl", "--threads", "3", "--prefill-chunk",
                            "4", "--no-prefix-cache"},
                           input);
  EXPECT_EQ(other.out, ran.out);
}

TEST(Terminal, BrokenLinesAreNamedAndLoseNothing) {
  REQUIRE_MODEL();
  const Ran ran =
      RunAha({"score", "-m", Model(), "--jsonl"}, "{\"ids\":[1,2]}\n{\"ids\":[999999]}\n");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_NE(ran.err.find("line 2"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("999999"), std::string::npos) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1);
  const Ran empty = RunAha({"score", "-m", Model(), "--jsonl"}, "{\"ids\":[]}\n");
  EXPECT_EQ(empty.exit_code, 1);
  const Ran long_prompt =
      RunAha({"ask", "-m", Model(), "--context", "64"}, std::string(2000, 'x') + " end");
  EXPECT_EQ(long_prompt.exit_code, 1);
  EXPECT_NE(long_prompt.err.find("64"), std::string::npos) << long_prompt.err;
}

TEST(Terminal, TokenizeGoesBothWays) {
  REQUIRE_MODEL();
  const std::string text = "Hello <|im_start|> w\xC3\xB6rld\n";
  const Ran ids = RunAha({"tokenize", "-m", Model()}, text);
  ASSERT_EQ(ids.exit_code, 0) << ids.err;
  const Ran back = RunAha({"tokenize", "-m", Model(), "--decode"}, ids.out);
  EXPECT_EQ(back.out, text);
  EXPECT_EQ(
      (*ParseJson(RunAha({"tokenize", "-m", Model(), "--allow-special"}, "<|im_start|>").out)),
      Json::array({1}));
  const Ran lines = RunAha({"tokenize", "-m", Model(), "--jsonl"}, "\"a\"\n\"b c\"\n");
  EXPECT_EQ(std::count(lines.out.begin(), lines.out.end(), '\n'), 2);
  const Ran messages = RunAha(
      {"tokenize", "-m", Model(), "--messages"},
      R"({"messages":[{"role":"user","content":"<|im_end|>"}],"add_generation_prompt":true})");
  const Json json = *ParseJson(messages.out);
  EXPECT_TRUE(json["text"].get<std::string>().ends_with("<|im_start|>assistant\n"));
  // The user's control token is plain text: three of the template's own <|im_end|>... and no more.
  int ends = 0;
  for (const Json& id : json["ids"]) ends += id == 2 ? 1 : 0;
  EXPECT_EQ(ends, 2);
}

// SmolLM2's ids, told by Hugging Face's library (the tokenizers' own test reads the others).
TEST(Terminal, TokenizeEqualsHuggingFaceOnSmolLm2) {
  REQUIRE_MODEL();
  const Json goldens = *ParseJson(
      *ReadFile(std::filesystem::path(AHA_SOURCE_DIR) / "src/tokenizer/testdata/real.json"));
  std::string input;
  for (const Json& text : goldens["texts"]) input += DumpJson(text) + "\n";
  const Ran ran = RunAha({"tokenize", "-m", Model(), "--jsonl", "--allow-special"}, input);
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::string line;
  for (size_t i = 0; i < goldens["texts"].size(); ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(*ParseJson(line), goldens["tokenizers"]["smollm2"]["allow_special"][i])
        << DumpJson(goldens["texts"][i]);
  }
}

TEST(Terminal, ChatTalksOverAPipe) {
  REQUIRE_MODEL();
  const Ran ran = RunAha({"chat", "-m", Model(), "--max-tokens", "16"},
                         "/help\nHello!\n/nonsense\n/quit\nnever\n");
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(ran.out.find("/clear"), std::string::npos);
  EXPECT_NE(ran.err.find("/nonsense"), std::string::npos);
}

TEST(Terminal, BenchPrintsItsNumbers) {
  REQUIRE_MODEL();
  const Ran ran = RunAha({"bench", "-m", Model(), "--json", "-p", "32", "-n", "4", "--streams",
                          "1,3", "--repeat", "1"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const Json json = *ParseJson(ran.out);
  ASSERT_EQ(json["runs"].size(), 2);
  for (const Json& run : json["runs"]) {
    EXPECT_GT(run["prefill_tokens_per_s"], 0);
    EXPECT_GT(run["decode_tokens_per_s"], 0);
    EXPECT_GT(run["decode_share_of_bandwidth"], 0);
    EXPECT_GE(run["decode_share_of_limits"], run["decode_share_of_bandwidth"]);
  }
  EXPECT_GT(json["limits"]["read_bytes_per_s"], 1e8);
}

TEST(Terminal, ModelsAreListedConvertedAndRemoved) {
  REQUIRE_MODEL();
  const std::string folder = testing::TempDir() + "aha_models_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::filesystem::create_symlink(Model(), folder + "/small.gguf");
  const std::map<std::string, std::string> here = {{"AHA_MODELS", folder}};
  const auto run = [&](std::vector<std::string> arguments) {
    const Ran ran = RunAha(arguments, "", here);
    EXPECT_EQ(ran.exit_code, 0) << testing::PrintToString(arguments) << ran.err;
    return ran.out;
  };
  EXPECT_NE(run({"models", "list"}).find("small"), std::string::npos);
  const std::string show = run({"models", "show", "small"});
  for (const char* part : {"llama", "134.5M", "q4_1", "8192", "<|im_end|>", "tokens/s"}) {
    EXPECT_NE(show.find(part), std::string::npos) << part << show;
  }
  run({"models", "quantize", "small", "--type", "q4_0"});
  run({"models", "import", "small", "--type", "f32", "-o", folder + "/folder"});
  const std::string list = run({"models", "list"});
  EXPECT_NE(list.find("small-q4_0"), std::string::npos) << list;
  EXPECT_NE(list.find("folder"), std::string::npos) << list;
  // The imported folder holds the same weights as floats: close log-probabilities, equal ids.
  const auto score = [&](const char* model) {
    const Ran ran = RunAha({"score", "-m", model, "--jsonl"},
                           "{\"text\":\"The sun rises in the east.\"}\n", here);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return *ParseJson(ran.out);
  };
  const Json small = score("small");
  const Json whole = score("folder");
  EXPECT_EQ(small["ids"], whole["ids"]);
  for (size_t i = 1; i < small["ids"].size(); ++i) {
    // Activations are int8 on one side: measured differences reach 0.25.
    EXPECT_NEAR(small["logprobs"][i].get<double>(), whole["logprobs"][i].get<double>(), 0.6);
  }
  run({"models", "rm", "folder"});
  EXPECT_EQ(run({"models", "list"}).find("folder "), std::string::npos);
  EXPECT_EQ(RunAha({"models", "rm", "../small"}, "", here).exit_code, 1);
  EXPECT_EQ(RunAha({"models", "quantize", "small", "--type", "q4_0"}, "", here).exit_code, 1);
  EXPECT_EQ(RunAha({"models", "quantize", "small", "--type", "q9"}, "", here).exit_code, 2);
  EXPECT_EQ(RunAha({"models", "pull", "nonsense"}, "", here).exit_code, 1);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace aha
