#include "train/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "envs/reward.h"

namespace aha {
namespace {

// 1 - C(n - c, k) / C(n, k) with k = n: any of them right.
bool AnyRight(const std::vector<double>& correct) {
  return std::any_of(correct.begin(), correct.end(), [](double c) { return c >= 1; });
}

// Whether the answer given most often (the first of equals) is right.
bool MajorityRight(const std::vector<Score>& scores) {
  std::map<std::string, int> votes;
  for (const Score& s : scores) {
    if (s.format) ++votes[s.extracted];
  }
  const Score* best = nullptr;
  for (const Score& s : scores) {
    if (s.format && (best == nullptr || votes[s.extracted] > votes[best->extracted])) best = &s;
  }
  return best != nullptr && best->correct >= 1;
}

struct Means {
  std::map<std::string, std::pair<double, int64_t>> sums;
  std::vector<std::string> order;
  void Add(const std::string& name, double value) {
    auto [at, is_new] = sums.try_emplace(name);
    if (is_new) order.push_back(name);
    at->second.first += value;
    ++at->second.second;
  }
  double Of(const std::string& name) const {
    const auto at = sums.find(name);
    return at == sums.end() ? 0 : at->second.first / static_cast<double>(at->second.second);
  }
};

Result<Prompt> Rendered(const ChatTemplate* chat, const Problem& problem) {
  if (chat == nullptr) {
    return InvalidArgument("the task has chat = true, but the model has no chat template");
  }
  // A template may ask for the date; a run may not depend on the day.
  return chat->Render(MessagesOf(problem), {.date = "2025-01-01"});
}

}  // namespace

Json EvalResult::ToJson() const {
  Json json = {{"problems", problems},
               {"samples", samples},
               {"pass@1", pass_at_1},
               {"pass@1_low", low},
               {"pass@1_high", high},
               {"pass@" + std::to_string(samples), pass_at_k},
               {"majority@" + std::to_string(samples), majority_at_k},
               {"greedy_accuracy", greedy},
               {"greedy_length", greedy_length},
               {"mean_length", mean_length},
               {"think_share", think_share},
               {"accuracy_if_thinks", thinks_accuracy},
               {"accuracy_if_short", short_accuracy},
               {"truncated", truncated},
               {"reflection_words", reflection_words},
               {"tokens", tokens}};
  if (samples == 1) {
    json["pass@1"] = pass_at_1;
    json.erase("majority@1");
  }
  for (const auto& [name, value] : measures) json[name] = value;
  return json;
}

Json MessagesOf(const Problem& problem) {
  Json messages = Json::array();
  if (!problem.system.empty()) {
    messages.push_back({{"role", "system"}, {"content", problem.system}});
  }
  messages.push_back({{"role", "user"}, {"content", problem.prompt}});
  return messages;
}

Result<std::vector<int32_t>> EncodeProblem(const Tokenizer& tokenizer, const ChatTemplate* chat,
                                           const Problem& problem) {
  std::vector<int32_t> ids;
  std::string text = problem.prompt;
  if (problem.chat) {
    AHA_ASSIGN_OR_RETURN(const Prompt prompt, Rendered(chat, problem));
    text = prompt.text();
    AHA_ASSIGN_OR_RETURN(ids, EncodePrompt(tokenizer, prompt));
  } else {
    AHA_ASSIGN_OR_RETURN(ids, tokenizer.Encode(text, {.allow_special = true}));
  }
  if (tokenizer.Decode(ids) != text || ids.empty()) {
    return InvalidArgument("the tokenizer cannot write the prompt '{}'", text);
  }
  return ids;
}

Result<EvalResult> Evaluate(Engine& engine, const Tokenizer& tokenizer, const Environment& env,
                            const EvalOptions& options,
                            const std::function<Status(const EvalSample&)>& hear,
                            const std::function<bool()>& stop) {
  std::vector<Problem> problems;
  std::vector<std::vector<int32_t>> prompts;
  for (int64_t i = 0; i < options.problems; ++i) {
    problems.push_back(env.Get(options.split, options.seed, static_cast<uint64_t>(i)));
    AHA_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         EncodeProblem(tokenizer, options.chat, problems.back()));
    prompts.push_back(std::move(ids));
  }
  EvalResult r{.problems = options.problems, .samples = options.samples};
  Means means;
  std::vector<double> per_problem;
  const auto run = [&](bool greedy) -> Status {
    RolloutOptions rollout{.samples = greedy ? 1 : options.samples,
                           .sampling = options.sampling,
                           .max_tokens = options.max_tokens,
                           .stop_ids = options.stop_ids,
                           .seed = options.seed ^ 0x5eed};
    if (greedy) rollout.sampling.temperature = 0;
    AHA_ASSIGN_OR_RETURN(const auto completions, Rollout(engine, prompts, rollout, stop));
    for (size_t p = 0; p < problems.size(); ++p) {
      std::vector<double> correct;
      std::vector<Score> scores;
      for (size_t s = 0; s < completions[p].size(); ++s) {
        const Completion& c = completions[p][s];
        const std::string text = tokenizer.Decode(c.ids, /*skip_special=*/true);
        AHA_ASSIGN_OR_RETURN(Score score, env.Grade(problems[p], text));
        if (c.truncated) score.correct = 0;  // it did not say that this was all
        const auto tokens = static_cast<int64_t>(c.ids.size());
        if (hear) {
          AHA_RETURN_IF_ERROR(
              hear({problems[p], greedy ? -1 : static_cast<int32_t>(s), text, score, tokens}));
        }
        if (greedy) {
          means.Add("greedy", score.correct);
          means.Add("greedy_length", static_cast<double>(tokens));
          continue;
        }
        const bool thinks = SplitReply(text).thinks;
        means.Add("length", static_cast<double>(tokens));
        means.Add("thinks", thinks);
        means.Add(thinks ? "thinks_accuracy" : "short_accuracy", score.correct);
        means.Add("truncated", c.truncated);
        means.Add("reflection", static_cast<double>(ReflectionWords(text)));
        r.tokens += tokens;
        for (const auto& [name, value] : env.Measure(problems[p], text)) {
          means.Add("measure " + name, value);
        }
        correct.push_back(score.correct);
        scores.push_back(std::move(score));
      }
      if (greedy) continue;
      double sum = 0;
      for (const double c : correct) sum += c;
      per_problem.push_back(sum / static_cast<double>(correct.size()));
      means.Add("any", AnyRight(correct));
      means.Add("majority", MajorityRight(scores));
    }
    return OkStatus();
  };
  AHA_RETURN_IF_ERROR(run(false));
  if (options.greedy) AHA_RETURN_IF_ERROR(run(true));

  double sum = 0;
  for (const double p : per_problem) sum += p;
  const auto n = static_cast<double>(per_problem.size());
  r.pass_at_1 = sum / n;
  double squares = 0;
  for (const double p : per_problem) squares += (p - r.pass_at_1) * (p - r.pass_at_1);
  const double error = n > 1 ? 1.96 * std::sqrt(squares / (n - 1) / n) : 1;
  r.low = std::max(0.0, r.pass_at_1 - error);
  r.high = std::min(1.0, r.pass_at_1 + error);
  r.pass_at_k = means.Of("any");
  r.majority_at_k = means.Of("majority");
  r.greedy = means.Of("greedy");
  r.greedy_length = means.Of("greedy_length");
  r.mean_length = means.Of("length");
  r.think_share = means.Of("thinks");
  r.thinks_accuracy = means.Of("thinks_accuracy");
  r.short_accuracy = means.Of("short_accuracy");
  r.truncated = means.Of("truncated");
  r.reflection_words = means.Of("reflection");
  for (const std::string& name : means.order) {
    if (name.starts_with("measure ")) r.measures.emplace_back(name.substr(8), means.Of(name));
  }
  return r;
}

}  // namespace aha
