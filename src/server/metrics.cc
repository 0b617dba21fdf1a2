#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace aha {
namespace {

const std::vector<double> kRequestBounds = {0.05, 0.1, 0.25, 0.5, 1,   2,   5,
                                            10,   20,  40,   80,  160, 320, 640};
const std::vector<double> kTokenBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075,
                                          0.1,   0.15,   0.2,   0.3,  0.5,   1,    2.5};

// A label's value as the text format wants it.
std::string Escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void Histogram::Add(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  ++counts_[static_cast<size_t>(at)];
  sum_ += value;
}

std::string Histogram::Text(const std::string& name, const std::string& labels) const {
  std::string out;
  int64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    const std::string bound = i < bounds_.size() ? fmt::format("{}", bounds_[i]) : "+Inf";
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bound, below);
  }
  return out + fmt::format("{0}_sum{{{1}}} {2}\n{0}_count{{{1}}} {3}\n", name, labels, sum_, below);
}

Metrics::PerModel::PerModel()
    : first_token(kRequestBounds),
      interval(kTokenBounds),
      e2e(kRequestBounds),
      queue(kRequestBounds),
      prefill(kRequestBounds),
      decode(kRequestBounds) {}

void Metrics::Add(const RequestRecord& r) {
  const MutexLock lock(mutex_);
  PerModel& m = models_[r.model];
  m.prompt_tokens += r.prompt_tokens;
  m.generation_tokens += r.output_tokens;
  ++m.finished[r.finished_reason];
  m.queue.Add(r.queue_s);
  m.e2e.Add(r.total_s);
  if (r.output_tokens == 0) return;
  m.first_token.Add(r.first_token_s);
  m.prefill.Add(r.first_token_s - r.queue_s);
  m.decode.Add(r.total_s - r.first_token_s);
}

void Metrics::AddTokenInterval(const std::string& model, double seconds) {
  const MutexLock lock(mutex_);
  models_[model].interval.Add(seconds);
}

void Metrics::Set(const EngineGauges& gauges) {
  const MutexLock lock(mutex_);
  models_[gauges.model].gauges = gauges;
}

std::string Metrics::Text() const {
  std::map<std::string, PerModel> models;
  {
    const MutexLock lock(mutex_);
    models = models_;
  }
  std::string out;
  const auto family = [&](const char* name, const char* type, const char* help, const auto& lines) {
    out += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
    for (const auto& [model, m] : models) {
      out += lines(m, std::string(name), fmt::format("model_name=\"{}\"", Escaped(model)));
    }
  };
  const auto number = [&](const char* name, const char* type, const char* help, const auto& value) {
    family(name, type, help,
           [&](const PerModel& m, const std::string& n, const std::string& labels) {
             return fmt::format("{}{{{}}} {}\n", n, labels, value(m));
           });
  };
  const auto histogram = [&](const char* name, const char* help, Histogram PerModel::*member) {
    family(name, "histogram", help,
           [&](const PerModel& m, const std::string& n, const std::string& labels) {
             return (m.*member).Text(n, labels);
           });
  };
  number("vllm:num_requests_running", "gauge", "Samples in the batch.",
         [](const PerModel& m) { return m.gauges.running; });
  number("vllm:num_requests_waiting", "gauge", "Samples that wait for a place.",
         [](const PerModel& m) { return m.gauges.waiting; });
  number("vllm:kv_cache_usage_perc", "gauge", "Share of the cache's pages in use, 0 to 1.",
         [](const PerModel& m) { return m.gauges.cache_usage; });
  number("vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the cache.",
         [](const PerModel& m) { return m.gauges.cache_queries; });
  number("vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the cache.",
         [](const PerModel& m) { return m.gauges.cache_hits; });
  number("vllm:num_preemptions_total", "counter", "Samples that gave up their pages.",
         [](const PerModel& m) { return m.gauges.preemptions; });
  number("vllm:prompt_tokens_total", "counter", "Prompt tokens of finished requests.",
         [](const PerModel& m) { return m.prompt_tokens; });
  number("vllm:generation_tokens_total", "counter", "Tokens given out by finished requests.",
         [](const PerModel& m) { return m.generation_tokens; });
  family("vllm:request_success_total", "counter", "Finished requests, by reason.",
         [](const PerModel& m, const std::string& n, const std::string& labels) {
           std::string lines;
           for (const auto& [reason, count] : m.finished) {
             lines += fmt::format("{}{{{},finished_reason=\"{}\"}} {}\n", n, labels, reason, count);
           }
           return lines;
         });
  histogram("vllm:time_to_first_token_seconds", "From the request to its first token.",
            &PerModel::first_token);
  histogram("vllm:inter_token_latency_seconds", "Between two tokens of a sample.",
            &PerModel::interval);
  histogram("vllm:e2e_request_latency_seconds", "From the request to its end.", &PerModel::e2e);
  histogram("vllm:request_queue_time_seconds", "From the request to its start.", &PerModel::queue);
  histogram("vllm:request_prefill_time_seconds", "From the start to the first token.",
            &PerModel::prefill);
  histogram("vllm:request_decode_time_seconds", "From the first token to the end.",
            &PerModel::decode);
  return out;
}

}  // namespace aha
