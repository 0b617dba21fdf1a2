// The problems that a run is tested on, and what its training would have given for an answer to
// one: for whoever shows the same problem answered by one checkpoint after another.
//
//   AHA_ASSIGN_OR_RETURN(auto problems, RunProblems::Open(run.recipe()));
//   AHA_ASSIGN_OR_RETURN(auto ids, problems->Encode(3, tokenizer, chat));   // what the model reads
//   AHA_ASSIGN_OR_RETURN(RunAnswer a, problems->Grade(3, tokenizer, {.ids = made, ...}));
//
// Prompts, texts and rewards are made by the functions that the training itself calls. Thread-safe.
#ifndef AHA_TRAIN_RUN_PROBLEMS_H_
#define AHA_TRAIN_RUN_PROBLEMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace aha {

struct RunProblem {
  std::string id;
  std::string prompt, system;  // what a person reads of it
  std::string answer;          // one that is right; may be empty
};

// What a model wrote, end token included.
struct RunCompletion {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  bool truncated = false;  // ended by the length cap
};

struct RunAnswer {
  std::string text, thought, answer, extracted, why;
  double reward = 0, correct = 0;
  Json rewards;  // {name: value}
  struct Token {
    std::string text;  // whole characters: a token that ends inside one gives its part to the next
    float logprob = 0;
    bool thought = false;  // tags included
  };
  std::vector<Token> tokens;
  bool truncated = false;
};

class RunProblems {
 public:
  // `recipe`: a run's recipe.json. Error: it has no task; the task cannot be made here.
  static Result<std::unique_ptr<RunProblems>> Open(const Json& recipe);
  virtual ~RunProblems() = default;

  // Held-out problems that the run's evaluations ask.
  virtual int64_t count() const = 0;
  virtual int64_t max_completion() const = 0;
  virtual RunProblem Get(int64_t index) const = 0;
  virtual Result<std::vector<int32_t>> Encode(int64_t index, const Tokenizer& tokenizer,
                                              const ChatTemplate* chat) const = 0;
  virtual Result<RunAnswer> Grade(int64_t index, const Tokenizer& tokenizer,
                                  const RunCompletion& completion) const = 0;
};

}  // namespace aha

#endif  // AHA_TRAIN_RUN_PROBLEMS_H_
