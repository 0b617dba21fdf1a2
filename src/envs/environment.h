// Problems with answers that can be checked: what reinforcement learning learns from.
//
//   AHA_ASSIGN_OR_RETURN(auto env, MakeEnvironment({{"name", "countdown"}, {"numbers", 3}}));
//   Problem p = env->Get(Split::kTrain, /*seed=*/7, /*index=*/0);
//   Score s = env->Grade(p, "<think>...</think><answer>(8-7)+9</answer>");
//
// A problem is a function of (split, seed, index) alone. Splits are cut by a hash of what the
// problem is, so that no problem stands in two of them. Thread-safe after construction.
#ifndef AHA_ENVS_ENVIRONMENT_H_
#define AHA_ENVS_ENVIRONMENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace aha {

enum class Split { kTrain, kHeldOut, kTest };
Result<Split> ParseSplit(const std::string& name);
// Of every hundred problems about 20 are held out and 10 are for the last test.
Split SplitOf(std::string_view problem);

struct Problem {
  std::string id;
  std::string prompt;  // what the model reads, word for word
  bool chat = false;   // or what a person says to it, for its chat template to put into words
  std::string system;  // with chat: the system message; empty: none
  std::string answer;  // one that is right; may be empty where several are
  std::string level;   // what makes it as hard as others ("4 numbers"); empty: not told
  Json meta = Json::object();
};

struct Score {
  double correct = 0;     // [0, 1]
  bool format = false;    // one answer, where answers belong
  std::string extracted;  // the answer that was read
  std::string why;        // one sentence
};

class Environment {
 public:
  virtual ~Environment() = default;
  virtual Problem Get(Split split, uint64_t seed, uint64_t index) const = 0;
  // Error: a checker that cannot be run; a wrong completion is no error.
  virtual Result<Score> Grade(const Problem& problem, std::string_view completion) const = 0;
  // Numbers of a thought worth logging ("attempts", ...); empty when there are none.
  virtual std::vector<std::pair<std::string, double>> Measure(const Problem&,
                                                              std::string_view completion) const {
    return {};
  }
};

// options: {"name": ..., and the environment's own}. Errors name an unknown environment or option,
// and the nearest right one.
Result<std::unique_ptr<Environment>> MakeEnvironment(const Json& options);

// Text to pre-train on: stretches with how much their tokens weigh in the loss.
struct Document {
  struct Segment {
    std::string text;
    float weight = 1;
    bool prompt = false;
  };
  std::vector<Segment> segments;
};

class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  virtual Document Get(uint64_t seed, uint64_t index) const = 0;
};

// "parity-text", "countdown-text", "arithmetic-text" with their options.
Result<std::unique_ptr<DocumentSource>> MakeDocumentSource(const Json& options);

// What a completion says after its thought, by R1's tags: at most one <think>...</think> first.
struct Reply {
  bool thinks = false;  // opens a thought
  bool closed = true;   // and closes it (or there is none)
  std::string_view thought;
  std::string_view answer;  // all that follows the thought
};
Reply SplitReply(std::string_view completion);
// The inside of the only <answer>...</answer> of `text`, which holds nothing else but blanks; empty
// data when there is none, two, or text around it.
std::string_view OnlyAnswer(std::string_view text);

}  // namespace aha

#endif  // AHA_ENVS_ENVIRONMENT_H_
