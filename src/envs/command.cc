#include "envs/command.h"

#include <algorithm>

#include "base/mutex.h"
#include "base/section.h"
#include "base/subprocess.h"
#include "envs/problem_file.h"

namespace aha {
namespace {

constexpr size_t kShownLine = 100;
constexpr size_t kKeptAnswer = 200;
constexpr size_t kKeptWhy = 500;

struct CheckerOptions {
  SubprocessOptions program;
  double timeout_seconds = 10;
  int64_t restarts = 10;
};

// The beginning of what a stranger wrote, for a sentence.
std::string Shown(std::string_view line) {
  std::string out(line.substr(0, kShownLine));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  }
  return line.size() > kShownLine ? out + "..." : out;
}

// Python writes rewards that are no numbers as NaN and Infinity, which is no JSON.
bool HasRewardThatIsNone(std::string_view line) {
  constexpr std::string_view kKey = "\"reward\"";
  size_t at = line.find(kKey);
  if (at == std::string_view::npos) return false;
  at = line.find_first_not_of(" \t:", at + kKey.size());
  if (at == std::string_view::npos) return false;
  const std::string_view value = line.substr(at);
  return value.starts_with("NaN") || value.starts_with("Infinity") ||
         value.starts_with("-Infinity");
}

// A text as it stands, other values as JSON writes them.
std::string TextOf(const Json& json, const char* key, const std::string& otherwise) {
  const Json* value = FindKey(json, key);
  if (value == nullptr) return otherwise;
  return value->is_string() ? value->get<std::string>() : DumpJson(*value);
}

// What the checker's line says. kInvalidArgument: a value that asking again does not mend; kIo: no
// answer to this request.
Result<Score> ReadAnswer(const std::string& line, int64_t id, std::string_view completion) {
  const Result<Json> json = ParseJson(line);
  if (!json.ok() && HasRewardThatIsNone(line)) {
    return InvalidArgument("its reward is no number from 0 to 1: '{}'", Shown(line));
  }
  if (!json.ok() || !json->is_object()) {
    return IoError("it wrote '{}', which is no JSON object", Shown(line));
  }
  const Result<int64_t> answered = GetInt(*json, "id");
  if (!answered.ok() || *answered != id) {
    return IoError("it answered '{}' to request {}", Shown(line), id);
  }
  const Result<double> reward = GetDouble(*json, "reward");
  if (!reward.ok() || !(*reward >= 0 && *reward <= 1)) {
    return InvalidArgument("its reward is no number from 0 to 1: '{}'", Shown(line));
  }
  const Reply reply = SplitReply(completion);
  Score score{.correct = *reward, .format = reply.closed, .extracted = {}, .why = {}};
  if (FindKey(*json, "format") != nullptr) {
    AHA_ASSIGN_OR_RETURN(score.format, GetBool(*json, "format"));
  }
  score.extracted = TextOf(*json, "answer", std::string(reply.answer)).substr(0, kKeptAnswer);
  score.why = TextOf(*json, "why", "").substr(0, kKeptWhy);
  return score;
}

// The program and its failures. One thread at a time.
class Checker {
 public:
  explicit Checker(CheckerOptions options) : options_(std::move(options)) {
    for (const std::string& word : options_.program.argv) {
      name_ += (name_.empty() ? "" : " ") + Shown(word);
    }
  }

  // *failed: it did so twice on this completion, and the score says 0.
  Result<Score> Grade(const Json& problem, std::string_view completion, bool* failed) {
    *failed = false;
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (failures_ > options_.restarts) return GivenUp();
      Result<Score> score = Ask(problem, completion);
      if (score.ok()) {
        failures_ = 0;
        return score;
      }
      process_.reset();  // and all that it started
      if (score.status().code() == StatusCode::kInvalidArgument) return Named(score.status());
      last_failure_ = score.status().message();
      if (++failures_ > options_.restarts) return GivenUp();
    }
    *failed = true;
    return Score{.correct = 0,
                 .format = false,
                 .extracted = {},
                 .why = "the checker failed twice on this: " + last_failure_};
  }
  const std::string& last_failure() const { return last_failure_; }
  Status Named(const Status& status) const {
    return status.Within(fmt::format("checker '{}'", name_));
  }

 private:
  Result<Score> Ask(const Json& problem, std::string_view completion) {
    if (process_ == nullptr) {
      Result<std::unique_ptr<Subprocess>> started = Subprocess::Start(options_.program);
      // A program that is not there is not there the next time.
      if (!started.ok()) return InvalidArgument("{}", started.status().message());
      process_ = *std::move(started);
    }
    const int64_t id = next_id_++;
    const Json request = {
        {"id", id}, {"op", "grade"}, {"problem", problem}, {"completion", completion}};
    AHA_ASSIGN_OR_RETURN(const std::string line,
                         process_->Ask(DumpJson(request), options_.timeout_seconds));
    return ReadAnswer(line, id, completion);
  }

  Status GivenUp() const {
    return Named(IoError("it failed {} times in a row (restarts is {}), the last time so: {}",
                         failures_, options_.restarts, last_failure_));
  }

  CheckerOptions options_;
  std::string name_;
  std::unique_ptr<Subprocess> process_;
  int64_t next_id_ = 1;
  int64_t failures_ = 0;  // since the last answer
  std::string last_failure_;
};

class Command : public Environment {
 public:
  Command(ProblemFile problems, CheckerOptions options)
      : problems_(std::move(problems)), checker_(std::move(options)) {}

  // An empty completion of the first problem is graded.
  Status Try() {
    const MutexLock lock(mutex_);
    bool failed = false;
    AHA_RETURN_IF_ERROR(
        checker_.Grade(problems_.Get(Split::kTrain, 0, 0).meta, "", &failed).status());
    if (!failed) return OkStatus();
    return checker_.Named(IoError("it does not grade an empty completion of the first problem: {}",
                                  checker_.last_failure()));
  }

  Problem Get(Split split, uint64_t seed, uint64_t index) const override {
    return problems_.Get(split, seed, index);
  }

  Result<Score> Grade(const Problem& problem, std::string_view completion) const override {
    const MutexLock lock(mutex_);
    bool failed = false;
    return checker_.Grade(problem.meta, completion, &failed);
  }

 private:
  ProblemFile problems_;
  mutable Mutex mutex_;
  mutable Checker checker_ AHA_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Environment>> MakeCommand(const Json& options) {
  const std::string where = "task command";
  Section s(&options, where);
  s.Take("name");
  CheckerOptions checker;
  ProblemFileOptions file;
  int64_t memory_mb = 4096;
  s.Read("command", &checker.program.argv);
  s.Read("timeout_seconds", &checker.timeout_seconds, 0.01, 3600);
  s.Read("memory_mb", &memory_mb, 0, int64_t{1} << 30);
  s.Read("restarts", &checker.restarts, 0, int64_t{1} << 30);
  file.Read(s, where);
  AHA_RETURN_IF_ERROR(s.Finish());
  if (checker.program.argv.empty()) {
    return InvalidArgument("{}: command is missing (a list: the program and its arguments)", where);
  }
  checker.program.memory_bytes = static_cast<uint64_t>(memory_mb) << 20;
  file.whole_items = true;
  file.needs_answer = false;
  AHA_ASSIGN_OR_RETURN(ProblemFile problems, ProblemFile::Open(file));
  auto env = std::make_unique<Command>(std::move(problems), std::move(checker));
  AHA_RETURN_IF_ERROR(env->Try());
  return std::unique_ptr<Environment>(std::move(env));
}

}  // namespace aha
