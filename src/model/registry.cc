// Which class runs which architecture.
#include <array>
#include <string>

#include "model/deepseek_v3.h"
#include "model/llama.h"
#include "model/model.h"

namespace aha {
namespace {

using Load = Result<std::unique_ptr<Model>> (*)(const ModelFiles&, const std::string& family,
                                                bool check_all);

struct Family {
  const char* architecture;
  const char* model_type;  // and the name of the family
  Load load;
};

constexpr std::array<Family, 5> kFamilies = {{
    {"LlamaForCausalLM", "llama", &Llama::Load},
    {"Qwen2ForCausalLM", "qwen2", &Llama::Load},
    {"Qwen3ForCausalLM", "qwen3", &Llama::Load},
    {"DeepseekV3ForCausalLM", "deepseek_v3", &DeepSeekV3::Load},
    {"DeepseekV2ForCausalLM", "deepseek_v2", &DeepSeekV3::Load},
}};

Result<const Family*> FindFamily(const Json& config) {
  // The architecture decides; model_type stands in where a config has none.
  std::string name;
  const Json* architectures = FindKey(config, "architectures");
  if (architectures != nullptr) {
    if (!architectures->is_array() || architectures->size() != 1 ||
        !(*architectures)[0].is_string()) {
      return InvalidArgument("config.json: architectures is {}, must be a list of one name",
                             DumpJson(*architectures));
    }
    name = (*architectures)[0].get<std::string>();
  } else {
    AHA_ASSIGN_OR_RETURN(name, GetString(config, "model_type"));
  }
  std::string known;
  for (const Family& family : kFamilies) {
    if (name == family.architecture || (architectures == nullptr && name == family.model_type)) {
      return &family;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  }
  return InvalidArgument("the architecture '{}' is not known; known are {}", name, known);
}

}  // namespace

Result<std::unique_ptr<Model>> LoadModel(const ModelFiles& files, bool check_all) {
  const std::string where = files.path().empty() ? "the model in memory" : files.path().string();
  Result<const Family*> family = FindFamily(files.config());
  if (!family.ok()) return family.status().Within(where);
  Result<std::unique_ptr<Model>> model = (*family)->load(files, (*family)->model_type, check_all);
  if (!model.ok()) return model.status().Within(where);
  return model;
}

}  // namespace aha
