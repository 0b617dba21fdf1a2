#include "model/lora.h"

#include <algorithm>
#include <set>

#include "base/nearest_name.h"
#include "model/initialize.h"
#include "model/model.h"
#include "weights/peft_adapter.h"

namespace aha {
namespace {

bool Means(const std::string& target, const std::string& name) {
  return name == target || name.ends_with("." + target);
}

std::string LastName(const std::string& name) { return name.substr(name.rfind('.') + 1); }

Status UnknownTarget(const std::string& target, std::span<const LinearMap> linears) {
  std::set<std::string> endings;
  for (const LinearMap& l : linears) endings.insert(LastName(l.name));
  const std::vector<std::string> names(endings.begin(), endings.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  const std::string nearest = NearestName(target, names);
  return InvalidArgument("lora_targets has '{}'{}; this model's linear maps are {}", target,
                         nearest.empty() ? "" : ", did you mean '" + nearest + "'?", list);
}

// The linear maps that `targets` mean.
std::vector<LinearMap> Chosen(const ModelFiles& base, std::span<const LinearMap> linears,
                              const std::vector<std::string>& targets) {
  std::set<std::string> experts;  // last names of what is stored a matrix and cannot be adapted
  constexpr std::string_view kWeight = ".weight";
  for (const std::string& name : base.names()) {
    const std::string module = name.substr(0, name.size() - std::min(name.size(), kWeight.size()));
    const bool adaptable = std::any_of(linears.begin(), linears.end(),
                                       [&](const LinearMap& l) { return l.name == module; });
    if (name.ends_with(kWeight) && !adaptable) experts.insert(LastName(module));
  }
  std::vector<LinearMap> out;
  for (const LinearMap& l : linears) {
    const bool wanted =
        targets.empty() ? !experts.contains(LastName(l.name))
                        : std::any_of(targets.begin(), targets.end(),
                                      [&](const auto& target) { return Means(target, l.name); });
    if (wanted) out.push_back(l);
  }
  return out;
}

}  // namespace

Result<ModelFiles> WithNewAdapters(const ModelFiles& base, const LoraOptions& options) {
  if (base.adapted()) return InvalidArgument("the base has adapters of its own; merge them first");
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, LoadModel(base));
  for (const std::string& target : options.targets) {
    const bool known = std::any_of(model->linears().begin(), model->linears().end(),
                                   [&](const LinearMap& l) { return Means(target, l.name); });
    if (!known) return UnknownTarget(target, model->linears());
  }
  AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::InMemoryView(base));
  files.SetLoraAlpha(options.alpha);
  for (const LinearMap& l : Chosen(base, model->linears(), options.targets)) {
    const std::string a = l.name + std::string(kLoraA);
    const std::string b = l.name + std::string(kLoraB);
    files.Add(a, Storage(DType::kF32, {options.rank, l.in}));
    files.Add(b, Storage(DType::kF32, {l.out, options.rank}));
    InitializeTensor(files, a, options.seed);
  }
  return files;
}

}  // namespace aha
