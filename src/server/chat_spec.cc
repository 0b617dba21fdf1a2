#include "server/chat_spec.h"

#include <random>

#include "server/limits.h"

namespace aha {

uint64_t Caller::OwnerHash() const {
  if (owner.empty() && user_id.empty()) return 0;
  uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const std::string* text : {&owner, &user_id}) {
    for (const char c : *text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    hash = (hash ^ 0xff) * 1099511628211ull;
  }
  return hash | 1;
}

SamplingParams SamplingChoice::Resolve(const GenerationDefaults& d) const {
  SamplingParams p;
  p.temperature = temperature.value_or(d.temperature.value_or(0.6f));
  p.top_p = top_p.value_or(d.top_p.value_or(0.95f));
  p.top_k = top_k.value_or(d.top_k.value_or(0));
  p.min_p = min_p.value_or(d.min_p.value_or(0.0f));
  p.repetition_penalty = repetition_penalty.value_or(d.repetition_penalty.value_or(1.0f));
  p.presence_penalty = presence_penalty.value_or(0.0f);
  p.frequency_penalty = frequency_penalty.value_or(0.0f);
  p.logit_bias = logit_bias;
  // Unasked for, each answer is another one; receipts and usage say which seed it was.
  p.seed = seed ? *seed : std::random_device{}();
  return p;
}

ApiResult<PreparedChat> PrepareChat(const ChatSpec& spec, ModelHost& host, const Caller& caller) {
  Result<std::shared_ptr<ServedModel>> model = host.Acquire(spec.model);
  if (!model.ok()) {
    ApiError error = FromStatus(model.status(), "model");
    if (error.status < 500) {
      error.status = 404;
      error.code = "model_not_found";
    }
    return error;
  }
  const TextModel& text = *(*model)->text;
  if (!text.chat) {
    return BadField("model", "model '{}' has no chat template; use /v1/completions", (*model)->id);
  }
  RenderOptions render{.tools = spec.tool_choice == "none" ? Json(nullptr) : spec.tools,
                       .extra = spec.template_extra,
                       .continue_final_message = spec.prefix};
  Result<Prompt> prompt = text.chat->Render(spec.messages, render);
  if (!prompt.ok()) return FromStatus(prompt.status(), "messages");
  Result<std::vector<int32_t>> ids = EncodePrompt(text.tokenizer, *prompt);
  if (!ids.ok()) return FromStatus(ids.status(), "messages");

  PreparedChat out;
  GenerationSpec& g = out.generation;
  g.model = *model;
  g.prompt = std::move(*ids);
  const int64_t room = (*model)->max_context() - static_cast<int64_t>(g.prompt.size());
  if (room < 1) {
    return ApiError{.status = 400,
                    .message = fmt::format("the conversation has {} tokens; the context of '{}' "
                                           "holds {}, with at least one for the answer",
                                           g.prompt.size(), (*model)->id, (*model)->max_context()),
                    .param = "messages",
                    .code = "context_length_exceeded"};
  }
  g.max_tokens = spec.max_tokens < 0 ? room : std::min(spec.max_tokens, room);
  // Only the template can open a thought, not a user who writes the tag.
  std::string trusted;
  for (const PromptPiece& piece : prompt->pieces) {
    if (piece.trusted) trusted += piece.text;
  }
  g.opened = ThoughtParser::OpenedByPrompt(trusted, {});
  g.split_thought = true;
  g.sampling = spec.sampling.Resolve(text.defaults);
  for (const auto& [id, bias] : g.sampling.logit_bias) {
    if (id < 0 || id >= text.model->info().vocab) {
      return BadField("logit_bias", "logit_bias id {} is outside the vocabulary of {}", id,
                      text.model->info().vocab);
    }
  }
  g.n = spec.n;
  g.stop_ids = text.stop_ids;
  g.stop = spec.stop;
  g.think_budget = spec.think_budget;
  if (spec.format != ChatSpec::Format::kText) {
    ModelGrammars& grammars = *(*model)->grammars;
    ModelGrammars::Compiled compiled =
        spec.format == ChatSpec::Format::kJsonObject   ? grammars.JsonObject()
        : spec.format == ChatSpec::Format::kJsonSchema ? grammars.Schema(spec.schema)
                                                       : grammars.Gbnf(spec.grammar);
    if (!compiled.ok()) {
      return FromStatus(compiled.status(), spec.format == ChatSpec::Format::kGrammar
                                               ? "grammar"
                                               : "response_format.json_schema.schema");
    }
    g.grammar = *std::move(compiled);
    if (spec.thinking.value_or(true)) {
      g.opens_thought = text.tokenizer.IdOf(ThoughtTags().open).value_or(-1);
    }
  }
  g.watch_loops = true;
  g.top_logprobs = spec.logprobs ? spec.top_logprobs : 0;
  g.owner = caller.OwnerHash();
  g.cache_salt = caller.OwnerHash();
  return out;
}

}  // namespace aha
