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

Status UnknownTarget(const std::string& target, std::span<const LinearMap> linears) {
  std::set<std::string> endings;
  for (const LinearMap& l : linears) endings.insert(l.name.substr(l.name.rfind('.') + 1));
  const std::vector<std::string> names(endings.begin(), endings.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  const std::string nearest = NearestName(target, names);
  return InvalidArgument("lora_targets has '{}'{}; this model's linear maps are {}", target,
                         nearest.empty() ? "" : ", did you mean '" + nearest + "'?", list);
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
  for (const LinearMap& l : model->linears()) {
    const bool wanted = options.targets.empty() ||
                        std::any_of(options.targets.begin(), options.targets.end(),
                                    [&](const std::string& t) { return Means(t, l.name); });
    if (!wanted) continue;
    const std::string a = l.name + std::string(kLoraA);
    const std::string b = l.name + std::string(kLoraB);
    files.Add(a, Storage(DType::kF32, {options.rank, l.in}));
    files.Add(b, Storage(DType::kF32, {l.out, options.rank}));
    InitializeTensor(files, a, options.seed);
  }
  return files;
}

}  // namespace aha
