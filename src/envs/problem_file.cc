#include "envs/problem_file.h"

#include <algorithm>

#include "base/files.h"
#include "base/rng.h"

namespace aha {
namespace {

constexpr uint64_t kLargestFile = uint64_t{1} << 32;

Result<Problem> ReadProblem(std::string_view line, const ProblemFileOptions& options) {
  AHA_ASSIGN_OR_RETURN(Json json, ParseJson(line));
  if (!json.is_object()) return InvalidArgument("not an object");
  Problem p;
  const char* key = FindKey(json, "prompt") != nullptr ? "prompt" : "question";
  AHA_ASSIGN_OR_RETURN(p.prompt, GetString(json, key));
  const Json* answer = FindKey(json, "answer");
  if (answer == nullptr && options.needs_answer) return InvalidArgument("answer is missing");
  if (answer != nullptr) {
    p.answer = answer->is_string() ? answer->get<std::string>() : DumpJson(*answer);
  }
  if (p.prompt.empty() || (options.needs_answer && p.answer.empty())) {
    return InvalidArgument("prompt or answer is empty");
  }
  p.prompt = options.prefix + p.prompt + options.suffix;
  p.chat = options.chat;
  p.system = options.system;
  if (const Json* level = FindKey(json, "level")) {
    p.level = level->is_string() ? level->get<std::string>() : "level " + DumpJson(*level);
  }
  if (options.whole_items) {
    p.meta = std::move(json);
  } else if (const Json* meta = FindKey(json, "metadata")) {
    p.meta = *meta;
  }
  if (options.check) AHA_RETURN_IF_ERROR(options.check(p));
  return p;
}

}  // namespace

void ProblemFileOptions::Read(Section& s, const std::string& of) {
  where = of;
  s.Read("path", &path);
  s.Read("prefix", &prefix);
  s.Read("suffix", &suffix);
  s.Read("chat", &chat);
  s.Read("system", &system);
  if (!chat && !system.empty()) {
    s.Fail(InvalidArgument("{}: system is for chat = true; put the text into prefix", of));
  }
  s.ReadOne("on_error", {"fail", "skip"}, &on_error);
}

Result<ProblemFile> ProblemFile::Open(const ProblemFileOptions& options) {
  if (options.path.empty()) {
    return InvalidArgument("{}: path is missing (a file of problems, JSON lines)", options.where);
  }
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.path, kLargestFile));
  std::vector<Problem> problems;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
    Result<Problem> problem = ReadProblem(line, options);
    if (!problem.ok()) {
      if (options.on_error == ProblemFileOptions::OnError::kSkip) continue;
      return problem.status().Within(fmt::format("{}:{}", options.path, number));
    }
    problem->id = fmt::format("{}:{}", options.path, number);
    problems.push_back(*std::move(problem));
  }
  const bool trains = std::any_of(problems.begin(), problems.end(), [](const Problem& p) {
    return SplitOf(p.prompt) == Split::kTrain;
  });
  if (!trains) return InvalidArgument("{} holds no problem to train on", options.path);
  return ProblemFile(std::move(problems));
}

ProblemFile::ProblemFile(std::vector<Problem> problems) {
  for (Problem& p : problems) {
    by_split_[static_cast<size_t>(SplitOf(p.prompt))].push_back(std::move(p));
  }
  for (auto& split : by_split_) {
    if (split.empty()) split = by_split_[0];
  }
}

const Problem& ProblemFile::Get(Split split, uint64_t seed, uint64_t index) const {
  const std::vector<Problem>& all = by_split_[static_cast<size_t>(split)];
  const double at = Rng(seed, index).Uniform(0) * static_cast<double>(all.size());
  return all[static_cast<size_t>(at)];
}

}  // namespace aha
