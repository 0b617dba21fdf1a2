// Reinforcement learning from checkable rewards: GRPO as R1 prints it, and its published variants.
//
// A step samples a group of outputs for each problem through the engine, grades them, and takes one
// update a minibatch. The engine's log-probabilities are the trainer's own, bit for bit
// (docs/numerics.md), so the ratio of a fresh sample is exactly 1 and nothing is corrected.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "envs/reward.h"
#include "train/evaluate.h"
#include "train/reward_rule.h"
#include "train/rollout.h"
#include "train/run.h"

namespace aha {
namespace {

struct Sample {
  TrainingSequence sequence;
  std::vector<float> logprobs;  // the sampler's, at temperature 1
  std::vector<float> old, ref;  // at the sampling temperature
  std::string text;
  Rewarded graded;
  double advantage = 0;
  int64_t tokens = 0;
  bool truncated = false;
  bool trained = true;
};

struct Group {
  Problem problem;
  std::vector<Sample> samples;
  double std = 0;
  bool trained = true;
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Reinforcement : public StageRunner {
 public:
  Reinforcement(RunParts& parts, const RlRecipe& recipe, std::string stage, RewardRule rule)
      : parts_(parts),
        recipe_(recipe),
        stage_(std::move(stage)),
        rule_(std::move(rule)),
        curriculum_(recipe.curriculum) {}

  Json State() const override {
    return recipe_.curriculum.revisit > 1 ? curriculum_.State() : Json();
  }
  Status Restore(const Json& state) override { return curriculum_.Restore(state); }

  Status Step(int64_t step, int64_t* cursor, Json* line) override {
    const Curriculum before = curriculum_;
    const Status status = TryStep(step, cursor, line);
    if (!status.ok()) curriculum_ = before;  // a step that was stopped is done again
    return status;
  }

 private:
  Status TryStep(int64_t step, int64_t* cursor, Json* line) {
    const double start = Seconds();
    const int64_t cap = MostTokens(step);
    std::vector<Group> groups;
    int64_t with_variance = 0;
    for (int64_t round = 0; round <= recipe_.refill_rounds; ++round) {
      AHA_RETURN_IF_ERROR(Sampled(cap, cursor, &groups));
      with_variance =
          std::count_if(groups.begin(), groups.end(), [](const Group& g) { return g.trained; });
      if (with_variance >= recipe_.prompts) break;
    }
    Trim(&groups);
    Describe(groups, cap, line);
    AHA_RETURN_IF_ERROR(Record(step, groups));
    const double rolled = Seconds();
    const bool refresh = recipe_.reference_every > 0 && step % recipe_.reference_every == 0;
    if (recipe_.loss.beta > 0 && (step == 0 || refresh)) parts_.learner->SetReference();
    AHA_RETURN_IF_ERROR(Learn(step, cap, groups, line));
    (*line)["flops"] = SampledFlops(groups) + parts_.learner->TakeFlops();
    (*line)["time/rollout"] = rolled - start;
    (*line)["time/update"] = Seconds() - rolled;
    return OkStatus();
  }

  int64_t MostTokens(int64_t step) const {
    int64_t cap = recipe_.max_completion;
    for (const auto& [from, tokens] : recipe_.max_completion_at) {
      if (step >= from) cap = tokens;
    }
    return cap;
  }

  // The next problem that the curriculum takes.
  Problem Next(int64_t* cursor) {
    while (true) {
      Problem p =
          parts_.task->Get(Split::kTrain, parts_.recipe.seed, static_cast<uint64_t>((*cursor)++));
      if (curriculum_.Takes(p)) return p;
    }
  }

  // A rollout of `prompts` problems from the cursor on.
  Status Sampled(int64_t cap, int64_t* cursor, std::vector<Group>* groups) {
    std::vector<std::vector<int32_t>> prompts;
    const size_t first = groups->size();
    const auto first_problem = static_cast<uint64_t>(*cursor);
    for (int64_t i = 0; i < recipe_.prompts; ++i) {
      Group g;
      g.problem = Next(cursor);
      AHA_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                           EncodeProblem(*parts_.tokenizer, parts_.chat_template(), g.problem));
      prompts.push_back(std::move(ids));
      groups->push_back(std::move(g));
    }
    AHA_RETURN_IF_ERROR(MakeEngine(prompts, cap));
    RolloutOptions options{.samples = static_cast<int32_t>(recipe_.samples),
                           .max_tokens = cap,
                           .stop_ids = parts_.stop_ids,
                           .seed = parts_.recipe.seed,
                           .first_stream = first_problem};
    options.sampling.temperature = static_cast<float>(recipe_.temperature);
    AHA_ASSIGN_OR_RETURN(auto completions,
                         Rollout(*engine_, prompts, options, parts_.options.stop));
    for (size_t p = 0; p < prompts.size(); ++p) {
      Group& g = (*groups)[first + p];
      for (Completion& c : completions[p]) {
        AHA_ASSIGN_OR_RETURN(Sample s, Graded(g.problem, prompts[p], std::move(c), cap));
        g.samples.push_back(std::move(s));
      }
      Weigh(&g);
    }
    return OkStatus();
  }

  Status MakeEngine(const std::vector<std::vector<int32_t>>& prompts, int64_t cap) {
    int64_t longest = 0;
    for (const auto& p : prompts) longest = std::max(longest, static_cast<int64_t>(p.size()));
    const int64_t rows = CacheTokens(parts_.learner->model().info(),
                                     recipe_.prompts * recipe_.samples, cap + longest);
    if (engine_ == nullptr || rows > engine_rows_) {
      AHA_ASSIGN_OR_RETURN(engine_, Engine::Create(&parts_.learner->model(), parts_.engine_cx.get(),
                                                   {.cache_tokens = rows}));
      engine_rows_ = rows;
    }
    engine_->ClearCache();  // the weights have changed
    return OkStatus();
  }

  Result<Sample> Graded(const Problem& problem, const std::vector<int32_t>& prompt, Completion c,
                        int64_t cap) {
    Sample s;
    s.text = parts_.tokenizer->Decode(c.ids, /*skip_special=*/true);
    s.tokens = static_cast<int64_t>(c.ids.size());
    s.truncated = c.truncated;
    AHA_ASSIGN_OR_RETURN(s.graded,
                         rule_.Reward(*parts_.task, problem, {s.text, s.tokens, s.truncated, cap}));
    s.trained = !(s.truncated && recipe_.overlong == Overlong::kMask);
    s.sequence.ids = prompt;
    s.sequence.prompt = static_cast<int32_t>(prompt.size());
    s.sequence.ids.insert(s.sequence.ids.end(), c.ids.begin(), c.ids.end());
    for (size_t i = prompt.size(); i < s.sequence.ids.size(); ++i) {
      s.sequence.targets.push_back(static_cast<int32_t>(i));
    }
    s.logprobs = std::move(c.logprobs);
    return s;
  }

  void Weigh(Group* g) {
    std::vector<double> rewards;
    double sum = 0;
    for (const Sample& s : g->samples) {
      rewards.push_back(s.graded.reward);
      sum += s.graded.reward;
    }
    const std::vector<double> advantages = Advantages(rewards, recipe_.advantage);
    const auto n = static_cast<double>(rewards.size());
    double squares = 0;
    double correct = 0;
    for (size_t i = 0; i < rewards.size(); ++i) {
      g->samples[i].advantage = advantages[i];
      squares += (rewards[i] - sum / n) * (rewards[i] - sum / n);
      correct += g->samples[i].graded.score.correct / n;
    }
    g->std = std::sqrt(squares / (n - 1));
    g->trained = !(g->std == 0 && recipe_.drop_zero_variance) && curriculum_.IsWorth(correct);
    curriculum_.Graded(g->problem, correct);
  }

  // Of more groups than were asked for, the first that teach something.
  void Trim(std::vector<Group>* groups) const {
    int64_t taken = 0;
    for (Group& g : *groups) {
      if (g.trained && ++taken > recipe_.prompts) g.trained = false;
    }
  }

  // As the learner counts: a group's prompt is computed once, then each token that was drawn.
  double SampledFlops(const std::vector<Group>& groups) const {
    int64_t tokens = 0;
    for (const Group& g : groups) {
      tokens += g.samples.front().sequence.prompt;
      for (const Sample& s : g.samples) tokens += s.tokens;
    }
    return 2 * static_cast<double>(parts_.learner->model().info().active_parameters) *
           static_cast<double>(tokens);
  }

  void Describe(const std::vector<Group>& groups, int64_t cap, Json* line) const {
    double reward = 0, reward_std = 0, zero = 0, length = 0, clipped = 0, thinks = 0, words = 0;
    int64_t least = cap, most = 0, tokens = 0, n = 0;
    std::vector<double> parts(rule_.rewards().size());
    for (const Group& g : groups) {
      reward_std += g.std;
      zero += g.std == 0;
      for (const Sample& s : g.samples) {
        ++n;
        reward += s.graded.reward;
        for (size_t i = 0; i < parts.size(); ++i) parts[i] += s.graded.parts[i];
        length += static_cast<double>(s.tokens);
        least = std::min(least, s.tokens);
        most = std::max(most, s.tokens);
        clipped += s.truncated;
        thinks += SplitReply(s.text).thinks;
        words += static_cast<double>(ReflectionWords(s.text));
        tokens += static_cast<int64_t>(s.sequence.ids.size());
      }
    }
    const auto all = static_cast<double>(n);
    Json& l = *line;
    l["reward"] = reward / all;
    l["reward_std"] = reward_std / static_cast<double>(groups.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      l["rewards/" + rule_.rewards()[i].name + "/mean"] = parts[i] / all;
    }
    l["frac_reward_zero_std"] = zero / static_cast<double>(groups.size());
    l["completions/mean_length"] = length / all;
    l["completions/min_length"] = least;
    l["completions/max_length"] = most;
    l["completions/clipped_ratio"] = clipped / all;
    l["think_share"] = thinks / all;
    l["reflection_words"] = words / all;
    l["step_tokens"] = tokens;
    curriculum_.Describe(line);
  }

  // Of a token the bytes it gave to the text and its log-probability when it was drawn, to three
  // places: enough to see which were sure.
  Json Recorded(const Sample& s) const {
    const Reply reply = SplitReply(s.text);
    Json bytes = Json::array();
    Json logprobs = Json::array();
    const size_t prompt = s.sequence.ids.size() - s.logprobs.size();
    for (size_t i = 0; i < s.logprobs.size(); ++i) {
      const std::span<const int32_t> id(&s.sequence.ids[prompt + i], 1);
      bytes.push_back(parts_.tokenizer->Decode(id, /*skip_special=*/true).size());
      logprobs.push_back(std::round(double{s.logprobs[i]} * 1000) / 1000 + 0.0);  // no "-0.0"
    }
    return {{"text", s.text},
            {"thought", std::string(reply.thought)},
            {"answer", std::string(reply.answer)},
            {"extracted", s.graded.score.extracted},
            {"rewards", rule_.PartsJson(s.graded.parts)},
            {"reward", s.graded.reward},
            {"why", s.graded.score.why},
            {"advantage", s.advantage},
            {"tokens", s.tokens},
            {"truncated", s.truncated},
            {"trained", s.trained},
            {"token_bytes", std::move(bytes)},
            {"token_logprobs", std::move(logprobs)}};
  }

  Status Record(int64_t step, const std::vector<Group>& groups) {
    for (const Group& g : groups) {
      Json samples = Json::array();
      for (const Sample& s : g.samples) {
        samples.push_back(Recorded(s));
      }
      AHA_RETURN_IF_ERROR(parts_.samples.Append({{"stage", stage_},
                                                 {"step", step + 1},
                                                 {"problem", g.problem.id},
                                                 {"prompt", g.problem.prompt},
                                                 {"trained", g.trained},
                                                 {"samples", samples}}));
    }
    return OkStatus();
  }

  Status Learn(int64_t step, int64_t cap, std::vector<Group>& groups, Json* line) {
    std::vector<Sample*> batch;
    for (Group& g : groups) {
      if (!g.trained) continue;
      for (Sample& s : g.samples) {
        if (s.trained) batch.push_back(&s);
      }
    }
    const bool plain = recipe_.temperature == 1;
    std::vector<TrainingSequence> sequences;
    for (const Sample* s : batch) sequences.push_back(s->sequence);
    PassOptions pass = parts_.pass();
    pass.temperature = static_cast<float>(recipe_.temperature);
    if (!plain) {
      std::vector<std::vector<float>> old = parts_.learner->LogProbs(sequences, pass);
      for (size_t i = 0; i < batch.size(); ++i) batch[i]->old = std::move(old[i]);
    }
    if (recipe_.loss.beta > 0) {
      std::vector<std::vector<float>> ref = parts_.learner->ReferenceLogProbs(sequences, pass);
      for (size_t i = 0; i < batch.size(); ++i) batch[i]->ref = std::move(ref[i]);
    }
    const double lr = recipe_.optimizer.schedule.At(step, recipe_.steps);
    double trained_tokens = 0;
    for (const Sample* s : batch) trained_tokens += static_cast<double>(s->tokens);
    PolicyStats stats;
    double norm = 0;
    double diff = 0;
    const auto minibatches = static_cast<size_t>(recipe_.minibatches);
    for (size_t m = 0; m < minibatches; ++m) {
      const size_t first = batch.size() * m / minibatches;
      const size_t last = batch.size() * (m + 1) / minibatches;
      if (first == last) continue;
      LossScale scale{.samples = static_cast<int64_t>(last - first), .max_completion = cap};
      scale.tokens = trained_tokens / static_cast<double>(minibatches);
      if (recipe_.loss.aggregation == Aggregation::kBnpo) {
        scale.tokens = 0;
        for (size_t i = first; i < last; ++i) scale.tokens += static_cast<double>(batch[i]->tokens);
      }
      AHA_ASSIGN_OR_RETURN(norm, Minibatch({batch.begin() + static_cast<int64_t>(first),
                                            batch.begin() + static_cast<int64_t>(last)},
                                           scale, m == 0 && plain, lr, &stats, &diff));
    }
    if (recipe_.router_bias_rate > 0) parts_.learner->BalanceRouters(recipe_.router_bias_rate);
    Json& l = *line;
    const double tokens = std::max<double>(1, static_cast<double>(stats.tokens));
    l["loss"] = stats.loss / static_cast<double>(minibatches);
    l["grad_norm"] = norm;
    l["learning_rate"] = lr;
    l["entropy"] = stats.entropy / tokens;
    l["kl"] = stats.kl / tokens;
    l["clip_ratio/low_mean"] = stats.clipped_low / tokens;
    l["clip_ratio/high_mean"] = stats.clipped_high / tokens;
    l["clip_ratio/region_mean"] = (stats.clipped_low + stats.clipped_high) / tokens;
    l["sampling/ratio_max"] = stats.ratio_max;
    l["sampling/logprob_diff_max"] = diff;
    l["trained_samples"] = batch.size();
    return OkStatus();
  }

  Result<double> Minibatch(const std::vector<Sample*>& batch, const LossScale& scale, bool fresh,
                           double lr, PolicyStats* stats, double* diff) {
    std::vector<TrainingSequence> sequences;
    for (const Sample* s : batch) sequences.push_back(s->sequence);
    PassOptions pass = parts_.pass();
    pass.temperature = static_cast<float>(recipe_.temperature);
    pass.with_entropy = true;
    parts_.learner->Accumulate(sequences, pass, [&](const Predictions& p) {
      const Sample& s = *batch[p.index];
      if (fresh) {
        for (size_t i = 0; i < s.logprobs.size(); ++i) {
          *diff = std::max(*diff, std::abs(double{p.logprobs[i]} - double{s.logprobs[i]}));
        }
      }
      PolicyGradient(recipe_.loss, scale,
                     {.advantage = s.advantage,
                      .logprobs = p.logprobs,
                      .old_logprobs = s.old.empty() ? s.logprobs : s.old,
                      .ref_logprobs = s.ref,
                      .entropy = p.entropy},
                     p.dlogprobs, p.dentropy, stats);
    });
    if (!std::isfinite(stats->loss)) {
      return parts_.learner->NotFinite(sequences, pass)
          .Within(fmt::format("the loss is {}", stats->loss));
    }
    return parts_.learner->Update(recipe_.optimizer, lr);
  }

  RunParts& parts_;
  const RlRecipe& recipe_;
  std::string stage_;
  RewardRule rule_;
  Curriculum curriculum_;
  std::unique_ptr<Engine> engine_;
  int64_t engine_rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<StageRunner>> MakeReinforcement(RunParts& parts, const RlRecipe& recipe,
                                                       const std::string& stage) {
  AHA_ASSIGN_OR_RETURN(RewardRule rule, RewardRule::Of(recipe));
  return std::unique_ptr<StageRunner>(
      std::make_unique<Reinforcement>(parts, recipe, stage, std::move(rule)));
}

}  // namespace aha
