// Pre-training and supervised fine-tuning: documents, packed into steps of about as many tokens,
// and the weighted mean cross-entropy of their tokens.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "train/documents.h"
#include "train/encode_text.h"
#include "train/run.h"

namespace aha {
namespace {

// So many generated documents in a row that are all too long mean that no other will come.
constexpr int kMostRefused = 1000;

class SequenceSource {
 public:
  virtual ~SequenceSource() = default;
  virtual Result<WeightedSequence> Get(uint64_t index) = 0;
};

Result<WeightedSequence> Encode(const RunParts& parts, const TrainingText& text) {
  return EncodeText(*parts.tokenizer, parts.eos, text);
}

class GeneratedSource : public SequenceSource {
 public:
  GeneratedSource(const RunParts& parts, const SupervisedRecipe& recipe,
                  std::unique_ptr<DocumentSource> documents)
      : parts_(parts), recipe_(recipe), documents_(std::move(documents)) {}

  Result<WeightedSequence> Get(uint64_t index) override {
    const uint64_t seed = parts_.recipe.seed;
    AHA_ASSIGN_OR_RETURN(WeightedSequence w, Encode(parts_, TextOf(documents_->Get(seed, index))));
    const Rng rng(seed ^ 0x9a95, index);
    if (recipe_.max_gap > 0 && rng.Uniform(0) < recipe_.gap_share) {
      const auto gap =
          static_cast<int32_t>(rng.Uniform(1) * static_cast<double>(recipe_.max_gap + 1));
      for (size_t i = 0; i < w.sequence.ids.size(); ++i) {
        w.sequence.positions.push_back(static_cast<int32_t>(i) + (i < w.prompt_tokens ? 0 : gap));
      }
    }
    return w;
  }

 private:
  const RunParts& parts_;
  const SupervisedRecipe& recipe_;
  std::unique_ptr<DocumentSource> documents_;
};

// A file's documents, shuffled anew each epoch.
class FileSource : public SequenceSource {
 public:
  static Result<std::unique_ptr<SequenceSource>> Open(const RunParts& parts,
                                                      const SupervisedRecipe& recipe) {
    AHA_ASSIGN_OR_RETURN(
        DocumentFile file,
        ReadDocumentFile(recipe.data, parts.chat.has_value() ? &*parts.chat : nullptr));
    if (recipe.refuse_long) AHA_RETURN_IF_ERROR(RefuseLong(parts, recipe.max_document, &file));
    Say(parts, file);
    return std::unique_ptr<SequenceSource>(new FileSource(parts, std::move(file.documents)));
  }

  Result<WeightedSequence> Get(uint64_t index) override {
    const uint64_t n = documents_.size();
    Shuffle(index / n);
    return Encode(parts_, documents_[order_[index % n]]);
  }

 private:
  FileSource(const RunParts& parts, std::vector<TrainingText> documents)
      : parts_(parts), documents_(std::move(documents)) {}

  static Status RefuseLong(const RunParts& parts, int64_t most, DocumentFile* file) {
    std::vector<TrainingText> kept;
    for (size_t i = 0; i < file->documents.size(); ++i) {
      AHA_ASSIGN_OR_RETURN(const WeightedSequence w, Encode(parts, file->documents[i]));
      if (w.sequence.ids.size() <= static_cast<size_t>(most)) {
        kept.push_back(std::move(file->documents[i]));
        continue;
      }
      const Status error = InvalidArgument("{}: {} tokens are more than max_document = {}",
                                           file->Where(i), w.sequence.ids.size(), most);
      if (!file->skip) return error;
      if (file->skipped++ == 0) file->first_skipped = error.message();
    }
    if (kept.empty()) {
      return InvalidArgument("{}: all documents are skipped; {}", file->path, file->first_skipped);
    }
    file->documents = std::move(kept);
    return OkStatus();
  }

  static void Say(const RunParts& parts, const DocumentFile& file) {
    if (!parts.options.say) return;
    if (file.skipped > 0) {
      parts.options.say(fmt::format("{}: {} documents, {} skipped ({})", file.path,
                                    file.documents.size(), file.skipped, file.first_skipped));
    }
    const auto last_only =
        std::count_if(file.documents.begin(), file.documents.end(),
                      [](const TrainingText& text) { return text.last_reply_only; });
    if (last_only > 0) {
      parts.options.say(fmt::format(
          "{}: the chat template rewrites earlier replies: of {} conversations only the last one "
          "is learned",
          file.path, last_only));
    }
  }

  void Shuffle(uint64_t epoch) {
    const uint64_t n = documents_.size();
    if (order_.size() == n && epoch == epoch_) return;
    epoch_ = epoch;
    order_.resize(n);
    std::iota(order_.begin(), order_.end(), 0u);
    const Rng rng(parts_.recipe.seed ^ 0xe90c, epoch);
    for (uint64_t i = n; i > 1; --i) std::swap(order_[i - 1], order_[rng.Bits(i) % i]);
  }

  const RunParts& parts_;
  std::vector<TrainingText> documents_;
  std::vector<uint32_t> order_;  // of epoch_
  uint64_t epoch_ = 0;
};

class Supervised : public StageRunner {
 public:
  Supervised(RunParts& parts, const SupervisedRecipe& recipe, int64_t steps,
             std::unique_ptr<SequenceSource> source)
      : parts_(parts), recipe_(recipe), steps_(steps), source_(std::move(source)) {}

  // That there is something to learn.
  Status Check() const {
    int64_t cursor = 0;
    return Next(&cursor).status();
  }

  Status Step(int64_t step, int64_t* cursor, Json* line) override {
    std::vector<TrainingSequence> sequences;
    std::vector<std::vector<float>> weights;
    double all_weights = 0;
    int64_t tokens = 0;
    while (tokens < recipe_.batch_tokens) {
      AHA_ASSIGN_OR_RETURN(WeightedSequence w, Next(cursor));
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
    (*line)["flops"] = parts_.learner->TakeFlops();
    return OkStatus();
  }

 private:
  // The next document that may be learned, or the part of it that may be.
  Result<WeightedSequence> Next(int64_t* cursor) const {
    const auto most = static_cast<size_t>(recipe_.max_document);
    size_t refused = 0;
    for (int i = 0; i < kMostRefused; ++i) {
      AHA_ASSIGN_OR_RETURN(WeightedSequence w, source_->Get(static_cast<uint64_t>((*cursor)++)));
      refused = w.sequence.ids.size();
      if (refused <= most) return w;
      if (recipe_.refuse_long) continue;
      Cut(most, &w);
      return w;
    }
    return InvalidArgument(
        "{} documents in a row are longer than max_document = {}, the last of "
        "{} tokens",
        kMostRefused, most, refused);
  }

  static void Cut(size_t most, WeightedSequence* w) {
    TrainingSequence& s = w->sequence;
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
    AHA_ASSIGN_OR_RETURN(source, FileSource::Open(parts, recipe));
  } else {
    AHA_ASSIGN_OR_RETURN(auto documents, MakeDocumentSource(recipe.data));
    source = std::make_unique<GeneratedSource>(parts, recipe, std::move(documents));
  }
  auto runner = std::make_unique<Supervised>(parts, recipe, steps, std::move(source));
  AHA_RETURN_IF_ERROR(runner->Check());
  return std::unique_ptr<StageRunner>(std::move(runner));
}

}  // namespace aha
