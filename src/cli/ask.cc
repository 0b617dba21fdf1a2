// aha ask: one question, the answer streamed; or a problem of a task, the answer checked.
#include "cli/command.h"
#include "cli/generation.h"
#include "cli/json_text.h"
#include "cli/terminal.h"
#include "envs/environment.h"
#include "train/evaluate.h"
#include "train/toml.h"

namespace aha::cli {
namespace {

struct AskFlags {
  SessionFlags session;
  SamplingFlags sampling;
  std::string question;
  std::string system;
  std::string task;              // of which a problem is asked
  std::vector<std::string> set;  // its options
  int32_t n = 1;
  bool raw = false, ids = false, json = false, hide_thought = false, show_thought = false;

  bool ShowsThought() const { return show_thought || (!hide_thought && StdoutIsTerminal()); }
};

// A problem of a task, and what its checker says of an answer.
struct Checked {
  std::unique_ptr<Environment> env;
  Problem problem;

  Result<Score> Grade(const TextModel& text, const Answer& answer) const {
    return env->Grade(problem, text.tokenizer.Decode(answer.ids, /*skip_special=*/true));
  }
};

Result<std::optional<Checked>> MakeProblem(const AskFlags& flags) {
  if (flags.task.empty()) return std::optional<Checked>();
  Json options = {{"name", flags.task}};
  for (const std::string& one : flags.set) AHA_RETURN_IF_ERROR(SetFromText(one, &options));
  Checked checked;
  AHA_ASSIGN_OR_RETURN(checked.env, MakeEnvironment(options));
  checked.problem = checked.env->Get(Split::kTest, flags.sampling.seed, 0);
  return std::optional(std::move(checked));
}

std::string AnswerJson(const Answer& a, const std::string& score) {
  return fmt::format(R"({{"text":{},"thought":{},"ids":{},"logprobs":{},"finish_reason":"{}"{}}})",
                     StringText(a.text), StringText(a.thought), IdsText(a.ids),
                     FloatsText(a.logprobs), NameOf(a.finish), score);
}

// `scores`: of each answer, or none.
std::string ReportJson(const std::vector<Answer>& answers, const std::vector<Score>& scores,
                       int64_t prompt_tokens, const Timings& t, const EngineStats& stats) {
  std::string choices;
  int64_t completion = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    std::string score;
    if (!scores.empty()) {
      score =
          fmt::format(R"(,"correct":{},"why":{})", scores[i].correct, StringText(scores[i].why));
    }
    choices += (choices.empty() ? "" : ",") + AnswerJson(answers[i], score);
    completion += static_cast<int64_t>(answers[i].ids.size());
  }
  const double decode_s = t.total_s - t.first_token_s;
  const auto n = static_cast<int64_t>(answers.size());
  return fmt::format(
      R"({{"choices":[{}],"usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}},)"
      R"("timings":{{"first_token_s":{:.6f},"total_s":{:.6f},"decode_tokens_per_s":{:.3f},)"
      R"("cached_tokens":{}}}}})",
      choices, prompt_tokens, completion, prompt_tokens + completion, t.first_token_s, t.total_s,
      decode_s > 0 ? static_cast<double>(completion - n) / decode_s : 0.0, stats.cached_tokens);
}

Result<ChatPrompt> MakePrompt(const AskFlags& flags, const TextModel& text,
                              const std::string& question) {
  ChatPrompt prompt;
  if (flags.ids) {
    Result<Json> json = ParseJson(question);
    if (!json.ok()) return json.status().Within("--ids");
    AHA_ASSIGN_OR_RETURN(prompt.ids, IdsFromJson(*json));
    return prompt;
  }
  if (flags.raw) {
    AHA_ASSIGN_OR_RETURN(prompt.ids, text.tokenizer.Encode(question, {.add_special_tokens = true}));
    return prompt;
  }
  Json messages = Json::array();
  if (!flags.system.empty()) messages.push_back({{"role", "system"}, {"content", flags.system}});
  messages.push_back({{"role", "user"}, {"content", question}});
  return RenderChat(text, messages);
}

void PrintScore(const Score& score) {
  fmt::print("checked: {}\n", score.correct >= 1 ? "right" : "wrong, " + std::string(score.why));
}

// One after the other, for what was not streamed.
void PrintAll(const AskFlags& flags, const std::vector<Answer>& answers,
              const std::vector<Score>& scores) {
  for (size_t i = 0; i < answers.size(); ++i) {
    fmt::print("--- {} ---\n", i + 1);
    AnswerPrinter printer(flags.ShowsThought());
    printer.Print(answers[i].thought, answers[i].text);
    printer.Finish();
    if (!scores.empty()) PrintScore(scores[i]);
  }
}

Result<std::string> Question(const AskFlags& flags, const std::optional<Checked>& checked) {
  if (checked) {
    if (!flags.question.empty()) return InvalidArgument("--task asks its own question");
    return checked->problem.prompt;
  }
  std::string question = flags.question;
  if (!StdinIsTerminal() && flags.question.empty()) {
    AHA_ASSIGN_OR_RETURN(question, ReadStdin());
    while (!flags.raw && question.ends_with('\n')) question.pop_back();
  }
  if (question.empty()) return InvalidArgument("there is no question");
  return question;
}

// The question's words after the first. They are no list of CLI11's, which would take "[1,2]"
// apart.
void AddWords(const CLI::App& ask, std::string* question) {
  std::vector<std::string> unknown;
  for (const std::string& word : ask.remaining()) {
    const bool option = word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9');
    if (option) unknown.push_back(word);
    *question += " " + word;
  }
  if (!unknown.empty()) throw CLI::ExtrasError(std::move(unknown));
}

Status RunAsk(const AskFlags& flags) {
  AHA_ASSIGN_OR_RETURN(const std::optional<Checked> checked, MakeProblem(flags));
  AHA_ASSIGN_OR_RETURN(const std::string question, Question(flags, checked));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(flags.session));
  ChatPrompt prompt;
  if (checked) {
    AHA_ASSIGN_OR_RETURN(
        prompt.ids,
        EncodeProblem(session->text->tokenizer,
                      session->text->chat ? &*session->text->chat : nullptr, checked->problem));
    if (!flags.json) fmt::print("{}\n", question.substr(0, question.find_last_not_of('\n') + 1));
  } else {
    AHA_ASSIGN_OR_RETURN(prompt, MakePrompt(flags, *session->text, question));
  }

  AnswerPrinter printer(flags.ShowsThought());
  GenerationRequest request = {.prompt = prompt.ids,
                               .opened = prompt.opened,
                               .split_thought = !flags.raw && !flags.ids,
                               .n = flags.n};
  if (!flags.json) {
    request.on_text = [&](const CompletionDelta& d) {
      return flags.n > 1 || printer.Print(d.thought, d.answer);
    };
  }
  Timings timings;
  AHA_ASSIGN_OR_RETURN(const std::vector<Answer> answers,
                       Generate(*session, flags.sampling, request, &timings));
  std::vector<Score> scores;
  for (size_t i = 0; checked && i < answers.size(); ++i) {
    AHA_ASSIGN_OR_RETURN(scores.emplace_back(), checked->Grade(*session->text, answers[i]));
  }
  if (flags.json) {
    fmt::print("{}\n", ReportJson(answers, scores, static_cast<int64_t>(prompt.ids.size()), timings,
                                  session->engine->stats()));
    return OkStatus();
  }
  if (flags.n > 1) {
    PrintAll(flags, answers, scores);
  } else {
    printer.Finish();
    if (checked) PrintScore(scores[0]);
  }
  if (answers.front().finish == FinishReason::kCancelled) return Cancelled("stopped");
  return OkStatus();
}

}  // namespace

void AddAsk(CLI::App& app, Command* run) {
  auto flags = std::make_shared<AskFlags>();
  CLI::App* ask = app.add_subcommand("ask", "Ask one question; the answer is streamed.");
  ask->allow_extras();
  ask->add_option("question", flags->question, "the question; without it, standard input");
  ask->add_option("--task", flags->task,
                  "ask a problem of this task (--seed chooses it), and check");
  ask->add_option("--set", flags->set, "an option of the task, e.g. numbers=4")
      ->allow_extra_args(false)
      ->needs("--task");
  ask->add_option("--system", flags->system, "system message");
  ask->add_option("-n", flags->n, "number of answers")->check(CLI::Range(1, kMostSamples));
  ask->add_flag("--raw", flags->raw, "continue the text as it is, without the chat template");
  ask->add_flag("--ids", flags->ids, "the question is a JSON array of token ids");
  ask->add_flag("--json", flags->json, "print one JSON object when done");
  ask->add_flag("--show-thought", flags->show_thought, "show the thought in a pipe too");
  ask->add_flag("--hide-thought", flags->hide_thought, "show the answer only");
  flags->session.AddTo(*ask);
  flags->sampling.AddTo(*ask);
  ask->callback([ask, flags, run] {
    AddWords(*ask, &flags->question);
    *run = [flags] { return RunAsk(*flags); };
  });
}

}  // namespace aha::cli
