#include "server/turn_routes.h"

#include <charconv>
#include <chrono>

#include "server/chat_messages.h"
#include "server/conversation_store.h"
#include "server/limits.h"
#include "server/random_id.h"
#include "server/request_fields.h"

namespace aha {

// A turn's request, understood.
struct Turns::Asked {
  std::string owner;
  ChatSpec spec;
  PreparedChat prepared;
  Json settings = Json::object();
  bool incognito = false;
  std::string turn = RandomId("turn-");
  std::string conversation, parent, user_message, assistant_message;
  std::string new_content;      // of the user's message to be kept; "" : there is none
  std::string thought, answer;  // the given beginning
  bool vote = false, verify_math = false;
};

namespace {

double PreciseUnixTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Appends to a message in the store, in order, on a thread that may wait; what comes while one
// write is out goes with the next.
class StoreRecorder : public TurnRecorder {
 public:
  // `writes` counts those that are out; it outlives all of them.
  StoreRecorder(ApiContext& context, std::string message, int* writes)
      : context_(context), state_(std::make_shared<State>()) {
    state_->message = std::move(message);
    state_->writes = writes;
  }
  void WhenKept(std::function<void()> then) override {
    if (!state_->writing) return then();
    // Not begun yet: it goes with the next write. Under way already: that is the last one.
    const bool pending =
        !state_->thought.empty() || !state_->answer.empty() || !state_->finished.is_null();
    (pending ? state_->next : state_->current).push_back(std::move(then));
  }
  void Append(const std::string& thought, const std::string& answer) override {
    state_->thought += thought;
    state_->answer += answer;
    Flush(context_, state_);
  }
  void Finish(const Json& message) override {
    state_->finished = message;
    Flush(context_, state_);
  }

 private:
  // The loop's, but for what a write has been given.
  struct State {
    std::string message, thought, answer;
    Json finished = nullptr;
    bool writing = false;
    std::vector<std::function<void()>> current, next;  // to call after this write, and the next
    int* writes = nullptr;
  };
  static void Flush(ApiContext& context, const std::shared_ptr<State>& state) {
    const bool text = !state->thought.empty() || !state->answer.empty();
    if (state->writing || (!text && state->finished.is_null())) return;
    state->writing = true;
    state->current = std::exchange(state->next, {});
    ++*state->writes;
    context.Prepare(
        [&context, id = state->message, thought = std::exchange(state->thought, {}),
         answer = std::exchange(state->answer, {}),
         finished = std::exchange(state->finished, nullptr)] {
          if (!finished.is_null()) return context.store->FinishMessage(id, finished);
          return context.store->AppendDelta(id, thought, answer);
        },
        [&context, state](const Status&) {
          state->writing = false;
          --*state->writes;
          const auto kept = std::exchange(state->current, {});
          Flush(context, state);
          for (const auto& then : kept) then();
        });
  }

  ApiContext& context_;
  std::shared_ptr<State> state_;
};

// The sampling and thinking of `settings`, those of the turn over those of the conversation.
std::optional<ApiError> ReadSettings(const Json& settings, ChatSpec* spec, bool* verify_math) {
  RequestFields f(settings, "settings.");
  f.Read("temperature", &spec->sampling.temperature, 0, 2);
  f.Read("top_p", &spec->sampling.top_p, 1e-6, 1);
  f.Read("top_k", &spec->sampling.top_k, 0, 1 << 30);
  f.Read("min_p", &spec->sampling.min_p, 0, 1);
  f.Read("max_tokens", &spec->max_tokens, 1, limits::kMaxTokens);
  f.Read("think_budget", &spec->think_budget, 0, limits::kMaxTokens);
  f.Read("thinking", &spec->thinking);
  f.ReadSeed("seed", &spec->sampling.seed);
  f.Read("samples", &spec->n, 1, limits::kSamples);
  std::string verify, system;
  f.Read("verify", &verify, 32);
  f.Read("system", &system, limits::kBodyBytes);
  if (f.failed()) return f.error();
  if (!verify.empty() && verify != "majority" && verify != "math") {
    return BadField("settings.verify", "settings.verify is '{}': majority and math are possible",
                    verify);
  }
  *verify_math = verify == "math";
  if (!system.empty()) {
    spec->messages.insert(spec->messages.begin(), {{"role", "system"}, {"content", system}});
  }
  return std::nullopt;
}

void Merge(const Json* over, Json* settings) {
  if (over == nullptr || !over->is_object()) return;
  for (const auto& [key, value] : over->items()) {
    if (!value.is_null()) (*settings)[key] = value;
  }
}

// The branch that ends at `id`, from its first message on. Empty: there is no such message.
std::vector<const Json*> Branch(const Json& conversation, const std::string& id) {
  std::map<std::string, const Json*> by_id;
  for (const Json& m : conversation["messages"]) by_id[m["id"].get<std::string>()] = &m;
  std::vector<const Json*> branch;
  std::string at = id;
  while (branch.size() <= by_id.size()) {
    const auto it = by_id.find(at);
    if (it == by_id.end()) return {};
    branch.insert(branch.begin(), it->second);
    const Json& parent = (*it->second)["parent"];
    if (!parent.is_string() || parent.get_ref<const std::string&>().empty()) return branch;
    at = parent.get<std::string>();
  }
  return {};
}

}  // namespace

ApiResult<Turns::Asked> Turns::ReadIncognito(const Json& body, Asked asked) {
  asked.incognito = true;
  if (auto error = ReadMessages(body, &asked.spec)) return *error;
  if (asked.spec.messages.back()["role"] != "user") {
    return BadField("messages", "the last message must be the user's");
  }
  return asked;
}

ApiResult<Turns::Asked> Turns::ReadConversation(const Json& body, Asked asked,
                                                ApiContext& context) {
  RequestFields f(body);
  f.Read("conversation", &asked.conversation, 200);
  f.Read("parent", &asked.parent, 200);
  f.Read("content", &asked.new_content, limits::kBodyBytes);
  if (f.failed()) return f.error();
  if (asked.conversation.empty()) return BadField("conversation", "conversation is missing");
  const Result<Json> conversation = context.store->Get(asked.owner, asked.conversation);
  if (!conversation.ok()) return FromStatus(conversation.status(), "conversation");
  if (asked.spec.model.empty()) {
    if (const Json* model = FindKey(*conversation, "model"))
      asked.spec.model = model->get<std::string>();
  }
  Json settings = Json::object();
  Merge(FindKey(*conversation, "settings"), &settings);
  Merge(&asked.settings, &settings);
  asked.settings = std::move(settings);
  if (!asked.parent.empty()) {
    const std::vector<const Json*> branch = Branch(*conversation, asked.parent);
    if (branch.empty()) {
      return ApiError{.status = 404,
                      .message = fmt::format("the conversation has no message '{}'", asked.parent),
                      .param = "parent",
                      .code = "not_found"};
    }
    for (const Json* m : branch) {
      Json message = {{"role", (*m)["role"]}, {"content", (*m)["content"]}};
      if (const Json* thought = FindKey(*m, "reasoning_content")) {
        message["reasoning_content"] = *thought;
      }
      asked.spec.messages.push_back(std::move(message));
    }
  }
  if (!asked.new_content.empty()) {
    if (!asked.spec.messages.empty() && asked.spec.messages.back()["role"] == "user") {
      return BadField("parent",
                      "parent is a message of the user: their next comes after an answer");
    }
    asked.spec.messages.push_back({{"role", "user"}, {"content", asked.new_content}});
  } else if (asked.spec.messages.empty() || asked.spec.messages.back()["role"] != "user") {
    return BadField("content", "content is missing, and parent is no message of the user");
  }
  return asked;
}

ApiResult<Turns::Asked> Turns::Read(const HttpRequest& request, ApiContext& context) {
  ApiResult<Json> body = ParseBody(request);
  if (!body.ok()) return body.error();
  Asked asked;
  asked.owner = request.owner;
  RequestFields f(*body);
  bool incognito = false, thought_closed = false;
  f.Read("incognito", &incognito);
  f.Read("model", &asked.spec.model, 1024);
  f.Read("reasoning_content", &asked.thought, limits::kBodyBytes);
  f.Read("content_prefix", &asked.answer, limits::kBodyBytes);
  f.Read("thought_closed", &thought_closed);
  if (f.failed()) return f.error();
  if (const Json* settings = f.Find("settings")) {
    if (!settings->is_object()) return BadField("settings", "settings must be an object");
    asked.settings = *settings;
  }
  if (!incognito && (context.store == nullptr || context.store->locked())) {
    return ApiError{.status = 423,
                    .message = "the conversations are encrypted: unlock them first",
                    .code = "locked"};
  }
  ApiResult<Asked> read = incognito ? ReadIncognito(*body, std::move(asked))
                                    : ReadConversation(*body, std::move(asked), context);
  if (!read.ok()) return read;
  asked = std::move(*read);
  if (auto error = ReadSettings(asked.settings, &asked.spec, &asked.verify_math)) return *error;
  asked.vote = asked.spec.n > 1;
  if (!asked.thought.empty() || !asked.answer.empty() || thought_closed) {
    asked.spec.prefix = true;
    asked.spec.thought_closed = thought_closed;
    asked.spec.messages.push_back({{"role", "assistant"}, {"content", asked.answer}});
    if (!asked.thought.empty()) asked.spec.messages.back()["reasoning_content"] = asked.thought;
  }
  ApiResult<PreparedChat> prepared =
      PrepareChat(asked.spec, *context.host, context.CallerOf(request));
  if (!prepared.ok()) return prepared.error();
  asked.prepared = std::move(*prepared);
  if (asked.incognito) return asked;
  // Only now: a turn that cannot begin leaves no message behind.
  const auto add = [&](const std::string& parent, const Json& message) {
    return context.store->AddMessage(asked.owner, asked.conversation, parent, message);
  };
  std::string parent = asked.parent;
  if (!asked.new_content.empty()) {
    const Result<std::string> id =
        add(parent, {{"role", "user"}, {"content", asked.new_content}, {"status", "done"}});
    if (!id.ok()) return FromStatus(id.status());
    asked.user_message = parent = *id;
  } else {
    asked.user_message = parent;
  }
  const Result<std::string> id = add(parent, {{"role", "assistant"},
                                              {"content", ""},
                                              {"model", asked.prepared.generation.model->id},
                                              {"status", "streaming"},
                                              {"turn", asked.turn}});
  if (!id.ok()) return FromStatus(id.status());
  asked.assistant_message = *id;
  return asked;
}

void Turns::Begin(const HttpRequest& request, std::shared_ptr<Exchange> exchange) {
  context_.Prepare(
      [this, request] { return Read(request, context_); },
      [this, exchange](ApiResult<Asked> asked) { Started(std::move(asked), exchange); });
}

void Turns::Started(ApiResult<Asked> read, std::shared_ptr<Exchange> exchange) {
  if (!read.ok()) return exchange->Send(read.error().ToResponse());
  Asked& asked = *read;
  const auto text = [&](const std::string& id) {
    return asked.incognito ? Json(nullptr) : Json(id);
  };
  TurnSpec spec{.id = asked.turn,
                .owner = asked.owner,
                .message = {{"id", text(asked.assistant_message)},
                            {"parent", text(asked.user_message)},
                            {"role", "assistant"},
                            {"content", ""},
                            {"reasoning_content", nullptr},
                            {"model", asked.prepared.generation.model->id},
                            {"created", PreciseUnixTime()},
                            {"status", "streaming"}},
                .thought = asked.thought,
                .answer = asked.answer,
                .vote = asked.vote,
                .verify_math = asked.verify_math};
  NextTurn next{.model = asked.prepared.generation.model,
                .messages = asked.spec.messages,
                .template_extra = asked.spec.template_extra,
                .cache_salt = asked.prepared.generation.cache_salt};
  if (asked.spec.prefix) next.messages.erase(next.messages.end() - 1);
  std::unique_ptr<TurnRecorder> recorder;
  if (!asked.incognito) {
    recorder = std::make_unique<StoreRecorder>(context_, asked.assistant_message, &writes_);
  }
  auto turn = std::make_shared<Turn>(
      std::move(spec), asked.prepared, std::move(recorder),
      [this, next = std::move(next)](Turn& t) mutable { Ended(t, std::move(next)); });
  const Result<uint64_t> id = context_.host->Start(std::move(asked.prepared.generation), turn);
  if (!id.ok()) {
    turn->Refused();
    return exchange->Send(Overloaded(id.status()).ToResponse());
  }
  turn->set_generation(*id);
  turns_[asked.turn] = turn;
  exchange->Send(JsonResponse({{"turn", asked.turn},
                               {"conversation", text(asked.conversation)},
                               {"user_message", text(asked.user_message)},
                               {"assistant_message", text(asked.assistant_message)}},
                              201));
}

void Turns::Ended(Turn& turn, NextTurn next) {
  if (!turn.answer().empty()) {
    next.messages.push_back({{"role", "assistant"}, {"content", turn.answer()}});
    WarmNextTurn(context_, std::move(next));
  }
  context_.after(limits::kTurnMemorySeconds, [this, id = turn.id()] { turns_.erase(id); });
}

void Turns::StopAll(std::function<void()> then) {
  bool running = writes_ > 0;
  for (const auto& [id, turn] : turns_) {
    if (turn->ended()) continue;
    running = true;
    context_.host->Cancel(turn->generation());
  }
  if (!running) return then();
  context_.after(0.02, [this, then = std::move(then)] { StopAll(then); });
}

std::shared_ptr<Turn> Turns::Find(const HttpRequest& request, const std::string& id,
                                  const std::shared_ptr<Exchange>& exchange) {
  const auto it = turns_.find(id);
  if (it != turns_.end() && it->second->owner() == request.owner) return it->second;
  exchange->Send(
      NotFoundError(fmt::format("there is no turn '{}' now", id), "turn_not_found").ToResponse());
  return nullptr;
}

void Turns::AddRoutes(Router& router) {
  router.Add("POST", "/api/turns",
             [this](const HttpRequest& request, std::vector<std::string>,
                    std::shared_ptr<Exchange> exchange) { Begin(request, std::move(exchange)); });
  router.Add("GET", "/api/turns/*/events",
             [this](const HttpRequest& request, std::vector<std::string> parts,
                    std::shared_ptr<Exchange> exchange) {
               const std::shared_ptr<Turn> turn = Find(request, parts[0], exchange);
               if (!turn) return;
               int64_t from = 0;
               const auto it = request.query.find("from");
               const std::string_view last = request.header("last-event-id");
               const std::string_view number = it != request.query.end() ? it->second : last;
               std::from_chars(number.data(), number.data() + number.size(), from);
               if (it == request.query.end() && !last.empty()) ++from;
               turn->Subscribe(from, std::move(exchange));
             });
  router.Add("POST", "/api/turns/*/stop",
             [this](const HttpRequest& request, std::vector<std::string> parts,
                    std::shared_ptr<Exchange> exchange) {
               const std::shared_ptr<Turn> turn = Find(request, parts[0], exchange);
               if (!turn) return;
               context_.host->Cancel(turn->generation());
               exchange->Send({.status = 204, .content_type = ""});
             });
  router.Add("POST", "/api/turns/*/end-thought",
             [this](const HttpRequest& request, std::vector<std::string> parts,
                    std::shared_ptr<Exchange> exchange) {
               const std::shared_ptr<Turn> turn = Find(request, parts[0], exchange);
               if (!turn) return;
               context_.host->EndThought(turn->generation());
               exchange->Send({.status = 204, .content_type = ""});
             });
}

}  // namespace aha
