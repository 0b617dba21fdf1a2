// Pre-training and supervised fine-tuning: documents, packed into steps of about as many tokens,
// and the weighted mean cross-entropy of their tokens.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/files.h"
#include "base/rng.h"
#include "base/section.h"
#include "train/run.h"

namespace aha {
namespace {

struct WeightedSequence {
  TrainingSequence sequence;
  std::vector<float> weights;  // of its targets
};

class SequenceSource {
 public:
  virtual ~SequenceSource() = default;
  virtual Result<WeightedSequence> Get(uint64_t index) const = 0;
};

// Pieces of text with weights to ids; a target is every token that weighs something.
Result<WeightedSequence> Encode(const RunParts& parts, const Document& document, bool end,
                                size_t* prompt_tokens) {
  WeightedSequence out;
  std::vector<float> weights;
  *prompt_tokens = 0;
  for (const Document::Segment& s : document.segments) {
    AHA_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                         parts.tokenizer->Encode(s.text, {.allow_special = true}));
    out.sequence.ids.insert(out.sequence.ids.end(), ids.begin(), ids.end());
    weights.insert(weights.end(), ids.size(), s.weight);
    if (s.prompt) *prompt_tokens = out.sequence.ids.size();
  }
  if (end) {
    out.sequence.ids.push_back(parts.eos);
    weights.push_back(1);
  }
  for (size_t i = 1; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    out.sequence.targets.push_back(static_cast<int32_t>(i));
    out.weights.push_back(weights[i]);
  }
  return out;
}

class GeneratedSource : public SequenceSource {
 public:
  GeneratedSource(const RunParts& parts, const SupervisedRecipe& recipe,
                  std::unique_ptr<DocumentSource> documents)
      : parts_(parts), recipe_(recipe), documents_(std::move(documents)) {}

  Result<WeightedSequence> Get(uint64_t index) const override {
    const uint64_t seed = parts_.recipe.seed;
    size_t prompt = 0;
    AHA_ASSIGN_OR_RETURN(WeightedSequence w,
                         Encode(parts_, documents_->Get(seed, index), true, &prompt));
    const Rng rng(seed ^ 0x9a95, index);
    if (recipe_.max_gap > 0 && rng.Uniform(0) < recipe_.gap_share) {
      const auto gap =
          static_cast<int32_t>(rng.Uniform(1) * static_cast<double>(recipe_.max_gap + 1));
      for (size_t i = 0; i < w.sequence.ids.size(); ++i) {
        w.sequence.positions.push_back(static_cast<int32_t>(i) + (i < prompt ? 0 : gap));
      }
    }
    return w;
  }

 private:
  const RunParts& parts_;
  const SupervisedRecipe& recipe_;
  std::unique_ptr<DocumentSource> documents_;
};

// {"text"}, {"prompt", "completion"} (only the completion is learned): shuffled anew each epoch.
class FileSource : public SequenceSource {
 public:
  FileSource(const RunParts& parts, std::vector<Document> documents)
      : parts_(parts), documents_(std::move(documents)) {}

  Result<WeightedSequence> Get(uint64_t index) const override {
    const uint64_t n = documents_.size();
    const uint64_t epoch = index / n;
    std::vector<uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    const Rng rng(parts_.recipe.seed ^ 0xe90c, epoch);
    for (uint64_t i = n; i > 1; --i) std::swap(order[i - 1], order[rng.Bits(i) % i]);
    size_t prompt = 0;
    return Encode(parts_, documents_[order[index % n]], true, &prompt);
  }

 private:
  const RunParts& parts_;
  std::vector<Document> documents_;
};

Result<Document> ReadDocument(std::string_view line) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
  if (!json.is_object()) return InvalidArgument("not an object");
  if (FindKey(json, "text") != nullptr) {
    AHA_ASSIGN_OR_RETURN(std::string text, GetString(json, "text"));
    return Document{{{std::move(text), 1, false}}};
  }
  AHA_ASSIGN_OR_RETURN(std::string prompt, GetString(json, "prompt"));
  AHA_ASSIGN_OR_RETURN(std::string completion, GetString(json, "completion"));
  return Document{{{std::move(prompt), 0, true}, {std::move(completion), 1, false}}};
}

Result<std::unique_ptr<SequenceSource>> OpenFile(const RunParts& parts, const Json& data) {
  Section s(&data, "data jsonl");
  s.Take("name");
  std::string path;
  enum class OnError { kFail, kSkip } on_error = OnError::kFail;
  s.Read("path", &path);
  s.ReadOne("on_error", {"fail", "skip"}, &on_error);
  AHA_RETURN_IF_ERROR(s.Finish());
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, uint64_t{1} << 34));
  std::vector<Document> documents;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
    Result<Document> document = ReadDocument(line);
    if (document.ok()) {
      documents.push_back(*std::move(document));
    } else if (on_error == OnError::kFail) {
      return document.status().Within(fmt::format("{}:{}", path, number));
    }
  }
  if (documents.empty()) return InvalidArgument("{} holds no documents", path);
  return std::unique_ptr<SequenceSource>(std::make_unique<FileSource>(parts, std::move(documents)));
}

class Supervised : public StageRunner {
 public:
  Supervised(RunParts& parts, const SupervisedRecipe& recipe, int64_t steps,
             std::unique_ptr<SequenceSource> source)
      : parts_(parts), recipe_(recipe), steps_(steps), source_(std::move(source)) {}

  Status Step(int64_t step, int64_t* cursor, Json* line) override {
    std::vector<TrainingSequence> sequences;
    std::vector<std::vector<float>> weights;
    double all_weights = 0;
    int64_t tokens = 0;
    while (tokens < recipe_.batch_tokens) {
      AHA_ASSIGN_OR_RETURN(WeightedSequence w, source_->Get(static_cast<uint64_t>((*cursor)++)));
      Cut(&w);
      tokens += static_cast<int64_t>(w.sequence.ids.size());
      for (const float x : w.weights) all_weights += double{x};
      sequences.push_back(std::move(w.sequence));
      weights.push_back(std::move(w.weights));
    }
    if (all_weights == 0) return InvalidArgument("no token of the batch weighs anything");
    double loss = 0;
    parts_.learner->Accumulate(sequences, parts_.pass(), [&](const Predictions& p) {
      const std::vector<float>& w = weights[p.index];
      for (size_t i = 0; i < w.size(); ++i) {
        loss -= double{w[i]} * double{p.logprobs[i]} / all_weights;
        p.dlogprobs[i] = static_cast<float>(-double{w[i]} / all_weights);
      }
    });
    if (!std::isfinite(loss)) {
      return parts_.learner->NotFinite(sequences, parts_.pass())
          .Within(fmt::format("the loss is {}", loss));
    }
    // Who knows nothing of the next token loses ln(vocabulary); ten times that is past mending.
    const double blind = std::log(static_cast<double>(parts_.learner->model().info().vocab));
    if (step > 0 && loss > 10 * blind) {
      return InvalidArgument("the loss has exploded: it is {:.1f}, without knowing anything {:.1f}",
                             loss, blind);
    }
    const double lr = recipe_.optimizer.schedule.At(step, steps_);
    AHA_ASSIGN_OR_RETURN(const double norm, parts_.learner->Update(recipe_.optimizer, lr));
    if (recipe_.router_bias_rate > 0) parts_.learner->BalanceRouters(recipe_.router_bias_rate);
    (*line)["loss"] = loss;
    (*line)["grad_norm"] = norm;
    (*line)["learning_rate"] = lr;
    (*line)["step_tokens"] = tokens;
    return OkStatus();
  }

 private:
  void Cut(WeightedSequence* w) const {
    const auto most = static_cast<size_t>(recipe_.max_document);
    TrainingSequence& s = w->sequence;
    if (s.ids.size() <= most) return;
    s.ids.resize(most);
    if (!s.positions.empty()) s.positions.resize(most);
    while (!s.targets.empty() && s.targets.back() >= static_cast<int32_t>(most)) {
      s.targets.pop_back();
      w->weights.pop_back();
    }
  }

  RunParts& parts_;
  const SupervisedRecipe& recipe_;
  int64_t steps_;
  std::unique_ptr<SequenceSource> source_;
};

}  // namespace

Result<std::unique_ptr<StageRunner>> MakeSupervised(RunParts& parts, const SupervisedRecipe& recipe,
                                                    int64_t steps) {
  std::unique_ptr<SequenceSource> source;
  AHA_ASSIGN_OR_RETURN(const std::string name, GetString(recipe.data, "name"));
  if (name == "jsonl") {
    AHA_ASSIGN_OR_RETURN(source, OpenFile(parts, recipe.data));
  } else {
    AHA_ASSIGN_OR_RETURN(auto documents, MakeDocumentSource(recipe.data));
    source = std::make_unique<GeneratedSource>(parts, recipe, std::move(documents));
  }
  AHA_RETURN_IF_ERROR(source->Get(0).status());
  return std::unique_ptr<StageRunner>(
      std::make_unique<Supervised>(parts, recipe, steps, std::move(source)));
}

}  // namespace aha
