// Counters and histograms under vLLM's names, in Prometheus' text format. Numbers only: no prompt,
// no key, no text of anyone comes here.
#ifndef AHA_SERVER_METRICS_H_
#define AHA_SERVER_METRICS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace aha {

class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void Add(double value);
  // Lines of the text format: NAME_bucket, NAME_sum, NAME_count.
  std::string Text(const std::string& name, const std::string& labels) const;

 private:
  std::vector<double> bounds_;
  std::vector<int64_t> counts_;  // the last: above all bounds
  double sum_ = 0;
};

// What one finished request was, all times in seconds.
struct RequestRecord {
  std::string model;
  std::string finished_reason;  // "stop", "length", "abort", "error"
  int64_t prompt_tokens = 0, output_tokens = 0;
  double queue_s = 0, first_token_s = 0, total_s = 0;  // since it came
};

// What all engines of a model hold now.
struct EngineGauges {
  std::string model;
  int64_t running = 0, waiting = 0;
  double cache_usage = 0;                     // share of pages in use
  int64_t cache_queries = 0, cache_hits = 0;  // prompt tokens asked for, and found
  int64_t preemptions = 0;
};

class Metrics {
 public:
  void Add(const RequestRecord& record);
  void AddTokenInterval(const std::string& model, double seconds);
  void Set(const EngineGauges& gauges);
  std::string Text() const;

 private:
  struct PerModel {
    PerModel();
    EngineGauges gauges;
    int64_t prompt_tokens = 0, generation_tokens = 0;
    std::map<std::string, int64_t> finished;
    Histogram first_token, interval, e2e, queue, prefill, decode;
  };
  mutable Mutex mutex_;
  std::map<std::string, PerModel> models_ AHA_GUARDED_BY(mutex_);
};

}  // namespace aha

#endif  // AHA_SERVER_METRICS_H_
