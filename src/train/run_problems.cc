#include "train/run_problems.h"

#include "envs/environment.h"
#include "train/evaluate.h"
#include "train/recipe.h"
#include "train/reward_rule.h"
#include "train/token_texts.h"

namespace aha {
namespace {

class Problems : public RunProblems {
 public:
  Problems(Recipe recipe, std::unique_ptr<Environment> task, Split split, RewardRule rule)
      : recipe_(std::move(recipe)), task_(std::move(task)), split_(split), rule_(std::move(rule)) {}

  int64_t count() const override { return recipe_.eval.problems; }
  int64_t max_completion() const override { return MostCompletion(recipe_); }

  RunProblem Get(int64_t index) const override {
    Problem p = At(index);
    return {std::move(p.id), std::move(p.prompt), std::move(p.system), std::move(p.answer)};
  }

  Result<std::vector<int32_t>> Encode(int64_t index, const Tokenizer& tokenizer,
                                      const ChatTemplate* chat) const override {
    return EncodeProblem(tokenizer, chat, At(index));
  }

  Result<RunAnswer> Grade(int64_t index, const Tokenizer& tokenizer,
                          const RunCompletion& completion) const override {
    RunAnswer out;
    out.text = tokenizer.Decode(completion.ids, /*skip_special=*/true);
    AHA_ASSIGN_OR_RETURN(const Rewarded r,
                         rule_.Reward(*task_, At(index),
                                      {out.text, static_cast<int64_t>(completion.ids.size()),
                                       completion.truncated, max_completion()}));
    const Reply reply = SplitReply(out.text);
    out.thought = reply.thought;
    out.answer = reply.answer;
    out.extracted = r.score.extracted;
    out.why = r.score.why;
    out.correct = r.score.correct;
    out.reward = r.reward;
    out.rewards = rule_.PartsJson(r.parts);
    out.truncated = completion.truncated;
    AddTokens(tokenizer, completion, reply, &out);
    return out;
  }

 private:
  Problem At(int64_t index) const {
    return task_->Get(split_, recipe_.seed, static_cast<uint64_t>(index));
  }

  static void AddTokens(const Tokenizer& tokenizer, const RunCompletion& completion,
                        const Reply& reply, RunAnswer* out) {
    std::vector<size_t> bytes;
    for (const int32_t id : completion.ids) {
      bytes.push_back(tokenizer.Decode({&id, 1}, /*skip_special=*/true).size());
    }
    const size_t thought_end = out->text.size() - reply.answer.size();
    std::vector<std::string> texts = TokenTexts(out->text, bytes);
    size_t end = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      end += bytes[i];
      out->tokens.push_back({std::move(texts[i]),
                             i < completion.logprobs.size() ? completion.logprobs[i] : 0,
                             reply.thinks && bytes[i] > 0 && end <= thought_end});
    }
  }

  Recipe recipe_;
  std::unique_ptr<Environment> task_;
  Split split_;
  RewardRule rule_;
};

}  // namespace

Result<std::unique_ptr<RunProblems>> RunProblems::Open(const Json& source) {
  AHA_ASSIGN_OR_RETURN(Recipe recipe, ParseRecipe(source, "recipe.json"));
  if (recipe.task.is_null()) return NotFound("the run has no [task]: there is nothing to answer");
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Environment> task, MakeEnvironment(recipe.task));
  AHA_ASSIGN_OR_RETURN(const Split split, ParseSplit(recipe.eval.split));
  RewardRule rule;
  for (const Stage& stage : recipe.stages) {  // the last one's: what the run ends with
    const auto* rl = std::get_if<RlRecipe>(&stage.what);
    if (rl == nullptr) continue;
    AHA_ASSIGN_OR_RETURN(rule, RewardRule::Of(*rl));
  }
  return std::unique_ptr<RunProblems>(
      std::make_unique<Problems>(std::move(recipe), std::move(task), split, std::move(rule)));
}

}  // namespace aha
