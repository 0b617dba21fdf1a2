#include "server/chat_spec.h"

#include <random>

#include "chat/continue_answer.h"
#include "server/limits.h"
#include "server/request_fields.h"

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

void ReadSampling(RequestFields& f, SamplingChoice* out) {
  f.Read("temperature", &out->temperature, 0, 2);
  f.Read("top_p", &out->top_p, 1e-6, 1);
  f.Read("min_p", &out->min_p, 0, 1);
  f.Read("top_k", &out->top_k, 0, 1 << 30);
  f.Read("repetition_penalty", &out->repetition_penalty, 1e-3, 1e3);
  f.Read("presence_penalty", &out->presence_penalty, -2, 2);
  f.Read("frequency_penalty", &out->frequency_penalty, -2, 2);
  f.ReadSeed("seed", &out->seed);
  f.ReadLogitBias("logit_bias", &out->logit_bias);
}

std::optional<ApiError> CheckLogitBias(const SamplingParams& sampling, const ServedModel& model) {
  const int64_t vocab = model.text->model->info().vocab;
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (id < 0 || id >= vocab) {
      return BadField("logit_bias", "logit_bias id {} is outside the vocabulary of {}", id, vocab);
    }
  }
  return std::nullopt;
}

ApiError ModelError(const Status& status) {
  ApiError error = FromStatus(status, "model");
  if (error.status < 500) {
    error.status = 404;
    error.code = "model_not_found";
  }
  return error;
}

namespace {

ApiResult<ContinuedPrompt> RenderSpec(const ChatSpec& spec, const ServedModel& model) {
  const ChatTemplate& chat = *model.text->chat;
  const ThinkingControl& thinking = model.thinking;
  RenderOptions render{.tools = spec.tool_choice == "none" ? Json(nullptr) : spec.tools};
  if (spec.thinking) render.extra = *spec.thinking ? thinking.on : thinking.off;
  render.extra.update(spec.template_extra);
  Json messages = spec.messages;
  AnswerBeginning beginning;
  if (spec.prefix) {
    const Json& last = messages.back();
    beginning.content = last["content"].get<std::string>();
    if (const Json* thought = FindKey(last, "reasoning_content")) {
      beginning.thought = thought->get<std::string>();
    }
    beginning.thought_closed = spec.thought_closed;
    messages.erase(messages.end() - 1);
  }
  Result<ContinuedPrompt> prompt = ContinueAnswer(chat, messages, render, beginning);
  if (!prompt.ok()) return FromStatus(prompt.status(), "messages");
  const bool skips = spec.thinking == false && thinking.kind == ThinkingKind::kAlways;
  if (skips && !spec.prefix) {
    prompt->prompt.pieces.push_back({thinking.closed, /*trusted=*/true});
    prompt->in_thought = false;
  }
  return *std::move(prompt);
}

// One of the calls that must be made, as the model's format writes it.
ModelGrammars::Compiled CallGrammar(const ChatSpec& spec, ServedModel& model) {
  AHA_ASSIGN_OR_RETURN(const ToolGrammar must,
                       ToolGrammar::For(model.tools, spec.tools,
                                        spec.named_tool ? spec.tool_choice : std::string()));
  std::vector<Grammar::Branch> branches;
  for (const ToolGrammar::Call& call : must.calls) {
    branches.push_back({must.begin + call.prefix, call.schema, call.suffix + must.end});
  }
  return model.grammars->Branches(branches);
}

std::optional<ApiError> SetGrammar(const ChatSpec& spec, ServedModel& model, GenerationSpec* g) {
  const bool must_call = spec.named_tool || spec.tool_choice == "required";
  if (!must_call && spec.format == ChatSpec::Format::kText) return std::nullopt;
  ModelGrammars& grammars = *model.grammars;
  ModelGrammars::Compiled compiled =
      must_call                                      ? CallGrammar(spec, model)
      : spec.format == ChatSpec::Format::kJsonObject ? grammars.JsonObject()
      : spec.format == ChatSpec::Format::kJsonSchema ? grammars.Schema(spec.schema)
                                                     : grammars.Gbnf(spec.grammar);
  if (!compiled.ok()) {
    return FromStatus(compiled.status(), must_call ? "tools"
                                         : spec.format == ChatSpec::Format::kGrammar
                                             ? "grammar"
                                             : "response_format.json_schema.schema");
  }
  g->grammar = *std::move(compiled);
  if (spec.thinking.value_or(true)) {
    g->opens_thought = model.text->tokenizer.IdOf(ThoughtTags().open).value_or(-1);
  }
  return std::nullopt;
}

struct EncodedChat {
  std::shared_ptr<ServedModel> model;
  std::vector<int32_t> prompt;
  bool in_thought = false;  // where the model goes on
};

ApiResult<EncodedChat> EncodeChat(const ChatSpec& spec, ModelHost& host) {
  Result<std::shared_ptr<ServedModel>> model = host.Acquire(spec.model);
  if (!model.ok()) return ModelError(model.status());
  const TextModel& text = *(*model)->text;
  if (!text.chat) {
    return BadField("model", "model '{}' has no chat template; use /v1/completions", (*model)->id);
  }
  ApiResult<ContinuedPrompt> prompt = RenderSpec(spec, **model);
  if (!prompt.ok()) return prompt.error();
  Result<std::vector<int32_t>> ids = EncodePrompt(text.tokenizer, prompt->prompt);
  if (!ids.ok()) return FromStatus(ids.status(), "messages");
  return EncodedChat{*std::move(model), *std::move(ids), prompt->in_thought};
}

}  // namespace

ApiResult<size_t> CountPromptTokens(const ChatSpec& spec, ModelHost& host) {
  ApiResult<EncodedChat> chat = EncodeChat(spec, host);
  if (!chat.ok()) return chat.error();
  return chat->prompt.size();
}

ApiResult<PreparedChat> PrepareChat(const ChatSpec& spec, ModelHost& host, const Caller& caller) {
  ApiResult<EncodedChat> chat = EncodeChat(spec, host);
  if (!chat.ok()) return chat.error();
  const std::shared_ptr<ServedModel>& model = chat->model;
  const TextModel& text = *model->text;
  PreparedChat out;
  GenerationSpec& g = out.generation;
  g.model = model;
  g.prompt = std::move(chat->prompt);
  const int64_t room = model->max_context() - static_cast<int64_t>(g.prompt.size());
  if (room < 1) {
    return ApiError{.status = 400,
                    .message = fmt::format("the conversation has {} tokens; the context of '{}' "
                                           "holds {}, with at least one for the answer",
                                           g.prompt.size(), model->id, model->max_context()),
                    .param = "messages",
                    .code = "context_length_exceeded"};
  }
  g.max_tokens = spec.max_tokens < 0 ? room : std::min(spec.max_tokens, room);
  g.opened = chat->in_thought;
  // A beginning that was given goes on as it stands.
  g.midway =
      spec.prefix && (g.opened ? FindKey(spec.messages.back(), "reasoning_content") != nullptr
                               : spec.messages.back()["content"] != "");
  g.split_thought = true;
  g.sampling = spec.sampling.Resolve(text.defaults);
  if (auto error = CheckLogitBias(g.sampling, *model)) return *error;
  // A model that was made to think opens a thought behind a closed one, too.
  const std::optional<int32_t> open = text.tokenizer.IdOf(ThoughtTags().open);
  if (spec.thinking == false && open) g.sampling.logit_bias.emplace_back(*open, -100.0f);
  g.n = spec.n;
  g.stop_ids = text.stop_ids;
  g.stop = spec.stop;
  g.think_budget = spec.think_budget;
  if (auto error = SetGrammar(spec, *model, &g)) return *error;
  if (!spec.tools.is_null() && spec.tool_choice != "none") {
    Result<std::vector<std::string>> names = ToolNames(spec.tools);
    if (!names.ok()) return FromStatus(names.status(), "tools");
    g.visible = model->tools.visible;
    out.tools = ToolSetup{model->tools, *std::move(names), spec.parallel_tool_calls};
  }
  g.watch_loops = true;
  g.top_logprobs = spec.logprobs ? spec.top_logprobs : 0;
  g.owner = caller.OwnerHash();
  g.cache_salt = caller.OwnerHash();
  return out;
}

}  // namespace aha
