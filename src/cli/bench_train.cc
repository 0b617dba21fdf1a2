#include "cli/bench_train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/rng.h"
#include "cli/json_text.h"
#include "cli/session.h"
#include "kernels/machine_limits.h"
#include "train/learner.h"

namespace aha::cli {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<TrainingSequence> Documents(const BenchTrainFlags& flags, int64_t vocab) {
  std::vector<TrainingSequence> out;
  for (int64_t left = flags.tokens; left > 1; left -= flags.length) {
    const Rng rng(7, out.size());
    TrainingSequence s;
    for (int64_t i = 0; i < std::min(left, flags.length); ++i) {
      s.ids.push_back(
          static_cast<int32_t>(rng.Bits(static_cast<uint64_t>(i)) % static_cast<uint64_t>(vocab)));
      if (i > 0) s.targets.push_back(static_cast<int32_t>(i));
    }
    out.push_back(std::move(s));
  }
  return out;
}

// Multiplications and additions of a step: six for each weight and token; attention's two products
// over the tokens before, forward once and backward twice.
double Operations(const ModelInfo& info, const BenchTrainFlags& flags) {
  const auto tokens = static_cast<double>(flags.tokens);
  const double widths = static_cast<double>(info.n_heads * (info.kv.k_dim + info.kv.v_dim));
  const double attention =
      3 * 2 * widths * static_cast<double>(info.layers) * static_cast<double>(flags.length) / 2;
  return tokens * (6 * static_cast<double>(info.active_parameters) + attention);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

Status RunBenchTrain(const BenchTrainFlags& flags) {
  AHA_ASSIGN_OR_RETURN(const kernels::Backend* backend, ChooseBackend());
  AHA_ASSIGN_OR_RETURN(const std::filesystem::path path, ResolveModel(flags.model));
  AHA_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::Open(path));
  ThreadPool pool(flags.threads > 0 ? flags.threads : Cores());
  AHA_ASSIGN_OR_RETURN(ModelFiles copy, ModelFiles::InMemoryCopy(files));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Learner> learner,
                       Learner::Create(std::move(copy), backend, &pool));
  const ModelInfo& info = learner->model().info();
  const std::vector<TrainingSequence> documents = Documents(flags, info.vocab);
  const double operations = Operations(info, flags);
  std::vector<double> pass, update, share;
  for (int i = 0; i <= flags.repeat; ++i) {
    const kernels::MachineLimits limits = kernels::MeasureMachineLimits(pool, *backend, 0.5);
    const double start = Seconds();
    learner->Accumulate(documents, {}, [](const Predictions& p) {
      std::fill(p.dlogprobs.begin(), p.dlogprobs.end(), -1e-4f);
    });
    const double learned = Seconds();
    AHA_RETURN_IF_ERROR(learner->Update({}, 1e-9).status());
    if (i == 0) continue;  // memory is touched for the first time
    pass.push_back(learned - start);
    update.push_back(Seconds() - learned);
    share.push_back(operations / pass.back() / limits.fma_flops);
  }
  const double seconds = Median(pass);
  if (flags.json) {
    fmt::print(R"({{"model":{},"cpu_path":"{}","threads":{},"tokens":{},"length":{},)"
               R"("train_tokens_per_s":{:.2f},"forward_backward_s":{:.4f},"update_s":{:.4f},)"
               R"("gflops":{:.2f},"share_of_fma_limit":{:.4f}}})"
               "\n",
               StringText(path.filename().string()), backend->description(), pool.threads(),
               flags.tokens, flags.length, static_cast<double>(flags.tokens) / seconds, seconds,
               Median(update), operations / seconds / 1e9, Median(share));
    return OkStatus();
  }
  fmt::print("{} on {}, {} threads: {} tokens in documents of {}\n", path.filename().string(),
             backend->description(), pool.threads(), flags.tokens, flags.length);
  fmt::print(
      "forward and backward {:.3f} s ({:.0f} tokens/s, {:.1f} Gop/s, {:.0f}% of fma), "
      "update {:.4f} s\n",
      seconds, static_cast<double>(flags.tokens) / seconds, operations / seconds / 1e9,
      100 * Median(share), Median(update));
  return OkStatus();
}

}  // namespace aha::cli
