#include "train/plan.h"

#include <algorithm>
#include <chrono>

#include "base/rng.h"
#include "train/rollout.h"

namespace aha {
namespace {

constexpr double kOperations = 4e10;  // about a second of one core
constexpr int64_t kSequences = 64;

template <typename Body>
double SecondsOf(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<int32_t> RandomIds(int64_t n, int64_t vocab, uint64_t stream) {
  const Rng rng(0, stream);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) {
    ids.push_back(
        static_cast<int32_t>(rng.Uniform(static_cast<uint64_t>(i)) * static_cast<double>(vocab)));
  }
  return ids;
}

// Tokens a second, forward and backward, and the bytes of activations that a token took.
double TrainSpeed(RunParts& parts, int64_t length, double* token_bytes) {
  Learner& learner = *parts.learner;
  const ModelInfo& info = learner.model().info();
  const double a_token = 6 * static_cast<double>(std::max<int64_t>(info.active_parameters, 1));
  const auto tokens = std::clamp(static_cast<int64_t>(kOperations / a_token),
                                 std::min<int64_t>(length, 64), parts.recipe.micro_batch_tokens);
  std::vector<TrainingSequence> sequences;
  int64_t total = 0;
  while (total < tokens) {
    TrainingSequence s;
    s.ids = RandomIds(std::min(length, tokens - total + 1), info.vocab, sequences.size());
    for (size_t t = 1; t < s.ids.size(); ++t) s.targets.push_back(static_cast<int32_t>(t));
    total += static_cast<int64_t>(s.ids.size());
    sequences.push_back(std::move(s));
  }
  const auto pass = [&] {
    learner.Accumulate(sequences, parts.pass(), [](const Predictions& p) {
      std::fill(p.dlogprobs.begin(), p.dlogprobs.end(), -1e-3f);
    });
  };
  pass();  // memory is touched for the first time
  const double seconds = SecondsOf(pass);
  *token_bytes = learner.activation_bytes_per_token();
  return static_cast<double>(total) / seconds;
}

// Tokens a second of many sequences at once.
Result<double> SampleSpeed(RunParts& parts, int64_t length) {
  const ModelInfo& info = parts.learner->model().info();
  const double a_token = 2 * static_cast<double>(std::max<int64_t>(info.active_parameters, 1));
  const auto each =
      std::clamp<int64_t>(static_cast<int64_t>(kOperations / 4 / a_token / kSequences), 4, length);
  std::vector<std::vector<int32_t>> prompts;
  for (int64_t i = 0; i < kSequences; ++i) {
    prompts.push_back(RandomIds(8, info.vocab, static_cast<uint64_t>(i)));
  }
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                       Engine::Create(&parts.learner->model(), parts.engine_cx.get(),
                                      {.cache_tokens = CacheTokens(info, kSequences, each + 8)}));
  Status status;
  const double seconds = SecondsOf(
      [&] { status = Rollout(*engine, prompts, {.max_tokens = each, .stop_ids = {}}).status(); });
  if (!status.ok()) return status;
  return static_cast<double>(kSequences * each) / seconds;
}

StagePlan PlanOf(const Stage& stage, double active_parameters, double trained_parameters) {
  StagePlan plan{.name = stage.name, .steps = stage.steps()};
  const auto* s = std::get_if<SupervisedRecipe>(&stage.what);
  if (const auto* d = std::get_if<DistillRecipe>(&stage.what)) {
    s = &d->sft;
    plan.sampled = static_cast<double>(d->problems * d->samples * d->max_completion);
  }
  if (const auto* rl = std::get_if<RlRecipe>(&stage.what)) {
    const int64_t rollouts = rl->steps * rl->prompts * rl->samples;
    int64_t longest = rl->max_completion;
    for (const auto& [from, tokens] : rl->max_completion_at) longest = std::max(longest, tokens);
    plan.trained = static_cast<double>(rollouts * longest);
    plan.sampled = plan.trained * static_cast<double>(1 + rl->refill_rounds);
  } else {
    plan.trained = static_cast<double>(s->steps) * static_cast<double>(s->batch_tokens);
  }
  // Two a weight forward, two for the input's gradient, two for its own where it is trained.
  const double learned = std::min(trained_parameters, active_parameters);
  plan.flops =
      (4 * active_parameters + 2 * learned) * plan.trained + 2 * active_parameters * plan.sampled;
  return plan;
}

// Tokens of a typical sequence, for measuring.
int64_t Length(const Recipe& recipe) {
  int64_t length = 128;
  for (const Stage& stage : recipe.stages) {
    if (const auto* rl = std::get_if<RlRecipe>(&stage.what)) {
      length = std::max(length, rl->max_completion / 2);
    }
  }
  return std::min<int64_t>(length, 512);
}

}  // namespace

Result<RunPlan> MakePlan(Run& run, bool measure) {
  RunParts& parts = run.parts();
  const ModelInfo& info = parts.learner->model().info();
  RunPlan plan{.parameters = info.parameters, .trained = parts.learner->trained_parameters()};
  for (const Stage& stage : parts.recipe.stages) {
    plan.stages.push_back(PlanOf(stage, static_cast<double>(info.active_parameters),
                                 static_cast<double>(plan.trained)));
  }
  // Weight, gradient and two moments of each parameter that is trained; the others as they lie.
  for (const std::string& name : parts.learner->files().names()) {
    AHA_ASSIGN_OR_RETURN(const ConstView view, parts.learner->files().Find(name));
    if (parts.learner->files().Floats(name) == nullptr) {
      plan.frozen_bytes += static_cast<double>(view.bytes());
    }
  }
  plan.weight_bytes = 16 * static_cast<double>(plan.trained) + plan.frozen_bytes;
  plan.micro_batch_tokens = parts.recipe.micro_batch_tokens;
  if (!measure) return plan;
  const int64_t length = std::min(Length(parts.recipe), info.max_positions);
  double token_bytes = 0;
  plan.train_speed = TrainSpeed(parts, length, &token_bytes);
  plan.micro_batch_tokens = parts.learner->MicroBatchTokens(parts.pass());
  plan.activation_bytes = token_bytes * static_cast<double>(plan.micro_batch_tokens);
  AHA_ASSIGN_OR_RETURN(plan.sample_speed, SampleSpeed(parts, length));
  for (StagePlan& stage : plan.stages) {
    stage.seconds = stage.trained / plan.train_speed + stage.sampled / plan.sample_speed;
  }
  return plan;
}

}  // namespace aha
