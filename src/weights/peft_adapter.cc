#include "weights/peft_adapter.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "weights/safetensors_file.h"
#include "weights/safetensors_writer.h"

namespace aha {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kTensors = "adapter_model.safetensors";
constexpr uint64_t kLargestJson = 100'000'000;

// Settings that change what an adapter computes.
constexpr const char* kUnknown[] = {
    "use_dora",          "alpha_pattern",  "lora_bias",    "modules_to_save",
    "target_parameters", "fan_in_fan_out", "use_qalora",   "trainable_token_indices",
    "layer_replication", "use_bdlora",     "arrow_config", "alora_invocation_tokens",
    "monteclora_config", "kasa_config",    "velora_config"};

// Present, and neither false nor empty.
bool Asked(const Json& config, const char* key) {
  const Json* value = FindKey(config, key);
  return value != nullptr && *value != false && !((value->is_structured()) && value->empty());
}

Result<PeftConfig> ParsePeftConfig(const Json& json) {
  if (!json.is_object()) return InvalidArgument("not a JSON object");
  AHA_ASSIGN_OR_RETURN(const std::string type, GetString(json, "peft_type"));
  if (type != "LORA") return InvalidArgument("peft_type is {}; only LORA is known", type);
  for (const char* key : kUnknown) {
    if (Asked(json, key)) {
      return InvalidArgument("{} is {}, which is not known here", key, DumpJson(json[key]));
    }
  }
  // The others (pissa, olora, ...) change the base's weights too.
  const Json* init = FindKey(json, "init_lora_weights");
  if (init != nullptr && init->is_string() && *init != "gaussian" && *init != "eva" &&
      *init != "orthogonal") {
    return InvalidArgument("init_lora_weights is {}: such an adapter is not for the base as it is",
                           DumpJson(*init));
  }
  if (const Json* bias = FindKey(json, "bias"); bias != nullptr && *bias != "none") {
    return InvalidArgument("bias is {}; only none is known", DumpJson(*bias));
  }
  PeftConfig config;
  if (FindKey(json, "base_model_name_or_path") != nullptr) {
    AHA_ASSIGN_OR_RETURN(config.base, GetString(json, "base_model_name_or_path"));
  }
  AHA_ASSIGN_OR_RETURN(config.rank, GetInt(json, "r"));
  if (config.rank < 1) return InvalidArgument("r is {}", config.rank);
  AHA_ASSIGN_OR_RETURN(config.alpha, GetDouble(json, "lora_alpha"));
  const bool many_ranks = Asked(json, "rank_pattern");
  if (Asked(json, "use_rslora")) {
    if (many_ranks) return InvalidArgument("use_rslora with a rank_pattern is not known here");
    config.alpha *= std::sqrt(static_cast<double>(config.rank));
  }
  if (many_ranks) config.rank = 0;
  return config;
}

// "a.b.c" -> the last `parts` of it.
std::string LastParts(const std::string& name, int parts) {
  size_t at = name.size();
  for (; parts > 0 && at != std::string::npos; --parts) at = name.rfind('.', at - 1);
  return at == std::string::npos ? name : name.substr(at + 1);
}

// The shortest endings of names that mean the adapted modules and no others.
Json TargetModules(const ModelFiles& files, const std::vector<std::string>& adapted) {
  const std::set<std::string> mine(adapted.begin(), adapted.end());
  std::vector<std::string> others;
  constexpr std::string_view kWeight = ".weight";
  for (const std::string& name : files.names()) {
    if (!name.ends_with(kWeight)) continue;
    const std::string module = name.substr(0, name.size() - kWeight.size());
    if (!mine.contains(module)) others.push_back(module);
  }
  std::set<std::string> targets;
  for (const std::string& module : adapted) {
    std::string target = module;
    for (const int parts : {1, 2}) {
      const std::string ending = LastParts(module, parts);
      const bool alone = std::none_of(others.begin(), others.end(), [&](const std::string& other) {
        return other.ends_with("." + ending);
      });
      if (alone) {
        target = ending;
        break;
      }
    }
    targets.insert(target);
  }
  return Json(std::vector<std::string>(targets.begin(), targets.end()));
}

}  // namespace

bool IsPeftAdapter(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path / kConfig, error);
}

Result<PeftConfig> ReadPeftConfig(const fs::path& folder) {
  const fs::path path = folder / kConfig;
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestJson));
  const Result<Json> json = ParseJson(text);
  if (!json.ok()) return json.status().Within(path.string());
  Result<PeftConfig> config = ParsePeftConfig(*json);
  if (!config.ok()) return config.status().Within(path.string());
  return config;
}

Result<PeftAdapter> ReadPeftAdapter(const fs::path& folder) {
  PeftAdapter adapter;
  AHA_ASSIGN_OR_RETURN(adapter.config, ReadPeftConfig(folder));
  const fs::path path = folder / kTensors;
  std::error_code error;
  if (!fs::exists(path, error)) {
    return NotFound("{} has no {} (a pickled adapter_model.bin is not read)", folder.string(),
                    kTensors);
  }
  AHA_ASSIGN_OR_RETURN(adapter.map, MappedFile::Open(path));
  TensorMap stored;
  AHA_RETURN_IF_ERROR(ReadSafetensors(adapter.map.bytes(), &stored).Within(path.string()));
  for (const auto& [name, why] : stored.unusable) {
    return InvalidArgument("{}: tensor '{}' cannot be used: {}", path.string(), name, why);
  }
  for (const auto& [name, view] : stored.views) {
    if (!name.starts_with(kPeftPrefix) || !(name.ends_with(kLoraA) || name.ends_with(kLoraB))) {
      return InvalidArgument("{}: tensor '{}' is no part of a low-rank adapter", path.string(),
                             name);
    }
    adapter.tensors.views[name.substr(kPeftPrefix.size())] = view;
  }
  if (stored.views.empty()) return InvalidArgument("{} holds no tensors", path.string());
  return adapter;
}

Status CheckFits(const PeftAdapter& adapter, const ModelFiles& base) {
  const auto& views = adapter.tensors.views;
  for (const auto& [name, view] : views) {
    const bool is_a = name.ends_with(kLoraA);
    const std::string module = name.substr(0, name.size() - kLoraA.size());
    const auto other = views.find(module + std::string(is_a ? kLoraB : kLoraA));
    if (other == views.end()) {
      return NotFound("{} has no {} beside it", name, is_a ? "lora_B" : "lora_A");
    }
    const Result<ConstView> weight = base.Find(module + ".weight");
    if (!weight.ok()) return weight.status().Within(name + " adapts what the base lacks");
    const Shape& a = is_a ? view.shape : other->second.shape;
    const Shape& b = is_a ? other->second.shape : view.shape;
    const Shape& w = weight->shape;
    if (a.rank() != 2 || b.rank() != 2 || w.rank() != 2 || a[0] != b[1] || a[1] != w[1] ||
        b[0] != w[0] || a[0] < 1) {
      return InvalidArgument("{}: A {} and B {} do not fit the base's weight {}", module,
                             a.ToString(), b.ToString(), w.ToString());
    }
    if (adapter.config.rank != 0 && a[0] != adapter.config.rank) {
      return InvalidArgument("{}: the rank is {}, {} says r is {}", module, a[0], kConfig,
                             adapter.config.rank);
    }
  }
  return OkStatus();
}

Status WritePeftAdapter(const ModelFiles& files, const std::string& base, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError("cannot create {}: {}", folder.string(), error.message());
  SafetensorsWriter writer(folder / kTensors);
  std::vector<std::string> modules;
  int64_t rank = 0;
  for (const std::string& name : files.names()) {
    if (!name.ends_with(kLoraA) && !name.ends_with(kLoraB)) continue;
    AHA_ASSIGN_OR_RETURN(const ConstView view, files.Find(name));
    writer.AddAs(std::string(kPeftPrefix) + name, view, DType::kF32);
    if (!name.ends_with(kLoraA)) continue;
    modules.push_back(name.substr(0, name.size() - kLoraA.size()));
    if (rank != 0 && view.rows() != rank) {
      return InvalidArgument("{} has rank {}, others have {}", name, view.rows(), rank);
    }
    rank = view.rows();
  }
  if (modules.empty()) return InvalidArgument("the model has no adapters to write");
  AHA_RETURN_IF_ERROR(writer.Finish());
  AHA_ASSIGN_OR_RETURN(const double alpha, GetDouble(files.config(), "lora_alpha"));
  Json config = {{"peft_type", "LORA"},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", base},
                 {"r", rank},
                 {"lora_alpha", alpha},
                 {"target_modules", TargetModules(files, modules)},
                 {"lora_dropout", 0.0},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"init_lora_weights", true},
                 {"inference_mode", true},
                 {"modules_to_save", nullptr},
                 {"use_rslora", false},
                 {"use_dora", false}};
  if (alpha == std::floor(alpha)) config["lora_alpha"] = static_cast<int64_t>(alpha);
  return WriteFileAtomic(folder / kConfig, DumpJson(config, 2) + "\n");
}

}  // namespace aha
