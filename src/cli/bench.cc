// aha bench: prefill and decode, as tokens a second and as shares of what this machine can do.
#include <chrono>

#include "base/rng.h"
#include "cli/bench_train.h"
#include "cli/command.h"
#include "cli/json_text.h"
#include "cli/session.h"
#include "kernels/machine_limits.h"

namespace aha::cli {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct BenchFlags {
  SessionFlags session;
  int64_t prompt = 512;
  int64_t generate = 128;
  int64_t depth = 1;
  std::vector<int> streams = {1};
  int repeat = 3;
  bool json = false;
  bool train = false;
  BenchTrainFlags training;
};

// Counts tokens; knows when every stream has its first.
class Counter : public RequestListener {
 public:
  bool OnToken(const TokenEvent& e) override {
    if (e.index == 0) ++started;
    ++tokens;
    return true;
  }
  void OnFinish(RequestId, int32_t, FinishReason) override { ++finished; }
  int64_t started = 0, tokens = 0, finished = 0;
};

// Work for one token: what is read and what is multiplied.
struct TokenCost {
  double bytes = 0;      // weights read
  double block_ops = 0;  // two for each weight of the blocks (prefill needs no output head)
  double all_ops = 0;    // with the head
  bool bf16 = false;
};

TokenCost CostOf(const Model& model) {
  const ModelInfo& info = model.info();
  TokenCost cost;
  cost.bytes = static_cast<double>(info.bytes_per_token);
  cost.block_ops = 2.0 * static_cast<double>(info.active_parameters - info.vocab * info.hidden);
  cost.all_ops = cost.block_ops + 2.0 * static_cast<double>(info.vocab * info.hidden);
  double bf16 = 0;
  double all = 0;
  model.ForEachParameter([&](const std::string&, const ConstView& w) {
    const auto n = static_cast<double>(w.shape.elements());
    all += n;
    if (w.dtype == DType::kBF16) bf16 += n;
  });
  cost.bf16 = bf16 > all / 2;
  return cost;
}

struct Speed {
  int streams = 1;
  double prefill = 0, decode = 0;              // tokens a second, the median of the repeats
  double prefill_share = 0, decode_share = 0;  // of the dot-product limit, of the bandwidth
  // Of what reading the weights once and multiplying them for each stream lets one hope for.
  double decode_limit_share = 0;
};

class Bench {
 public:
  Bench(Session& session, const BenchFlags& flags) : session_(session), flags_(flags) {}

  Result<Speed> Run(int streams) {
    Speed speed = {.streams = streams};
    std::vector<double> prefill;
    std::vector<double> decode;
    for (int i = 0; i < flags_.repeat; ++i) {
      AHA_ASSIGN_OR_RETURN(const double seconds, Prefill(streams));
      prefill.push_back(static_cast<double>(streams * flags_.prompt) / seconds);
      AHA_ASSIGN_OR_RETURN(const double rate, Decode(streams));
      decode.push_back(rate);
    }
    speed.prefill = Median(prefill);
    speed.decode = Median(decode);
    return speed;
  }

 private:
  static double Median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }

  Status Submit(int streams, int64_t prompt, int64_t tokens, Counter* counter) {
    const auto vocab = static_cast<uint64_t>(session_.text->model->info().vocab);
    for (int s = 0; s < streams; ++s) {
      const Rng rng(7, next_stream_++);
      std::vector<int32_t> ids;
      for (int64_t i = 0; i < prompt; ++i) {
        ids.push_back(static_cast<int32_t>(rng.Bits(static_cast<uint64_t>(i)) % vocab));
      }
      AHA_RETURN_IF_ERROR(
          session_.engine
              ->Submit(
                  {.prompt = std::move(ids), .sampling = {.temperature = 0}, .max_tokens = tokens},
                  counter)
              .status());
    }
    return OkStatus();
  }

  Result<double> Prefill(int streams) {
    Counter counter;
    AHA_RETURN_IF_ERROR(Submit(streams, flags_.prompt, 1, &counter));
    const double start = Seconds();
    while (session_.engine->Step()) {
    }
    return Seconds() - start;
  }

  // Tokens a second from when all streams run until the first ends.
  Result<double> Decode(int streams) {
    Counter counter;
    AHA_RETURN_IF_ERROR(Submit(streams, flags_.depth, flags_.generate + 1, &counter));
    while (counter.started < streams && session_.engine->Step()) {
    }
    const double start = Seconds();
    const int64_t before = counter.tokens;
    while (counter.finished == 0 && session_.engine->Step()) {
    }
    const double rate = static_cast<double>(counter.tokens - before) / (Seconds() - start);
    while (session_.engine->Step()) {
    }
    return rate;
  }

  Session& session_;
  const BenchFlags& flags_;
  uint64_t next_stream_ = 0;
};

void Print(const BenchFlags& flags, const Session& session, const kernels::MachineLimits& limits,
           const std::vector<Speed>& speeds, double load_s) {
  const std::string cpu = session.cx->backend().description();
  const int threads = session.pool->threads();
  const std::string_view cache = Info(session.cache_dtype).name;
  if (flags.json) {
    std::string runs;
    for (const Speed& s : speeds) {
      runs += fmt::format(
          R"({}{{"streams":{},"prefill_tokens_per_s":{:.2f},"decode_tokens_per_s":{:.2f},)"
          R"("prefill_share_of_dot_limit":{:.4f},"decode_share_of_bandwidth":{:.4f},)"
          R"("decode_share_of_limits":{:.4f}}})",
          runs.empty() ? "" : ",", s.streams, s.prefill, s.decode, s.prefill_share, s.decode_share,
          s.decode_limit_share);
    }
    fmt::print(
        R"({{"model":{},"cpu_path":"{}","threads":{},"numerics":"{}","kv_cache":"{}","load_s":{:.4f},)"
        R"("prompt_tokens":{},"generated_tokens":{},"depth":{},)"
        R"("limits":{{"read_bytes_per_s":{:.4g},"fma_flops":{:.4g},"int8_dot_ops":{:.4g},)"
        R"("int8_tile_ops":{:.4g},"bf16_dot_flops":{:.4g}}},"runs":[{}]}})"
        "\n",
        StringText(session.text->name), cpu, threads, flags.session.numerics, cache, load_s,
        flags.prompt, flags.generate, flags.depth, limits.read_bytes_per_s, limits.fma_flops,
        limits.int8_dot_ops, limits.int8_tile_ops, limits.bf16_dot_flops, runs);
    return;
  }
  fmt::print("{} on {}, {} threads, {} numerics, {} cache, opened in {:.3f} s\n",
             session.text->name, cpu, threads, flags.session.numerics, cache, load_s);
  fmt::print(
      "limits of this machine: read {:.1f} GB/s, fma {:.0f}, int8 dot {:.0f}{}, bf16 dot {:.0f} "
      "Gop/s\n",
      limits.read_bytes_per_s / 1e9, limits.fma_flops / 1e9, limits.int8_dot_ops / 1e9,
      limits.int8_tile_ops > 0 ? fmt::format(" (in tiles {:.0f})", limits.int8_tile_ops / 1e9) : "",
      limits.bf16_dot_flops / 1e9);
  fmt::print("{:>8} {:>16} {:>10} {:>16} {:>10} {:>10}\n", "streams", "prefill tok/s", "of dot",
             "decode tok/s", "of read", "of limits");
  for (const Speed& s : speeds) {
    fmt::print("{:>8} {:>16.1f} {:>9.0f}% {:>16.1f} {:>9.0f}% {:>9.0f}%\n", s.streams, s.prefill,
               100 * s.prefill_share, s.decode, 100 * s.decode_share, 100 * s.decode_limit_share);
  }
}

Status RunBench(BenchFlags flags) {
  flags.session.no_prefix_cache = true;  // every token is to be computed
  const int most = *std::max_element(flags.streams.begin(), flags.streams.end());
  const int64_t longest = std::max(flags.prompt + 1, flags.depth + flags.generate + 1);
  if (flags.session.cache_tokens == 0) flags.session.cache_tokens = most * (longest + 32);
  const double start = Seconds();
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(flags.session));
  const double load_s = Seconds() - start;
  const kernels::MachineLimits limits =
      kernels::MeasureMachineLimits(*session->pool, session->cx->backend(), 2.0);
  const ModelInfo& info = session->text->model->info();
  const TokenCost cost = CostOf(*session->text->model);
  const bool fast = flags.session.numerics == "fast" && limits.bf16_dot_flops > 0;
  const double dot = info.quantized      ? limits.int8_dot_ops
                     : cost.bf16 && fast ? limits.bf16_dot_flops
                                         : limits.fma_flops;
  Bench bench(*session, flags);
  AHA_RETURN_IF_ERROR(bench.Run(1).status());  // warms caches and clocks
  std::vector<Speed> speeds;
  for (const int streams : flags.streams) {
    AHA_ASSIGN_OR_RETURN(Speed speed, bench.Run(streams));
    speed.prefill_share = speed.prefill * cost.block_ops / dot;
    speed.decode_share = speed.decode / streams * cost.bytes / limits.read_bytes_per_s;
    speed.decode_limit_share = std::max(speed.decode_share, speed.decode * cost.all_ops / dot);
    speeds.push_back(speed);
  }
  Print(flags, *session, limits, speeds, load_s);
  return OkStatus();
}

}  // namespace

void AddBench(CLI::App& app, Command* run) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* bench =
      app.add_subcommand("bench", "Prefill and decode speed as a share of this machine's limits.");
  const auto size = CLI::Range(int64_t{1}, int64_t{1} << 24);
  bench->add_option("-p,--prompt", flags->prompt, "prompt tokens of prefill")->check(size);
  bench->add_option("-n,--generate", flags->generate, "tokens to decode")->check(size);
  bench->add_option("--depth", flags->depth, "tokens before those decoded")->check(size);
  bench->add_option("--streams", flags->streams, "sequences at once, e.g. 1,16")
      ->delimiter(',')
      ->check(CLI::Range(1, 256));
  bench->add_option("--repeat", flags->repeat, "the median of so many runs")
      ->check(CLI::Range(1, 1000));
  bench->add_flag("--train", flags->train, "training instead: forward, backward and update");
  bench->add_option("--tokens", flags->training.tokens, "with --train: tokens of a step")
      ->check(size)
      ->needs("--train");
  bench->add_option("--length", flags->training.length, "with --train: tokens of a document")
      ->check(size)
      ->needs("--train");
  bench->add_flag("--json", flags->json, "print one JSON object");
  flags->session.AddTo(*bench);
  bench->callback([flags, run] {
    *run = [flags] {
      if (!flags->train) return RunBench(*flags);
      BenchTrainFlags& t = flags->training;
      t.model = flags->session.model;
      t.threads = flags->session.threads;
      t.repeat = flags->repeat;
      t.json = flags->json;
      return RunBenchTrain(t);
    };
  });
}

}  // namespace aha::cli
