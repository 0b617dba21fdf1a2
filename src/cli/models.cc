// aha models: what there is, what it needs, getting more, other forms of it, and removing it.
#include <cstdlib>
#include <map>
#include <thread>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "kernels/machine_limits.h"
#include "library/convert.h"
#include "library/download.h"
#include "library/library.h"

namespace aha::cli {
namespace {

namespace fs = std::filesystem;

std::string NameOf(const fs::path& path) {
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

// Elements and bytes of each stored type.
struct Stored {
  int64_t elements = 0, bytes = 0;
};
std::map<std::string, Stored> StoredTypes(const ModelFiles& files) {
  std::map<std::string, Stored> types;
  for (const std::string& name : files.names()) {
    const Result<ConstView> view = files.Find(name);
    if (!view.ok()) continue;
    Stored& s = types[std::string(Info(view->dtype).name)];
    s.elements += view->shape.elements();
    s.bytes += view->bytes();
  }
  return types;
}

std::string Count(int64_t n) {
  if (n >= 1'000'000'000) return fmt::format("{:.2f}B", static_cast<double>(n) * 1e-9);
  if (n >= 1'000'000) return fmt::format("{:.1f}M", static_cast<double>(n) * 1e-6);
  return fmt::format("{:.1f}k", static_cast<double>(n) * 1e-3);
}

Status RunList() {
  const std::vector<fs::path> models = InstalledModels();
  if (models.empty()) {
    fmt::print("no models in {}; get one with: aha models pull ORG/NAME\n",
               ModelsFolder().string());
  }
  for (const fs::path& path : models) {
    const Result<ModelFiles> files = OpenModelFiles(path);
    if (!files.ok()) {
      fmt::print("{:<36} broken: {}\n", NameOf(path), files.status().message());
      continue;
    }
    fmt::print("{:<36} {:<12} {:>9}  {}\n", NameOf(path),
               files->config().value("model_type", std::string("?")),
               Bytes(static_cast<double>(files->weight_bytes())), path.string());
  }
  return OkStatus();
}

void PrintPlan(const ModelInfo& info, uint64_t weight_bytes) {
  const auto kv_row = static_cast<double>(info.cache_row_bytes(DefaultCacheDtype(info)));
  fmt::print("memory       {} weights (mapped) + {} for each token of context\n",
             Bytes(static_cast<double>(weight_bytes)), Bytes(kv_row));
  for (const int64_t context : {int64_t{4096}, info.max_positions}) {
    if (context > info.max_positions) continue;
    fmt::print("             {} with a context of {} tokens\n",
               Bytes(static_cast<double>(weight_bytes) + kv_row * static_cast<double>(context)),
               context);
  }
  const Result<const kernels::Backend*> backend = ChooseBackend();
  if (!backend.ok()) return;
  ThreadPool pool(Cores());
  const kernels::MachineLimits limits = kernels::MeasureMachineLimits(pool, **backend, 1.0);
  const double most = limits.read_bytes_per_s / static_cast<double>(info.bytes_per_token);
  fmt::print(
      "speed        up to {:.3g} tokens/s: {} read for each, {}/s measured on this machine\n", most,
      Bytes(static_cast<double>(info.bytes_per_token)), Bytes(limits.read_bytes_per_s));
}

Status RunShow(const std::string& name) {
  AHA_ASSIGN_OR_RETURN(const fs::path path, ResolveModel(name));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<TextModel> text, OpenTextModel(path));
  const ModelInfo& info = text->model->info();
  fmt::print("model        {} ({})\n", text->name, path.string());
  fmt::print("family       {}, {} layers, hidden {}, {} heads, {} kv heads, vocabulary {}\n",
             info.family, info.layers, info.hidden, info.n_heads, info.kv.n_kv_heads, info.vocab);
  fmt::print("parameters   {}", Count(info.parameters));
  if (info.active_parameters < info.parameters) {
    fmt::print(", {} used for a token", Count(info.active_parameters));
  }
  fmt::print("\nstored as   ");
  for (const auto& [type, s] : StoredTypes(text->files)) {
    fmt::print(" {} {}", type, Bytes(static_cast<double>(s.bytes)));
  }
  fmt::print("\ncontext      {} tokens\n", info.max_positions);
  fmt::print("chat         {}\n", text->chat ? "has a template" : "no template: aha ask --raw");
  std::string stops;
  for (const int32_t id : text->stop_ids) {
    stops += fmt::format(" {} ({})", text->tokenizer.TokenBytes(id), id);
  }
  fmt::print("stops at    {}\n", stops.empty() ? " nothing" : stops);
  PrintPlan(info, text->files.weight_bytes());
  for (const std::string& warning : text->warnings) fmt::print("note         {}\n", warning);
  return OkStatus();
}

Status RunPull(const std::string& name, const std::string& revision) {
  ProgressBar bar;
  const InterruptGuard interrupt;
  DownloadOptions options;
  if (const char* endpoint = std::getenv("HF_ENDPOINT")) options.endpoint = endpoint;
  if (const char* token = std::getenv("HF_TOKEN")) options.token = token;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  options.revision = revision;
  options.progress = [&](const std::string& file, uint64_t done, uint64_t all) {
    bar.Show(file, done, all);
  };
  options.cancelled = [&] { return interrupt.interrupted(); };
  Result<fs::path> path = DownloadModel(name, ModelsFolder(), options);
  if (!path.ok() && path.status().code() == StatusCode::kCancelled) {
    return Cancelled("stopped; the same command goes on where it was");
  }
  AHA_RETURN_IF_ERROR(path.status());
  fmt::print("{}\n", path->string());
  return OkStatus();
}

Result<DType> TypeByName(const std::string& name) {
  const std::optional<DType> dtype = DTypeFromName(name);
  if (!dtype) return InvalidArgument("'{}' is no type of weights", name);
  return *dtype;
}

ProgressFn Showing(ProgressBar& bar, const std::string& label) {
  return [&bar, label](uint64_t done, uint64_t all) { bar.Show(label, done, all); };
}

Status RunQuantize(const std::string& name, const std::string& type, std::string output) {
  AHA_ASSIGN_OR_RETURN(const DType dtype, TypeByName(type));
  AHA_ASSIGN_OR_RETURN(const fs::path from, ResolveModel(name));
  const fs::path to =
      output.empty()
          ? ModelsFolder() / (NameOf(from) + "-" + std::string(Info(dtype).name) + ".gguf")
          : fs::path(output);
  if (fs::exists(to)) return InvalidArgument("{} is there already", to.string());
  ProgressBar bar;
  AHA_RETURN_IF_ERROR(QuantizeModel(from, dtype, to, Showing(bar, to.filename().string())));
  fmt::print("{}\n", to.string());
  return OkStatus();
}

Status RunImport(const std::string& name, const std::string& type, std::string output) {
  AHA_ASSIGN_OR_RETURN(const DType dtype, TypeByName(type));
  AHA_ASSIGN_OR_RETURN(const fs::path from, ResolveModel(name));
  const fs::path to = output.empty() ? ModelsFolder() / NameOf(from) : fs::path(output);
  if (fs::exists(to)) return InvalidArgument("{} is there already", to.string());
  ProgressBar bar;
  AHA_RETURN_IF_ERROR(ImportGguf(from, dtype, to, Showing(bar, to.filename().string())));
  fmt::print("{}\n", to.string());
  return OkStatus();
}

Status RunMerge(const std::string& name, const std::string& type, const std::string& base,
                std::string output) {
  MergeOptions options = {.base = base, .dtype = std::nullopt};
  if (!type.empty()) {
    AHA_ASSIGN_OR_RETURN(options.dtype, TypeByName(type));
  }
  AHA_ASSIGN_OR_RETURN(const fs::path from, ResolveModel(name));
  const fs::path to =
      output.empty() ? ModelsFolder() / (NameOf(from) + "-merged") : fs::path(output);
  if (fs::exists(to)) return InvalidArgument("{} is there already", to.string());
  ProgressBar bar;
  AHA_ASSIGN_OR_RETURN(const DType dtype,
                       MergeAdapter(from, options, to, Showing(bar, to.filename().string())));
  fmt::print("{} ({})\n", to.string(), Info(dtype).name);
  return OkStatus();
}

// Only what lies in the models folder, so that a slip of the keyboard cannot remove more.
Status RunRemove(const std::string& name) {
  for (const fs::path& path : InstalledModels()) {
    if (NameOf(path) != name && path.filename() != name) continue;
    if (path.parent_path() == ShippedModelsFolder()) {
      return InvalidArgument("{} came with the program; it is not removed", path.string());
    }
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return IoError("cannot remove {}: {}", path.string(), error.message());
    fmt::print("removed {}\n", path.string());
    return OkStatus();
  }
  return NotFound("no model '{}' in {}", name, ModelsFolder().string());
}

}  // namespace

void AddModels(CLI::App& app, Command* run) {
  struct Flags {
    std::string name, output, type, base, revision = "main";
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* models = app.add_subcommand("models", "List, get, convert and remove models.");
  models->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, Command body) {
    CLI::App* sub = models->add_subcommand(name, help);
    sub->callback([run, body] { *run = body; });
    return sub;
  };
  verb("list", "what is in the models folder", [] { return RunList(); });
  CLI::App* show = verb("show", "what a model is, and what it needs on this machine",
                        [flags] { return RunShow(flags->name); });
  show->add_option("model", flags->name);
  CLI::App* pull = verb("pull", "get a model from the Hugging Face hub (resumes, checks SHA-256)",
                        [flags] { return RunPull(flags->name, flags->revision); });
  pull->add_option("model", flags->name, "ORG/NAME or ORG/NAME:FILE.gguf")->required();
  pull->add_option("--revision", flags->revision, "branch, tag or commit")
      ->check([](const std::string& r) {
        return r.find_first_not_of(
                   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                       std::string::npos
                   ? ""
                   : "'" + r + "' is not the name of a revision";
      });
  CLI::App* quantize = verb("quantize", "write a model as a GGUF with smaller weights", [flags] {
    return RunQuantize(flags->name, flags->type.empty() ? "q8_0" : flags->type, flags->output);
  });
  CLI::App* import = verb("import", "turn a GGUF into a Hugging Face folder", [flags] {
    return RunImport(flags->name, flags->type.empty() ? "bf16" : flags->type, flags->output);
  });
  quantize
      ->add_option("--type", flags->type, "q8_0 (default), q5_1, q5_0, q4_1, q4_0, f16, bf16, f32")
      ->check(CLI::IsMember({"q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "f16", "bf16", "f32"},
                            CLI::ignore_case));
  CLI::App* merge = verb("merge", "merge a PEFT adapter into its base, as a model", [flags] {
    return RunMerge(flags->name, flags->type, flags->base, flags->output);
  });
  merge->add_option("--base", flags->base, "the base model, in place of the one it names");
  merge
      ->add_option("--type", flags->type,
                   "f32, f16 or bf16; default: the base's, bf16 where that is quantised")
      ->check(CLI::IsMember({"bf16", "f16", "f32"}, CLI::ignore_case));
  import->add_option("--type", flags->type, "bf16 (default), f16 or f32")
      ->check(CLI::IsMember({"bf16", "f16", "f32"}, CLI::ignore_case));
  for (CLI::App* sub : {quantize, import, merge}) {
    sub->add_option("model", flags->name)->required();
    sub->add_option("-o,--out,--output", flags->output, "where to; default: the models folder");
  }
  CLI::App* rm = verb("rm", "remove a model from the models folder",
                      [flags] { return RunRemove(flags->name); });
  rm->add_option("model", flags->name)->required();
}

}  // namespace aha::cli
