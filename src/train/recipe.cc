#include "train/recipe.h"

#include "base/files.h"
#include "base/section.h"
#include "train/toml.h"

namespace aha {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

void ReadOptimizer(Section& s, OptimizerRecipe* o) {
  Schedule& schedule = o->schedule;
  s.Read("lr", &schedule.lr, 0, 10);
  s.Read("warmup_steps", &schedule.warmup_steps, 0, kMost);
  s.ReadOne("schedule", {"constant", "linear", "cosine"}, &schedule.decay);
  s.Read("decay_start", &schedule.decay_start, 0, 1);
  s.Read("final_lr_share", &schedule.final_share, 0, 1);
  s.Read("beta1", &o->beta1, 0, 0.9999999);
  s.Read("beta2", &o->beta2, 0, 0.9999999);
  s.Read("eps", &o->eps, 1e-20, 1);
  s.Read("weight_decay", &o->weight_decay, 0, 100);
  s.Read("clip_norm", &o->clip_norm, 0, 1e9);
}

void ReadSupervised(Section& s, SupervisedRecipe* r) {
  s.Read("steps", &r->steps, 1, kMost);
  s.Read("batch_tokens", &r->batch_tokens, 1, kMost);
  s.Read("max_document", &r->max_document, 2, kMost);
  s.Read("gap_share", &r->gap_share, 0, 1);
  s.Read("max_gap", &r->max_gap, 0, 1 << 20);
  s.Read("router_bias_rate", &r->router_bias_rate, 0, 1);
  ReadOptimizer(s, &r->optimizer);
  if (const Json* data = s.Take("data")) r->data = *data;
}

void ReadLoss(Section& s, RlRecipe* r) {
  PolicyLossOptions& loss = r->loss;
  s.ReadOne("loss", {"grpo", "dr_grpo", "dapo", "bnpo"}, &loss.aggregation);
  s.ReadOne("ratio", {"token", "sequence", "gspo"}, &loss.ratio);
  s.ReadOne("objective", {"clip", "cispo"}, &loss.objective);
  s.ReadOne("advantage", {"group", "group_std", "rloo"}, &r->advantage);
  s.Read("clip_low", &loss.clip_low, 0, 1e6);
  s.Read("clip_high", &loss.clip_high, 0, 1e6);
  s.Read("beta", &loss.beta, 0, 1e3);
  s.Read("entropy_bonus", &loss.entropy_bonus, 0, 1e3);
}

void ReadRl(Section& s, RlRecipe* r) {
  s.Read("steps", &r->steps, 1, kMost);
  s.Read("prompts", &r->prompts, 1, 1 << 20);
  s.Read("samples", &r->samples, 2, 4096);
  s.Read("temperature", &r->temperature, 0.01, 100);
  s.Read("max_completion", &r->max_completion, 1, 1 << 24);
  s.Read("minibatches", &r->minibatches, 1, 1 << 16);
  s.Read("drop_zero_variance", &r->drop_zero_variance);
  s.Read("refill_rounds", &r->refill_rounds, 0, 1000);
  s.ReadOne("overlong", {"keep", "mask", "penalty"}, &r->overlong);
  s.Read("overlong_window", &r->overlong_window, 0, 1 << 24);
  s.Read("overlong_penalty", &r->overlong_penalty, 0, 1000);
  s.Read("reference_every", &r->reference_every, 0, kMost);
  s.Read("curriculum_low", &r->curriculum.low, 0, 1);
  s.Read("curriculum_high", &r->curriculum.high, 0, 1);
  s.Read("curriculum_revisit", &r->curriculum.revisit, 1, 1 << 20);
  s.Read("router_bias_rate", &r->router_bias_rate, 0, 1);
  ReadLoss(s, r);
  ReadOptimizer(s, &r->optimizer);
  if (const Json* rewards = s.Take("rewards")) r->rewards = *rewards;
  if (const Json* raises = s.Take("max_completion_at")) {
    for (const Json& one : *raises) {
      const bool pair = one.is_array() && one.size() == 2 && one[0].is_number_integer() &&
                        one[1].is_number_integer() && one[1].get<int64_t>() > 0;
      if (!pair) {
        s.Fail(
            InvalidArgument("max_completion_at holds {}: want [from step, tokens]", DumpJson(one)));
        return;
      }
      r->max_completion_at.emplace_back(one[0].get<int64_t>(), one[1].get<int64_t>());
    }
  }
  if (r->curriculum.low > r->curriculum.high) {
    s.Fail(InvalidArgument("curriculum_low {} is more than curriculum_high {}: no problem is left",
                           r->curriculum.low, r->curriculum.high));
  }
  if (r->minibatches > r->prompts) {
    s.Fail(InvalidArgument("minibatches {} is more than prompts {}", r->minibatches, r->prompts));
  }
}

void ReadDistill(Section& s, DistillRecipe* r) {
  s.Read("teacher", &r->teacher);
  s.Read("problems", &r->problems, 1, 1 << 24);
  s.Read("samples", &r->samples, 1, 4096);
  r->keep = r->samples;
  s.Read("keep", &r->keep, 1, 4096);
  s.Read("temperature", &r->temperature, 0, 100);
  s.Read("top_p", &r->top_p, 1e-6, 1);
  s.Read("max_completion", &r->max_completion, 1, 1 << 24);
  ReadSupervised(s, &r->sft);
  if (r->teacher.empty()) s.Fail(InvalidArgument("distill: teacher is missing (a model's path)"));
  r->sft.refuse_long = true;
  if (!r->sft.data.is_null())
    s.Fail(InvalidArgument("distill: its data are the teacher's answers"));
}

Result<Stage> ReadStage(const Json* table, const std::string& name, std::string kind) {
  Section s(table, "[" + name + "]");
  s.Read("kind", &kind);
  Stage stage{.name = name, .what = {}};
  if (kind == "pretrain" || kind == "sft") {
    SupervisedRecipe r;
    if (kind == "pretrain") r.optimizer.beta2 = 0.98;
    r.refuse_long = kind == "sft";
    ReadSupervised(s, &r);
    if (r.data.is_null()) s.Fail(InvalidArgument("[{}] has no data", name));
    stage.what = std::move(r);
  } else if (kind == "rl") {
    RlRecipe r;
    r.optimizer.schedule.lr = 1e-4;
    r.optimizer.schedule.warmup_steps = 5;
    ReadRl(s, &r);
    stage.what = std::move(r);
  } else if (kind == "distill") {
    DistillRecipe r;
    ReadDistill(s, &r);
    stage.what = std::move(r);
  } else {
    return InvalidArgument("[{}] kind is '{}': want pretrain, sft, rl or distill", name, kind);
  }
  AHA_RETURN_IF_ERROR(s.Finish());
  return stage;
}

Status ReadModel(const Json* table, ModelRecipe* m) {
  Section s(table, "[model]");
  s.Read("base", &m->base);
  s.Read("lora_rank", &m->lora_rank, 0, 4096);
  s.Read("lora_alpha", &m->lora_alpha, 0, 1e6);
  s.Read("lora_targets", &m->lora_targets);
  if (const Json* config = s.Take("config")) m->config = *config;
  AHA_RETURN_IF_ERROR(s.Finish());
  if (m->lora_alpha == 0) m->lora_alpha = 2 * static_cast<double>(m->lora_rank);
  if (m->base.empty() == m->config.is_null()) {
    return InvalidArgument("[model] wants either base (a model to start from) or [model.config]");
  }
  if (m->lora_rank > 0 && m->base.empty()) {
    return InvalidArgument("[model] lora_rank is {} without a base to adapt", m->lora_rank);
  }
  return OkStatus();
}

Status ReadTokenizer(const Json* table, TokenizerRecipe* t) {
  Section s(table, "[tokenizer]");
  s.ReadOne("kind", {"symbols", "bpe", "file"}, &t->kind);
  s.Read("words", &t->words);
  s.Read("characters", &t->characters);
  s.Read("vocab_size", &t->vocab_size, 256, 1 << 22);
  s.Read("special", &t->special);
  s.ReadOne("pattern", {"qwen2", "llama-3", "gpt-2"}, &t->pattern);
  s.Read("min_frequency", &t->min_frequency, 1, kMost);
  s.Read("documents", &t->documents, 1, kMost);
  s.Read("path", &t->path);
  s.Read("eos", &t->eos);
  s.Read("pad", &t->pad);
  s.Read("chat_template", &t->chat_template);
  return s.Finish();
}

Status ReadEval(const Json* table, EvalRecipe* e) {
  Section s(table, "[eval]");
  s.Read("every", &e->every, 0, kMost);
  s.Read("supervised_every", &e->supervised_every, 0, kMost);
  s.Read("problems", &e->problems, 1, 1 << 24);
  s.Read("samples", &e->samples, 1, 4096);
  s.Read("temperature", &e->temperature, 0, 100);
  s.Read("max_completion", &e->max_completion, 0, 1 << 24);
  s.Read("split", &e->split);
  return s.Finish();
}

Status ReadCheckpoint(const Json* table, CheckpointRecipe* c) {
  Section s(table, "[checkpoint]");
  s.Read("every", &c->every, 1, kMost);
  s.Read("supervised_every", &c->supervised_every, 0, kMost);
  s.Read("keep_last", &c->keep_last, 1, 1 << 20);
  s.Read("keep_best", &c->keep_best);
  return s.Finish();
}

}  // namespace

const char* Stage::kind() const {
  if (std::holds_alternative<RlRecipe>(what)) return "rl";
  return std::holds_alternative<DistillRecipe>(what) ? "distill" : "supervised";
}

int64_t Stage::steps() const {
  if (const auto* rl = std::get_if<RlRecipe>(&what)) return rl->steps;
  if (const auto* distill = std::get_if<DistillRecipe>(&what)) return distill->sft.steps;
  return std::get<SupervisedRecipe>(what).steps;
}

int64_t MostCompletion(const Recipe& recipe) {
  if (recipe.eval.max_completion > 0) return recipe.eval.max_completion;
  int64_t most = 0;
  for (const Stage& stage : recipe.stages) {
    if (const auto* rl = std::get_if<RlRecipe>(&stage.what)) {
      most = std::max(most, rl->max_completion);
      for (const auto& [from, tokens] : rl->max_completion_at) most = std::max(most, tokens);
    }
  }
  return most > 0 ? most : 256;
}

Result<Recipe> ParseRecipe(Json tree, const std::string& where) {
  Recipe r;
  r.source = tree;
  const Json& source = r.source;
  Section s(&source, where);
  s.Read("name", &r.name);
  s.ReadSeed("seed", &r.seed);
  s.Read("micro_batch_tokens", &r.micro_batch_tokens, 1, kMost);
  s.Read("recompute", &r.recompute);
  std::string kind;
  std::vector<std::string> stages;
  s.Read("kind", &kind);
  s.Read("stages", &stages);
  if (stages.empty() && !kind.empty()) stages = {kind};
  if (stages.empty()) {
    s.Fail(
        InvalidArgument("{}: want kind = \"pretrain\" | \"sft\" | \"rl\" | \"distill\" or "
                        "stages = [...]",
                        where));
  }
  if (const Json* task = s.Take("task")) r.task = *task;
  const Json* model = s.Take("model");
  const Json* tokenizer = s.Take("tokenizer");
  const Json* eval = s.Take("eval");
  const Json* checkpoint = s.Take("checkpoint");
  for (const std::string& name : stages) {
    const Json* table = s.Take(name.c_str());
    Result<Stage> stage = ReadStage(table, name, kind.empty() ? name : kind);
    if (!stage.ok()) return stage.status().Within(where);
    r.stages.push_back(*std::move(stage));
  }
  AHA_RETURN_IF_ERROR(s.Finish());
  for (const Status& status :
       {ReadModel(model, &r.model), ReadTokenizer(tokenizer, &r.tokenizer), ReadEval(eval, &r.eval),
        ReadCheckpoint(checkpoint, &r.checkpoint)}) {
    if (!status.ok()) return status.Within(where);
  }
  if (r.name.empty()) r.name = std::filesystem::path(where).stem().string();
  return r;
}

Result<Recipe> ReadRecipe(const std::filesystem::path& path, std::span<const std::string> set) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  // A run that goes on is read from what it wrote of itself.
  const bool json = path.extension() == ".json";
  Result<Json> read = json ? ParseJson(text) : ParseToml(text, path.string());
  if (!read.ok()) return json ? read.status().Within(path.string()) : read.status();
  Json tree = *std::move(read);
  for (const std::string& one : set) AHA_RETURN_IF_ERROR(SetFromText(one, &tree));
  return ParseRecipe(std::move(tree), path.string());
}

}  // namespace aha
