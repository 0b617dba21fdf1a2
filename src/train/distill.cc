// Distillation as R1 did it (v2 of the paper, B.4.3): a teacher answers, what is right is kept, and
// the student learns it by supervised fine-tuning. A teacher that is the student's own earlier self
// makes it rejection sampling.
//
// The samples are a file of the run, STAGE-samples.jsonl, written whole before the first step: who
// wants to know what the student learned reads it, and a resumed run does too.
#include <set>

#include "base/files.h"
#include "library/library.h"
#include "train/evaluate.h"
#include "train/rollout.h"
#include "train/run.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kProblemsAtOnce = 64;

struct Teacher {
  std::unique_ptr<TextModel> text;
  std::unique_ptr<ops::Context> cx;
  const ChatTemplate* chat() const { return text->chat ? &*text->chat : nullptr; }
};

Result<Teacher> OpenTeacher(const RunParts& parts, const DistillRecipe& recipe) {
  Teacher teacher;
  AHA_ASSIGN_OR_RETURN(const fs::path path, ResolveModel(recipe.teacher));
  AHA_ASSIGN_OR_RETURN(teacher.text, OpenTextModel(path));
  AHA_RETURN_IF_ERROR(EncodeProblem(teacher.text->tokenizer, teacher.chat(),
                                    parts.task->Get(Split::kTrain, parts.recipe.seed, 0))
                          .status()
                          .Within(recipe.teacher));
  teacher.cx = std::make_unique<ops::Context>(parts.options.backend, parts.pool.get(),
                                              ops::Numerics::kPortable);
  return teacher;
}

// What a student learns from: {"prompt", "completion"}, or {"messages"} of a chat.
Json Line(const Problem& problem, const std::string& text) {
  if (!problem.chat) return {{"prompt", problem.prompt}, {"completion", text}};
  Json messages = MessagesOf(problem);
  messages.push_back({{"role", "assistant"}, {"content", text}});
  return {{"messages", messages}};
}

// The right answers of some problems, as lines; each text once.
class Samples {
 public:
  Samples(const RunParts& parts, const DistillRecipe& recipe) : parts_(parts), recipe_(recipe) {}

  Status Take(Teacher& teacher, int64_t first, int64_t count) {
    std::vector<Problem> problems;
    std::vector<std::vector<int32_t>> prompts;
    int64_t longest = 0;
    for (int64_t i = first; i < first + count; ++i) {
      problems.push_back(
          parts_.task->Get(Split::kTrain, parts_.recipe.seed, static_cast<uint64_t>(i)));
      AHA_ASSIGN_OR_RETURN(prompts.emplace_back(),
                           EncodeProblem(teacher.text->tokenizer, teacher.chat(), problems.back()));
      longest = std::max(longest, static_cast<int64_t>(prompts.back().size()));
    }
    const int64_t rows = CacheTokens(teacher.text->model->info(), count * recipe_.samples,
                                     longest + recipe_.max_completion);
    AHA_ASSIGN_OR_RETURN(
        const std::unique_ptr<Engine> engine,
        Engine::Create(teacher.text->model.get(), teacher.cx.get(), {.cache_tokens = rows}));
    RolloutOptions options{.samples = static_cast<int32_t>(recipe_.samples),
                           .max_tokens = recipe_.max_completion,
                           .stop_ids = teacher.text->stop_ids,
                           .seed = parts_.recipe.seed ^ 0xd157,
                           .first_stream = static_cast<uint64_t>(first)};
    options.sampling.temperature = static_cast<float>(recipe_.temperature);
    options.sampling.top_p = static_cast<float>(recipe_.top_p);
    AHA_ASSIGN_OR_RETURN(const auto completions,
                         Rollout(*engine, prompts, options, parts_.options.stop));
    for (size_t p = 0; p < problems.size(); ++p) {
      std::set<std::string> kept;
      for (const Completion& c : completions[p]) {
        const std::string text = teacher.text->tokenizer.Decode(c.ids, /*skip_special=*/true);
        AHA_ASSIGN_OR_RETURN(const Score score, parts_.task->Grade(problems[p], text));
        ++sampled_;
        if (c.truncated || score.correct < 1) continue;
        ++right_;
        if (static_cast<int64_t>(kept.size()) == recipe_.keep || !kept.insert(text).second)
          continue;
        lines_ += DumpJson(Line(problems[p], text)) + "\n";
        ++kept_;
      }
    }
    return OkStatus();
  }

  int64_t sampled() const { return sampled_; }
  int64_t right() const { return right_; }
  int64_t kept() const { return kept_; }
  const std::string& lines() const { return lines_; }

 private:
  const RunParts& parts_;
  const DistillRecipe& recipe_;
  int64_t sampled_ = 0, right_ = 0, kept_ = 0;
  std::string lines_;
};

Status Ask(const RunParts& parts, const DistillRecipe& recipe, const fs::path& path) {
  AHA_ASSIGN_OR_RETURN(Teacher teacher, OpenTeacher(parts, recipe));
  Samples samples(parts, recipe);
  for (int64_t first = 0; first < recipe.problems; first += kProblemsAtOnce) {
    AHA_RETURN_IF_ERROR(
        samples.Take(teacher, first, std::min(kProblemsAtOnce, recipe.problems - first)));
  }
  if (samples.kept() == 0) {
    return InvalidArgument("the teacher {} gave no right answer in {} samples", recipe.teacher,
                           samples.sampled());
  }
  if (parts.options.say) {
    parts.options.say(fmt::format("the teacher {} gave {} samples, {} of them right, {} kept",
                                  recipe.teacher, samples.sampled(), samples.right(),
                                  samples.kept()));
  }
  return WriteFileAtomic(path, samples.lines());
}

// Owns the recipe that the supervised stage refers to.
class Distillation : public StageRunner {
 public:
  Distillation(const DistillRecipe& recipe, const fs::path& samples) : recipe_(recipe.sft) {
    // An answer too long for max_document is left out.
    recipe_.data = {{"name", "jsonl"}, {"path", samples.string()}, {"on_error", "skip"}};
  }
  Status Begin(RunParts& parts) {
    AHA_ASSIGN_OR_RETURN(learning_, MakeSupervised(parts, recipe_, recipe_.steps));
    return OkStatus();
  }
  Status Step(int64_t step, int64_t* cursor, Json* line) override {
    return learning_->Step(step, cursor, line);
  }

 private:
  SupervisedRecipe recipe_;
  std::unique_ptr<StageRunner> learning_;
};

}  // namespace

Status CheckDistill(const RunParts& parts, const DistillRecipe& recipe) {
  return OpenTeacher(parts, recipe).status();
}

Result<std::unique_ptr<StageRunner>> MakeDistill(RunParts& parts, const DistillRecipe& recipe,
                                                 const std::string& stage) {
  const fs::path path = parts.options.out / (stage + "-samples.jsonl");
  if (!fs::exists(path)) AHA_RETURN_IF_ERROR(Ask(parts, recipe, path));
  auto runner = std::make_unique<Distillation>(recipe, path);
  AHA_RETURN_IF_ERROR(runner->Begin(parts));
  return std::unique_ptr<StageRunner>(std::move(runner));
}

}  // namespace aha
