#include "server/replay.h"

#include <algorithm>
#include <deque>

#include "library/sha256.h"
#include "server/openai_chat.h"
#include "server/openai_completions.h"
#include "server/receipt.h"
#include "server/request_fields.h"

namespace aha {
namespace {

// A loop of our own for what the host posts.
class Loop {
 public:
  void Post(std::function<void()> work) {
    {
      const MutexLock lock(mutex_);
      work_.push_back(std::move(work));
    }
    wake_.NotifyAll();
  }
  void RunUntil(const bool& done) {
    while (!done) {
      std::deque<std::function<void()>> work;
      {
        const MutexLock lock(mutex_);
        while (work_.empty()) wake_.Wait(mutex_);
        work.swap(work_);
      }
      for (const auto& one : work) one();
    }
  }

 private:
  Mutex mutex_;
  Condition wake_;
  std::deque<std::function<void()>> work_ AHA_GUARDED_BY(mutex_);
};

struct Collected : ChatSink {
  using ChatSink::ChatSink;
  using ChatSink::results;
  void OnEnd() override { done = true; }
  bool done = false;
};

struct Nobody : GenerationSink {
  void OnEvents(std::vector<GenerationEvent>) override {}
};

struct Fields {
  std::string id, model_hash, template_hash, prompt_hash, numerics, code_path, program;
  std::string kv_cache = "f32";  // receipts from before there was another say nothing
  Json request;
  struct Sample {
    std::vector<int32_t> tokens;
    std::string sha256;
    int64_t end_thought_at = -1;
    bool cut = false;  // it was cancelled: a replay goes on
  };
  std::vector<Sample> samples;
};

Result<Fields> Read(const Json& receipt) {
  if (!receipt.is_object() || !receipt.contains("aha_receipt")) {
    return InvalidArgument("this is no receipt: it has no 'aha_receipt'");
  }
  Fields out;
  RequestFields f(receipt);
  int64_t version = 0;
  f.Read("aha_receipt", &version, 1, 1);
  f.Read("template_sha256", &out.template_hash);
  f.Read("prompt_sha256", &out.prompt_hash);
  f.Read("numerics", &out.numerics);
  f.Read("kv_cache", &out.kv_cache);
  f.Read("code_path", &out.code_path);
  f.Read("program", &out.program);
  const Json* model = f.Find("model");
  const Json* request = f.Find("request");
  const Json* samples = f.Find("samples");
  if (model == nullptr || !model->is_object()) f.Fail("model", "is missing, or no object");
  if (request == nullptr || !request->is_object()) f.Fail("request", "is missing, or no object");
  if (samples == nullptr || !samples->is_array() || samples->empty()) {
    f.Fail("samples", "is missing, or no list with something in it");
  }
  if (f.failed()) return InvalidArgument("{}", f.error().message);
  RequestFields m(*model, "model.");
  m.Read("id", &out.id);
  m.Read("sha256", &out.model_hash);
  if (m.failed()) return InvalidArgument("{}", m.error().message);
  out.request = *request;
  for (size_t i = 0; i < samples->size(); ++i) {
    const std::string where = fmt::format("samples[{}].", i);
    if (!(*samples)[i].is_object()) return InvalidArgument("{} is no object", where);
    RequestFields s((*samples)[i], where);
    Fields::Sample sample;
    std::string reason;
    s.Read("sha256", &sample.sha256);
    s.Read("finish_reason", &reason);
    s.Read("end_thought_at", &sample.end_thought_at, int64_t{-1}, int64_t{1} << 32);
    sample.cut = reason == "cancelled";
    const Json* tokens = s.Find("tokens");
    if (tokens == nullptr || !tokens->is_array()) {
      s.Fail("tokens", "is missing, or no list");
    } else {
      for (const Json& id : *tokens) {
        if (!id.is_number_integer()) {
          s.Fail("tokens", "holds what is no id");
          break;
        }
        sample.tokens.push_back(id.get<int32_t>());
      }
    }
    if (s.failed()) return InvalidArgument("{}", s.error().message);
    out.samples.push_back(std::move(sample));
  }
  return out;
}

std::string Difference(const Fields& was, const std::vector<SampleResult>& is) {
  if (was.samples.size() != is.size()) {
    return fmt::format("{} samples became {}", was.samples.size(), is.size());
  }
  for (size_t i = 0; i < is.size(); ++i) {
    const Fields::Sample& old = was.samples[i];
    std::span<const GeneratedToken> tokens = is[i].tokens;
    if (old.cut) tokens = tokens.first(std::min(tokens.size(), old.tokens.size()));
    for (size_t t = 0; t < std::min(old.tokens.size(), tokens.size()); ++t) {
      if (old.tokens[t] != tokens[t].id) {
        return fmt::format("sample {}, token {}: {} became {}", i, t, old.tokens[t], tokens[t].id);
      }
    }
    if (old.tokens.size() != tokens.size()) {
      return fmt::format("sample {}: {} tokens became {}", i, old.tokens.size(), tokens.size());
    }
    if (old.sha256 != Sha256OfSample(tokens)) {
      return fmt::format("sample {}: the same tokens, with other log-probabilities", i);
    }
  }
  return "";
}

// Requests beside the replayed one: its prompt, gone on with in other ways.
void StartLoad(int count, const GenerationSpec& like, ModelHost& host) {
  for (int i = 0; i < count; ++i) {
    GenerationSpec other;
    other.model = like.model;
    other.prompt = like.prompt;
    std::rotate(other.prompt.begin(),
                other.prompt.begin() + i % static_cast<int>(other.prompt.size()),
                other.prompt.end());
    other.sampling.seed = static_cast<uint64_t>(i) + 1;
    other.max_tokens = like.max_tokens;
    other.cache_salt = static_cast<uint64_t>(i) % 2;
    (void)host.Start(std::move(other), std::make_shared<Nobody>());
  }
}

// The request is a completion's, or a chat's.
ApiResult<PreparedChat> PrepareAgain(const Json& request, ModelHost& host) {
  if (request.contains("prompt")) {
    ApiResult<CompletionSpec> spec = ParseCompletion(request);
    if (!spec.ok()) return spec.error();
    ApiResult<GenerationSpec> generation = PrepareCompletion(*spec, host);
    if (!generation.ok()) return generation.error();
    return PreparedChat{.generation = std::move(*generation)};
  }
  ApiResult<ChatSpec> spec = ParseOpenAiChat(request);
  if (!spec.ok()) return spec.error();
  return PrepareChat(*spec, host, {});
}

}  // namespace

Result<ReplayReport> Replay(const Json& receipt, const ReplayOptions& options) {
  AHA_ASSIGN_OR_RETURN(const Fields was, Read(receipt));
  Loop loop;
  ModelHostOptions host_options;
  host_options.default_model = options.model.empty() ? was.id : options.model;
  host_options.runs = options.runs;
  host_options.backend = options.backend;
  host_options.threads = options.threads;
  host_options.numerics = was.numerics == "fast" ? ops::Numerics::kFast : ops::Numerics::kPortable;
  if (was.kv_cache != "f32" && was.kv_cache != "f16") {
    return InvalidArgument("kv_cache is '{}': this program knows f32 and f16", was.kv_cache);
  }
  host_options.cache_dtype = was.kv_cache == "f16" ? DType::kF16 : DType::kF32;
  ModelHost host(host_options, [&](std::function<void()> work) { loop.Post(std::move(work)); });
  ApiResult<PreparedChat> prepared = PrepareAgain(was.request, host);
  if (!prepared.ok()) return InvalidArgument("request: {}", prepared.error().message);
  GenerationSpec& g = prepared->generation;
  AHA_ASSIGN_OR_RETURN(const std::string hash, g.model->Sha256());
  if (hash != was.model_hash) {
    return InvalidArgument("the weights of '{}' are not those of the receipt: {} became {}",
                           g.model->id, was.model_hash, hash);
  }
  if (Sha256OfIds(g.prompt) != was.prompt_hash) {
    return InvalidArgument("the request gives another prompt than the receipt's");
  }
  ReplayReport report{.model = g.model->id, .samples = g.n};
  if (was.program != options.version) {
    report.notes.push_back(
        fmt::format("the program was {}, and is {}", was.program, options.version));
  }
  if (was.code_path != options.backend->name()) {
    report.notes.push_back(
        fmt::format("the code path was {}, and is {}", was.code_path, options.backend->name()));
  }
  for (const Fields::Sample& sample : was.samples)
    g.end_thought_at.push_back(sample.end_thought_at);
  StartLoad(options.load, g, host);
  const auto sink = std::make_shared<Collected>(*prepared);
  const Result<uint64_t> started = host.Start(std::move(g), sink);
  if (!started.ok()) return started.status();
  loop.RunUntil(sink->done);
  for (const Fields::Sample& s : was.samples)
    report.tokens += static_cast<int64_t>(s.tokens.size());
  report.difference = Difference(was, sink->results());
  return report;
}

}  // namespace aha
