// Which problems are worth asking: those of a kind that the model solves neither always nor never.
// A kind is a problem's level ("4 numbers") where its environment tells levels, else the problem.
//
//   if (!curriculum.Takes(problem)) continue;       // the next one, then
//   curriculum.Graded(problem, share_of_its_group_that_was_right);
//
// What was seen is state: it is part of a checkpoint.
#ifndef AHA_TRAIN_CURRICULUM_H_
#define AHA_TRAIN_CURRICULUM_H_

#include <cstdint>
#include <map>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "envs/environment.h"

namespace aha {

struct CurriculumOptions {
  double low = 0, high = 1;  // pass rates worth learning from, both ends included
  int64_t revisit = 1;       // of a kind outside them, one problem in so many is asked; 1: all
};

class Curriculum {
 public:
  explicit Curriculum(const CurriculumOptions& options) : options_(options) {}

  // A kind that was not asked yet is taken. Counts what is passed over.
  bool Takes(const Problem& problem);
  void Graded(const Problem& problem, double pass_rate);
  bool IsWorth(double pass_rate) const {
    return pass_rate >= options_.low && pass_rate <= options_.high;
  }
  // `curriculum/passed_over` of all so far, `pass_rate/LEVEL` of each level, when kinds can be
  // passed over at all.
  void Describe(Json* line) const;

  Json State() const;
  // Error: what State never gives.
  Status Restore(const Json& state);

 private:
  struct Kind {
    double pass_rate = 0;  // of its last groups, older ones counting less
    int64_t groups = 0;
    int64_t passed_over = 0;  // since one was asked
    bool level = false;       // not a single problem
  };

  CurriculumOptions options_;
  std::map<std::string, Kind> kinds_;  // in an order of its own, for equal checkpoints
  int64_t passed_over_ = 0;
};

}  // namespace aha

#endif  // AHA_TRAIN_CURRICULUM_H_
