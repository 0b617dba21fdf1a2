// Supervised stages on files: learned vocabularies, chat messages, documents that are too long.
#include <fstream>

#include "library/library.h"
#include "train/run_test_fixture.h"

namespace aha {
namespace {

class SupervisedTest : public RunTest {
 protected:
  void Write(const std::string& name, const std::vector<std::string>& lines) const {
    std::ofstream out(root_ / name);
    for (const std::string& line : lines) out << line << "\n";
  }

  // Sums, asked and answered in a chat.
  std::vector<std::string> Sums(int count) const {
    std::vector<std::string> lines;
    for (int i = 0; i < count; ++i) {
      const int a = i % 10;
      const int b = i / 10 % 10;
      const Json messages = {
          {{"role", "user"}, {"content", fmt::format("What is {} plus {}?", a, b)}},
          {{"role", "assistant"},
           {"content", fmt::format("<think>{} and {} make {}</think>{}", a, b, a + b, a + b)}}};
      lines.push_back(DumpJson({{"messages", messages}}));
    }
    return lines;
  }

  // A tiny model made new, with a vocabulary learned from `data`; one stage of `kind`.
  Json Tree(const std::string& kind, const std::string& data) const {
    return {{"kind", kind},
            {"model",
             {{"config",
               {{"architectures", {"LlamaForCausalLM"}},
                {"model_type", "llama"},
                {"hidden_size", 32},
                {"intermediate_size", 64},
                {"num_hidden_layers", 2},
                {"num_attention_heads", 2},
                {"num_key_value_heads", 2},
                {"max_position_embeddings", 256},
                {"initializer_range", 0.06},
                {"rms_norm_eps", 1e-5},
                {"rope_theta", 10000.0},
                {"tie_word_embeddings", true},
                {"hidden_act", "silu"}}}}},
            {"tokenizer",
             {{"kind", "bpe"},
              {"vocab_size", 320},
              {"special", {"<think>", "</think>", "<|user|>", "<|assistant|>"}},
              {"chat_template",
               "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
               "{% if m.role == 'assistant' %}<eos>{% endif %}{% endfor %}"
               "{% if add_generation_prompt %}<|assistant|>{% endif %}"}}},
            {kind,
             {{"steps", 8},
              {"batch_tokens", 400},
              {"lr", 1e-2},
              {"data", {{"name", "jsonl"}, {"path", (root_ / data).string()}}}}},
            {"checkpoint", {{"every", 2}}}};
  }

  static Recipe Read(const Json& tree) {
    Result<Recipe> r = ParseRecipe(tree, "test");
    CHECK(r.ok(), r.ok() ? "" : r.status().message());
    return *std::move(r);
  }

  std::string ErrorOf(const Json& tree, RunOptions options) const {
    const auto run = aha::Run::Open(Read(tree), std::move(options));
    return run.ok() ? std::string() : run.status().message();
  }
  std::string ErrorOf(const Json& tree) const { return ErrorOf(tree, Options("bad")); }
};

void Has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(SupervisedTest, ChatMessagesTrainANewModelWithItsOwnVocabulary) {
  Write("sums.jsonl", Sums(100));
  Json tree = Tree("sft", "sums.jsonl");
  tree["sft"]["steps"] = 40;
  Go(Read(tree), Options("chat", false, 2));
  const std::vector<Json> lines = ReadLines(root_ / "chat/metrics.jsonl").value();
  ASSERT_EQ(lines.size(), 40u);
  EXPECT_GT(lines.front()["loss"].get<double>(), 5);  // about log 320
  EXPECT_LT(lines.back()["loss"].get<double>(), 1.5);

  // What was learned is a model that can be talked to by its template.
  const auto opened = OpenTextModel(root_ / "chat/final");
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const TextModel& model = **opened;
  EXPECT_EQ(Text("chat/final/tokenizer.json"), Text("chat/checkpoints/step-000040/tokenizer.json"));
  EXPECT_TRUE(model.tokenizer.IsSpecial(model.tokenizer.IdOf("<|user|>").value()));
  EXPECT_FALSE(model.tokenizer.IsSpecial(model.tokenizer.IdOf("<think>").value()));
  EXPECT_TRUE(model.tokenizer.IdOf(" plus")) << "a word of the data is a token";
  ASSERT_TRUE(model.chat.has_value());
  const Json messages = Json::array({{{"role", "user"}, {"content", "<|user|><think>"}}});
  const Prompt prompt = model.chat->Render(messages, {}).value();
  const std::vector<int32_t> ids = EncodePrompt(model.tokenizer, prompt).value();
  EXPECT_EQ(std::count(ids.begin(), ids.end(), model.tokenizer.IdOf("<|user|>").value()), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), model.tokenizer.IdOf("<think>").value()), 0);
}

TEST_F(SupervisedTest, AResumedRunLearnsTheSameVocabularyAndSeesThatItsDataChanged) {
  Write("sums.jsonl", Sums(100));
  const Json tree = Tree("sft", "sums.jsonl");
  const RunEnd whole = Go(Read(tree), Options("whole"));
  RunOptions stopped = Options("stopped");
  int steps = 0;
  stopped.on_step = [&](const Json&) { ++steps; };
  stopped.stop = [&] { return steps == 3; };
  EXPECT_FALSE(Go(Read(tree), stopped).finished);
  const std::string last = ListCheckpoints(root_ / "stopped/checkpoints").back().string();
  EXPECT_EQ(ReadFile(last + "/tokenizer.json").value(), Text("whole/final/tokenizer.json"));

  Write("sums.jsonl", {R"({"text": "other words than those it was begun with"})"});
  Has(ErrorOf(tree, Options("stopped", true)), last + ": its tokenizer is not the one");
  // The same words in another order make the same vocabulary.
  std::vector<std::string> turned = Sums(100);
  std::swap(turned.front(), turned.back());
  Write("sums.jsonl", turned);
  Has(ErrorOf(tree, Options("stopped", true)), "sums.jsonl is another file: its sha256 is ");
  Write("sums.jsonl", Sums(100));
  EXPECT_EQ(Go(Read(tree), Options("stopped", true)).weights_sha256, whole.weights_sha256);
  EXPECT_EQ(Metrics("stopped"), Metrics("whole"));
}

TEST_F(SupervisedTest, AVocabularyIsLearnedFromGeneratedText) {
  Json tree = Tree("pretrain", "");
  tree["pretrain"]["data"] = {{"name", "parity-text"}, {"bits", 8}};
  tree["tokenizer"] = {{"kind", "bpe"}, {"vocab_size", 270}, {"documents", 200}};
  const RunEnd one = Go(Read(tree), Options("one"));
  EXPECT_EQ(Go(Read(tree), Options("two", false, 3)).weights_sha256, one.weights_sha256);
  const Tokenizer tokenizer = Tokenizer::FromFolder(root_ / "one/final").value();
  EXPECT_GT(tokenizer.vocab_size(), 258);
  EXPECT_EQ(tokenizer.IdOf("<pad>"), 0);
  EXPECT_EQ(tokenizer.IdOf("<eos>"), 1);
}

TEST_F(SupervisedTest, LongDocumentsAreCutInPretrainAndRefusedInSft) {
  std::vector<std::string> lines = Sums(20);
  std::string digits;
  for (int i = 0; i < 100; ++i) digits += std::to_string(i);
  lines[4] = DumpJson({{"text", digits}});
  Write("long.jsonl", lines);
  Json tree = Tree("sft", "long.jsonl");
  tree["sft"]["max_document"] = 60;
  const std::string error = ErrorOf(tree);
  Has(error, "long.jsonl:5: ");
  Has(error, "tokens are more than max_document = 60");
  EXPECT_FALSE(fs::exists(root_ / "bad" / "recipe.json"));

  std::vector<std::string> said;
  RunOptions options = Options("skip");
  options.say = [&](const std::string& text) { said.push_back(text); };
  tree["sft"]["data"]["on_error"] = "skip";
  Go(Read(tree), options);
  Has(said.front(), "19 documents, 1 skipped (");
  Has(said.front(), "long.jsonl:5: ");
  tree["sft"]["max_document"] = 2;
  Has(ErrorOf(tree), "all documents are skipped");

  Json cut = Tree("pretrain", "long.jsonl");
  cut["pretrain"]["max_document"] = 10;
  Go(Read(cut), Options("cut"));
  const std::vector<Json> steps = ReadLines(root_ / "cut/metrics.jsonl").value();
  for (const Json& line : steps) {
    EXPECT_EQ(line["step_tokens"].get<int64_t>(), 400);  // 40 documents of 10
  }
}

TEST_F(SupervisedTest, LongGeneratedDocumentsArePassedOverInSft) {
  // Of 16 bits, the long ones have a trace behind them.
  const auto documents = [&](const std::string& kind) {
    Json tree = Tree(kind, "");
    tree[kind]["data"] = {{"name", "parity-text"}, {"bits", 16}, {"long_share", 0.5}};
    tree["tokenizer"] = {{"kind", "bpe"}, {"vocab_size", 258}};
    tree[kind]["max_document"] = 28;
    Go(Read(tree), Options(kind));
    const fs::path last = ListCheckpoints(root_ / kind / "checkpoints").back();
    return ParseJson(ReadFile(last / "state.json").value()).value()["cursor"].get<int64_t>();
  };
  EXPECT_GT(static_cast<double>(documents("sft")),
            1.5 * static_cast<double>(documents("pretrain")));
  Json tree = Tree("sft", "");
  tree["sft"]["data"] = {{"name", "parity-text"}};
  tree["tokenizer"] = {{"kind", "bpe"}, {"vocab_size", 258}};
  tree["sft"]["max_document"] = 2;
  Has(ErrorOf(tree), "documents in a row are longer than max_document = 2");
}

TEST_F(SupervisedTest, BadInputGetsASentence) {
  Write("sums.jsonl", Sums(20));
  Json tree = Tree("sft", "sums.jsonl");
  tree["tokenizer"]["vocab_size"] = 261;
  Has(ErrorOf(tree), "[tokenizer]: vocab_size is 261: 6 added tokens and the 256 bytes need 262");
  tree = Tree("sft", "sums.jsonl");
  tree["tokenizer"]["special"].push_back("<think>");
  Has(ErrorOf(tree), "'<think>' is there twice");
  tree = Tree("sft", "sums.jsonl");
  tree["tokenizer"]["chat_template"] = "{% for %}";
  Has(ErrorOf(tree), "[tokenizer] chat_template: ");
  tree["tokenizer"]["chat_template"] = "";
  Has(ErrorOf(tree), "sums.jsonl:1: messages want a chat template");
  tree = Tree("sft", "none.jsonl");
  Has(ErrorOf(tree), "none.jsonl");

  std::vector<std::string> lines = Sums(3);
  lines[1] = R"({"messages": [{"role": "user", "content": "x"}]})";
  Write("broken.jsonl", lines);
  Has(ErrorOf(Tree("sft", "broken.jsonl")), "broken.jsonl:2: no message has the role assistant");
  Write("empty.jsonl", {"", "{}"});
  tree = Tree("sft", "empty.jsonl");
  Has(ErrorOf(tree), "empty.jsonl:2: neither text");
  tree["sft"]["data"]["on_error"] = "skip";
  Has(ErrorOf(tree), "holds no documents");
}

}  // namespace
}  // namespace aha
